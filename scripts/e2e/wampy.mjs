// The interface of clients.mjs on top of Wampy.js.
import { Wampy } from 'wampy';
import { CborSerializer } from 'wampy/CborSerializer.js';
import { JsonSerializer } from 'wampy/JsonSerializer.js';
import { MsgpackSerializer } from 'wampy/MsgpackSerializer.js';
import { sign as signature } from 'wampy/cryptosign.js';
import { sign } from 'wampy/wampcra.js';
import WebSocket from 'ws';

import { Failure, tap } from './wire.mjs';

const serializers = { json: JsonSerializer, msgpack: MsgpackSerializer, cbor: CborSerializer };

function serializer(name, wire) {
  const inner = new serializers[name]();
  return {
    protocol: inner.protocol,
    isBinary: inner.isBinary,
    encode: (msg) => inner.encode(msg),
    decode: (data) => wire.incoming(inner.decode(data)),
  };
}

// plain undoes the habit of the MessagePack library of reading integers above
// 32 bits as BigInt.
function plain(value) {
  if (typeof value === 'bigint') return Number(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object' || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

const incoming = ({ argsList = [], argsDict = {} }) => ({ args: plain(argsList), kwargs: plain(argsDict) });

const outgoing = ({ args, kwargs }) =>
  args || kwargs ? { ...(args && { argsList: args }), ...(kwargs && { argsDict: kwargs }) } : null;

const failure = (e) => (e.errorUri ? new Failure(e.errorUri, plain(e.argsList), plain(e.argsDict)) : e);

// plugins answer the challenges.
const plugins = {
  ticket: (secret) => () => secret,
  wampcra: sign,
  cryptosign: signature,
};

function credentials({ authid, method, secret, extra }) {
  return {
    authid,
    authmethods: [method],
    authextra: extra,
    authMode: 'auto',
    authPlugins: { [method]: (plugins[method] ?? plugins.ticket)(secret) },
  };
}

export async function connect({ url, realm, serializer: name, login }) {
  let ended;
  const closed = new Promise((resolve) => {
    ended = resolve;
  });
  const wire = tap();
  const client = new Wampy(url, {
    realm,
    ws: WebSocket,
    serializer: serializer(name, wire),
    payloadSerializers: { json: new JsonSerializer(), cbor: new CborSerializer() },
    onClose: () => ended('closed'), // it does not tell the reason
    ...(login && credentials(login)),
  });
  const settle = async (promise) => {
    try {
      return await promise;
    } catch (e) {
      throw wire.abort ?? failure(e);
    }
  };
  const welcome = await settle(client.connect());

  return {
    id: Number(client.getSessionId()),
    welcome,
    closed,
    farewell: () => wire.goodbye,

    call(procedure, payload = {}, options = {}, onProgress = undefined) {
      const callback = onProgress && { progress_callback: (r) => onProgress(incoming(r)) };
      const result = client.call(procedure, outgoing(payload), { ...options, ...callback });
      const { reqId } = client.getOpStatus();
      return {
        result: settle(result).then(incoming),
        cancel: (mode) => client.cancel(reqId, { mode }),
      };
    },

    callInPieces(procedure, payload) {
      const { result, sendData } = client.progressiveCall(procedure, outgoing(payload));
      return {
        result: settle(result).then(incoming),
        send: (piece, last) => sendData(outgoing(piece), { progress: !last }),
      };
    },

    async register(procedure, handler, options) {
      const endpoint = async (invocation) => {
        const { details, result_handler: send } = invocation;
        const progress = details.receive_progress && ((p) => send({ ...outgoing(p), options: { progress: true } }));
        try {
          const got = { ...incoming(invocation), procedure: details.procedure, progress, details: plain(details) };
          const { options: told, ...result } = await handler(got);
          return told ? { ...outgoing(result), options: told } : outgoing(result);
        } catch (e) {
          throw {
            error: e.uri ?? 'wamp.error.runtime_error',
            argsList: e.args ?? [e.message],
            argsDict: e.kwargs ?? {},
          };
        }
      };
      await settle(client.register(procedure, endpoint, options));
      return { unregister: () => settle(client.unregister(procedure)) };
    },

    async subscribe(topic, handler, options) {
      const onEvent = (event) => handler({ ...incoming(event), topic: event.details.topic, details: plain(event.details) });
      const { subscriptionId, subscriptionKey } = await settle(client.subscribe(topic, onEvent, options));
      return { id: Number(subscriptionId), unsubscribe: () => settle(client.unsubscribe(subscriptionKey)) };
    },

    async publish(topic, payload = {}, options) {
      const { publicationId } = await settle(client.publish(topic, outgoing(payload), options));
      return Number(publicationId);
    },

    async close() {
      await client.disconnect();
    },
  };
}
