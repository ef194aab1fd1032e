// Checks of two clients whose routers are bridged: one process is the callee,
// which writes the line "ready" and runs until it is ended; another, at the
// other router, is the caller, which writes a line {"name", "error"} for each
// check.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';

import { Failure, libraries, serializers } from './clients.mjs';

const limit = 10_000; // milliseconds for one check

const { values: flags } = parseArgs({
  options: {
    url: { type: 'string' },
    realm: { type: 'string', default: 'realm1' },
    role: { type: 'string' },
    library: { type: 'string' },
  },
});

const connect = (serializer) => libraries[flags.library]({ url: flags.url, realm: flags.realm, serializer });

// What the callee offers, by the end of the URI.
const procedures = {
  echo: ({ args, kwargs }) => ({ args, kwargs }),

  progress: ({ args: [n], progress }) => {
    assert.ok(progress, 'the callee was not asked for progress');
    for (let i = 0; i < n; i++) progress({ args: [i], kwargs: { percent: (100 * i) / n } });
    return { args: ['done'] };
  },

  fail: () => {
    throw new Failure('com.example.error.odd', ['odd', 1], { hint: 'even' });
  },

  never: () => new Promise(() => {}),
};

// The URIs of a callee begin with its library, which is the other one of the
// caller's, and its serializer.
const other = flags.library === 'wampy' ? 'autobahn' : 'wampy';
const base = (serializer) => `com.example.${flags.role === 'callee' ? flags.library : other}.${serializer}`;

async function callee() {
  for (const serializer of serializers) {
    const client = await connect(serializer);
    for (const [name, handler] of Object.entries(procedures)) {
      await client.register(`${base(serializer)}.${name}`, handler);
    }
    // Each event is answered by one of the callee's own.
    await client.subscribe(`${base(serializer)}.there`, ({ args, kwargs }) => client.publish(`${base(serializer)}.back`, { args, kwargs }));
  }
  process.stdout.write('ready\n');
}

const checks = {
  async call(client, uri) {
    const payload = { args: ['text', 1, 2 ** 40, -1.5, null, [1, [2]]], kwargs: { a: { b: true } } };
    assert.deepEqual(await client.call(`${uri}.echo`, payload).result, payload);
  },

  async 'large call'(client, uri) {
    const args = ['x'.repeat(300_000), 'end'];
    assert.deepEqual((await client.call(`${uri}.echo`, { args }).result).args, args);
  },

  async 'many calls at once'(client, uri) {
    const calls = Array.from({ length: 100 }, (_, i) => client.call(`${uri}.echo`, { args: [i, 'of many'] }).result);
    const got = (await Promise.all(calls)).map(({ args }) => args[0]);
    assert.deepEqual(got, Array.from({ length: 100 }, (_, i) => i));
  },

  async 'progressive results'(client, uri) {
    const progress = [];
    const result = await client.call(`${uri}.progress`, { args: [5, 'steps'] }, {}, (p) => progress.push(p)).result;
    assert.deepEqual(progress, [0, 1, 2, 3, 4].map((i) => ({ args: [i], kwargs: { percent: 20 * i } })));
    assert.deepEqual(result, { args: ['done'], kwargs: {} });
  },

  async error(client, uri) {
    await assert.rejects(client.call(`${uri}.fail`).result, {
      uri: 'com.example.error.odd', args: ['odd', 1], kwargs: { hint: 'even' },
    });
  },

  async cancel(client, uri) {
    const { result, cancel } = client.call(`${uri}.never`);
    cancel('kill');
    await assert.rejects(result, { uri: 'wamp.error.canceled' });
  },

  async events(client, uri) {
    const payload = { args: ['text', [1, 2]], kwargs: { n: 1 } };
    let answer;
    const back = new Promise((resolve) => {
      answer = resolve;
    });
    await client.subscribe(`${uri}.back`, answer);
    await client.call(`${uri}.echo`).result; // the other router knows of it by now
    await client.publish(`${uri}.there`, payload);
    const { args, kwargs } = await back;
    assert.deepEqual({ args, kwargs }, payload);
  },
};

async function caller() {
  for (const serializer of serializers) {
    // The callee speaks each serializer, too: call it in another one.
    const theirs = serializers[(serializers.indexOf(serializer) + 1) % serializers.length];
    const client = await connect(serializer);
    for (const [name, check] of Object.entries(checks)) {
      let error;
      try {
        await within(limit, check(client, base(theirs)));
      } catch (e) {
        error = e.stack;
      }
      process.stdout.write(`${JSON.stringify({ name: `${serializer} to ${theirs}: ${name}`, error })}\n`);
    }
    await client.close();
  }
  process.exit(0);
}

async function within(time, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(reject, time, new Error('no end of it'));
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

await { callee, caller }[flags.role]();
