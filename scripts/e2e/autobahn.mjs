// The interface of clients.mjs on top of autobahn-js.
import autobahn from 'autobahn';
import WebSocket from 'ws';

import { Failure, tap } from './wire.mjs';

globalThis.WebSocket ??= WebSocket; // Node.js has its own from version 22
autobahn.log.warn = () => {}; // it warns of each connection that is closed

const serializers = {
  json: autobahn.serializer.JSONSerializer,
  msgpack: autobahn.serializer.MsgpackSerializer,
  cbor: autobahn.serializer.CBORSerializer,
};

function serializer(name, wire) {
  const inner = new serializers[name]();
  return {
    SERIALIZER_ID: inner.SERIALIZER_ID,
    BINARY: inner.BINARY,
    serialize: (msg) => inner.serialize(msg),
    unserialize: (data) => wire.incoming(inner.unserialize(data)),
  };
}

// signer is the key pair of a hex seed, as the library has one.
function signer(seed) {
  return autobahn.nacl.sign.keyPair.fromSeed(Buffer.from(seed, 'hex'));
}

function answer({ secret }) {
  return (_session, method, extra) => {
    if (method === 'ticket') return secret;
    if (method === 'cryptosign') return autobahn.auth_cryptosign.sign_challenge(signer(secret), extra);
    const { challenge, salt, iterations, keylen } = extra;
    const key = salt ? autobahn.auth_cra.derive_key(secret, salt, iterations, keylen) : secret;
    return autobahn.auth_cra.sign(key, challenge);
  };
}

// transport is what a URL leads to. Over RawSocket the library speaks JSON alone,
// and shows no message that it refused.
function transport(url, name, wire) {
  const { protocol, hostname, port } = new URL(url);
  if (protocol !== 'tcp:') return { url, serializers: [serializer(name, wire)] };
  return { transports: [{ type: 'rawsocket', host: hostname, port: Number(port) }] };
}

// payload undoes the habit of unwrapping a result of a single value.
function payload(result) {
  if (result instanceof autobahn.Result) return { args: result.args, kwargs: result.kwargs };
  return { args: result === null ? [] : [result], kwargs: {} };
}

const failure = (e) => (e instanceof autobahn.Error ? new Failure(e.error, e.args, e.kwargs) : e);

export async function connect({ url, realm, serializer: name, login }) {
  let ended;
  const closed = new Promise((resolve) => {
    ended = resolve;
  });
  const wire = tap();
  const connection = new autobahn.Connection({
    ...transport(url, name, wire),
    realm,
    on_user_error: () => {}, // what handlers throw is an answer
    on_internal_error: () => {}, // it ends the session
    ...(login && { authid: login.authid, authmethods: [login.method], authextra: login.extra, onchallenge: answer(login) }),
  });
  const [session, welcome] = await new Promise((resolve, reject) => {
    connection.onopen = (...joined) => resolve(joined);
    connection.onclose = (how, { reason }) => {
      ended(reason ?? how);
      reject(new Failure(reason ?? how));
      return true; // do not reconnect
    };
    connection.open();
  });

  // settle waits for an answer, or for the end of the session: the library
  // forgets what is pending then.
  const settle = (promise, onProgress) =>
    new Promise((resolve, reject) => {
      promise.then(resolve, (e) => reject(failure(e)), onProgress);
      closed.then((reason) => reject(wire.abort ?? new Failure(reason)));
    });

  return {
    id: session.id,
    welcome,
    closed,
    farewell: () => wire.goodbye,

    call(procedure, { args, kwargs } = {}, options = {}, onProgress = undefined) {
      const call = session.call(procedure, args, kwargs, { ...options, ...(onProgress && { receive_progress: true }) });
      return {
        result: settle(call, onProgress && ((r) => onProgress(payload(r)))).then(payload),
        cancel: (mode) => call.cancel({ mode }),
      };
    },

    async register(procedure, handler, options) {
      const endpoint = async (args, kwargs, { procedure: called, progress, ...details }) => {
        try {
          const send = progress && ((p) => progress(p.args, p.kwargs));
          const result = await handler({ args, kwargs, procedure: called, progress: send, details });
          return new autobahn.Result(result.args, result.kwargs);
        } catch (e) {
          throw new autobahn.Error(e.uri ?? 'wamp.error.runtime_error', e.args ?? [e.message], e.kwargs);
        }
      };
      const registration = await settle(session.register(procedure, endpoint, options));
      return { unregister: () => settle(session.unregister(registration)) };
    },

    async subscribe(topic, handler, options) {
      const onEvent = (args, kwargs, { topic: published, ...details }) => handler({ args, kwargs, topic: published, details });
      const subscription = await settle(session.subscribe(topic, onEvent, options));
      return { id: subscription.id, unsubscribe: () => settle(session.unsubscribe(subscription)) };
    },

    async publish(topic, { args, kwargs } = {}, options) {
      const { id } = await settle(session.publish(topic, args, kwargs, { ...options, acknowledge: true }));
      return id;
    },

    async close() {
      if (connection.isOpen) connection.close();
      await closed;
    },
  };
}
