// Runs every check with every pairing of libraries and serializers against the
// router at --url, and at --tcp for RawSocket, and writes a line {"name", "error",
// "skipped"} for each, with the name alone when it passed. It administers the
// router with the command --bondy and its --config. Exits with 0 once all have run.
import { execFile } from 'node:child_process';
import { parseArgs, promisify } from 'node:util';

import { access } from './access.mjs';
import { libraries, serializers } from './clients.mjs';
import { login } from './login.mjs';
import { meta } from './meta.mjs';
import { pubsub } from './pubsub.mjs';
import { rpc } from './rpc.mjs';

const limit = 60_000; // milliseconds that a check may take

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    tcp: { type: 'string' },
    bondy: { type: 'string' },
    config: { type: 'string' },
    realm: { type: 'string', default: 'realm1' },
    only: { type: 'string', default: '' }, // a part of the names of checks
  },
});

function* kinds() {
  for (const library of Object.keys(libraries)) {
    for (const serializer of serializers) yield { library, serializer };
  }
}

// raw is the one kind of client here that can do without WebSocket.
const raw = { library: 'autobahn', serializer: 'json', transport: 'rawsocket' };

const label = ({ library, serializer, transport }) => [library, serializer, transport].filter(Boolean).join('-');

function* checks() {
  for (const one of [...kinds(), raw]) {
    for (const [group, all] of Object.entries({ login, access })) {
      for (const [name, run] of Object.entries(all)) {
        yield { name: `${group}/${label(one)}/${name}`, run, one };
      }
    }
  }
  for (const one of kinds()) {
    for (const other of kinds()) {
      for (const [group, all] of Object.entries({ rpc, pubsub, meta })) {
        for (const [name, run] of Object.entries(all)) {
          yield { name: `${group}/${label(one)}-to-${label(other)}/${name}`, run, one, other };
        }
      }
    }
  }
}

// admin runs a command of the operator's, with input, and returns its output.
async function admin(args, input = '') {
  const running = promisify(execFile)(flags.bondy, [...args, '--config', flags.config]);
  running.child.stdin.on('error', () => {}); // a command that wants no input may end first
  running.child.stdin.end(input);
  return (await running).stdout;
}

function gate() {
  let open;
  const passed = new Promise((resolve) => {
    open = resolve;
  });
  return { open, passed };
}

class Skipped extends Error {}

let checked = 0;

// harness is what a check is given; what it opens is closed by close.
function harness(one, other) {
  const clients = [];
  const connect = async (kind, options) => {
    const { realm } = flags;
    const url = kind.transport === 'rawsocket' ? flags.tcp : flags.url;
    const client = await libraries[kind.library]({ url, realm, serializer: kind.serializer, ...options });
    clients.push(client);
    return client;
  };
  checked += 1;
  return {
    uri: `com.example.check${checked}`,
    number: checked,
    library: one.library,
    hears: one.transport !== 'rawsocket', // whether it can show what ABORT and GOODBYE say
    admin,
    gate,
    skip(reason) {
      throw new Skipped(reason);
    },
    connect: (options) => connect(one, options),
    caller: (options) => connect(one, options),
    callerLibrary: one.library,
    callerSerializer: one.serializer,
    callee: (options) => connect(other, options),
    calleeSerializer: other?.serializer,
    leave: (client) => clients.splice(clients.indexOf(client), 1)[0].close(),
    close: () => Promise.all(clients.map((c) => c.close())),
  };
}

async function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} took longer than ${limit / 1000} s`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

for (const { name, run, one, other } of checks()) {
  if (!name.includes(flags.only)) continue;
  const line = { name };
  const t = harness(one, other);
  try {
    await within(run(t), 'the check');
    await within(t.close(), 'closing the clients');
  } catch (e) {
    if (e instanceof Skipped) line.skipped = e.message;
    else line.error = String(e?.stack ?? e);
    t.close().catch(() => {}); // the first error says more
  }
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
process.exit(0); // clients that failed may be connected still
