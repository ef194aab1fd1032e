// Runs every check with every pairing of libraries and serializers against the
// router at --url, and writes a line {"name", "error", "skipped"} for each, with
// the name alone when it passed. Exits with 0 once all have run.
import { parseArgs } from 'node:util';

import { libraries, serializers } from './clients.mjs';
import { login } from './login.mjs';
import { meta } from './meta.mjs';
import { pubsub } from './pubsub.mjs';
import { rpc } from './rpc.mjs';

const limit = 10_000; // milliseconds that a check may take

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    realm: { type: 'string', default: 'realm1' },
    only: { type: 'string', default: '' }, // a part of the names of checks
  },
});

function* kinds() {
  for (const library of Object.keys(libraries)) {
    for (const serializer of serializers) yield { library, serializer };
  }
}

const label = ({ library, serializer }) => `${library}-${serializer}`;

function* checks() {
  for (const one of kinds()) {
    for (const [name, run] of Object.entries(login)) {
      yield { name: `login/${label(one)}/${name}`, run, one };
    }
    for (const other of kinds()) {
      for (const [group, all] of Object.entries({ rpc, pubsub, meta })) {
        for (const [name, run] of Object.entries(all)) {
          yield { name: `${group}/${label(one)}-to-${label(other)}/${name}`, run, one, other };
        }
      }
    }
  }
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
    const { url, realm } = flags;
    const client = await libraries[kind.library]({ url, realm, serializer: kind.serializer, ...options });
    clients.push(client);
    return client;
  };
  checked += 1;
  return {
    uri: `com.example.check${checked}`,
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
