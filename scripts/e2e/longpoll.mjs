// Runs autobahn-js over HTTP long-poll against the router at --longpoll, with a
// peer over WebSocket at --url, and writes a line {"name", "error"} for each
// check. autobahn-js has long-poll for browsers: what it needs of one is made
// here, with the Origin that a page of this machine has.
import { request } from 'node:http';
import { parseArgs } from 'node:util';

import autobahn from 'autobahn';

import { libraries } from './clients.mjs';

const limit = 20_000; // milliseconds that a check may take

const { values: flags } = parseArgs({
  options: { longpoll: { type: 'string' }, url: { type: 'string' }, realm: { type: 'string', default: 'realm1' } },
});

globalThis.XMLHttpRequest = class {
  readyState = 0;
  status = 0;
  statusText = '';
  responseText = '';
  #headers = { Origin: 'http://localhost:3000' };

  open(method, url) {
    Object.assign(this, { method, url });
  }

  setRequestHeader(name, value) {
    this.#headers[name] = value;
  }

  send(body = '') {
    const end = (status, statusText) => {
      Object.assign(this, { readyState: 4, status, statusText });
      this.onreadystatechange();
    };
    const headers = { ...this.#headers, 'Content-Length': Buffer.byteLength(body) };
    const req = request(this.url, { method: this.method, headers, timeout: this.timeout }, (resp) => {
      const ok = resp.headers['access-control-allow-origin'] === headers.Origin
        && resp.headers['access-control-allow-credentials'] === 'true';
      resp.setEncoding('utf8');
      resp.on('data', (text) => { this.responseText += text; });
      resp.on('end', () => (ok ? end(resp.statusCode, resp.statusMessage) : end(0, 'CORS')));
    });
    req.on('timeout', () => this.ontimeout?.());
    req.on('error', (e) => end(0, e.message));
    req.end(body);
  }
};

function open() {
  const connection = new autobahn.Connection({
    realm: flags.realm,
    transports: [{ type: 'longpoll', url: flags.longpoll }],
  });
  return new Promise((resolve, reject) => {
    const ended = new Promise((end) => {
      connection.onclose = (how, details) => {
        end(how);
        reject(new Error(`${how} ${JSON.stringify(details)}`));
        return true; // do not reconnect
      };
    });
    connection.onopen = (session) => resolve({ connection, session, ended });
    connection.open();
  });
}

const equal = (got, want) => {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Error(`got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
};

const checks = {
  async 'calls in both directions'({ session }, peer) {
    const args = ['grün', 1, null, { a: [true] }, 'x'.repeat(200_000)];
    await session.register('com.example.longpoll', (a) => new autobahn.Result(a));
    equal((await peer.call('com.example.longpoll', { args }).result).args, args);
    await peer.register('com.example.other', ({ args: a }) => ({ args: a }));
    equal((await session.call('com.example.other', args)).args, args);
  },

  async 'errors'({ session }) {
    const e = await session.call('com.example.nothing').then(() => null, (failure) => failure);
    equal(e?.error, 'wamp.error.no_such_procedure');
  },

  async 'events in both directions, in order'({ session }, peer) {
    const want = Array.from({ length: 200 }, (_, i) => i);
    for (const [from, to] of [[peer, session], [session, peer]]) {
      const got = [];
      const topic = `com.example.${from === peer ? 'down' : 'up'}`;
      const all = new Promise((resolve) => {
        const take = (n) => { if (got.push(n) === want.length) resolve(); };
        (to === session ? session.subscribe(topic, ([n]) => take(n)) : peer.subscribe(topic, ({ args: [n] }) => take(n)))
          .then(async () => {
            for (const n of want) {
              if (from === peer) await peer.publish(topic, { args: [n] });
              else await session.publish(topic, [n], {}, { acknowledge: true });
            }
          });
      });
      await all;
      equal(got, want);
    }
  },

  async 'silence longer than a poll'({ session }) {
    await new Promise((resolve) => { setTimeout(resolve, 10_500); });
    equal(session.isOpen, true);
  },

  async 'an orderly end'({ connection, ended }) {
    connection.close();
    equal(await ended, 'closed');
  },
};

const peer = await libraries.autobahn({ url: flags.url, realm: flags.realm, serializer: 'json' });
const client = await open();
for (const [name, run] of Object.entries(checks)) {
  const line = { name };
  const late = new Promise((_, reject) => {
    setTimeout(() => reject(new Error('the check took too long')), limit).unref();
  });
  try {
    await Promise.race([run(client, peer), late]);
  } catch (e) {
    line.error = String(e?.stack ?? e);
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
process.exit(0);
