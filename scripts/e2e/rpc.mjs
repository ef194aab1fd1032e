// Checks of remote procedure calls: t.caller() and t.callee() open a client of
// the library and serializer that play this role.
import assert from 'node:assert/strict';

import { Failure } from './clients.mjs';

const echo = ({ args, kwargs }) => ({ args, kwargs });

const values = [
  0, 1, -1, 255, 65536, 2 ** 31, 2 ** 40, -(2 ** 40), Number.MAX_SAFE_INTEGER, 1.5, -0.25,
  '', 'text', 'Gr\u00fc\u00dfe \u4e16\u754c \ud83d\ude00', true, false, null,
  [], [1, [2, [3]]], {}, { a: { b: [1] } },
];

// bytes is what stands for 0x00 0x01 0xfe in a serializer (section "Binary
// support in JSON").
const bytes = (serializer) => (serializer === 'json' ? '\u0000AAH+' : Buffer.from([0, 1, 254]));

const sameBytes = (got, want) =>
  assert.deepEqual(typeof got === 'string' ? got : Buffer.from(got), want);

function rejects(call, uri, args, kwargs) {
  return assert.rejects(call.result, (e) => {
    assert.ok(e instanceof Failure, e);
    assert.equal(e.uri, uri);
    if (args) assert.deepEqual({ args: e.args, kwargs: e.kwargs }, { args, kwargs });
    return true;
  });
}

// passthru are options for a payload that the peers encode for themselves: in
// JSON where one of them has no binary data.
export const passthru = (t) => ({
  ppt_scheme: 'x_e2e',
  ppt_serializer: [t.callerSerializer, t.calleeSerializer].includes('json') ? 'json' : 'cbor',
  ppt_keyid: 'key-1',
});

async function cancel(t, mode) {
  if (t.callerLibrary === 'autobahn' && mode !== 'kill') t.skip('autobahn-js takes the answer to such a CANCEL for a violation');
  const [caller, callee] = [await t.caller(), await t.callee()];
  const begun = t.gate();
  const late = t.gate();
  await callee.register(t.uri, async () => {
    begun.open();
    await late.passed;
    return { args: ['too late'] };
  });
  const call = caller.call(t.uri);
  await begun.passed;
  call.cancel(mode);
  await rejects(call, 'wamp.error.canceled');
  late.open(); // the answer to nobody harms neither of them
  assert.deepEqual((await caller.call(t.uri).result).args, ['too late']);
}

export const rpc = {
  async 'positional arguments'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    assert.deepEqual(await caller.call(t.uri, { args: values }).result, { args: values, kwargs: {} });
  },

  async 'keyword arguments'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    const kwargs = { name: 'joe', values };
    assert.deepEqual(await caller.call(t.uri, { kwargs }).result, { args: [], kwargs });
  },

  async 'positional and keyword arguments'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    const payload = { args: [1, 'two'], kwargs: { three: 3 } };
    assert.deepEqual(await caller.call(t.uri, payload).result, payload);
  },

  async 'no arguments'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    assert.deepEqual(await caller.call(t.uri).result, { args: [], kwargs: {} });
  },

  async 'binary data'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, ({ args }) => {
      sameBytes(args[0], bytes(t.calleeSerializer));
      return { args: [bytes(t.calleeSerializer), 'end'] };
    });
    const { args } = await caller.call(t.uri, { args: [bytes(t.callerSerializer)] }).result;
    sameBytes(args[0], bytes(t.callerSerializer));
  },

  async 'a megabyte'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    const args = ['x'.repeat(1 << 20), 'end'];
    assert.deepEqual(await caller.call(t.uri, { args }).result, { args, kwargs: {} });
  },

  async 'many calls at once'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    const calls = Array.from({ length: 200 }, (_, i) => caller.call(t.uri, { args: [i, 'of many'] }).result);
    const got = (await Promise.all(calls)).map(({ args }) => args[0]);
    assert.deepEqual(got, Array.from({ length: 200 }, (_, i) => i));
  },

  async 'application error'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, () => {
      throw new Failure('com.example.error.odd', ['odd', 1], { hint: 'even' });
    });
    await rejects(caller.call(t.uri), 'com.example.error.odd', ['odd', 1], { hint: 'even' });
  },

  async 'no such procedure'(t) {
    const caller = await t.caller();
    await rejects(caller.call(t.uri), 'wamp.error.no_such_procedure');
  },

  async 'procedure already exists'(t) {
    const [first, second] = [await t.callee(), await t.callee()];
    await first.register(t.uri, echo);
    await assert.rejects(second.register(t.uri, echo), { uri: 'wamp.error.procedure_already_exists' });
  },

  async 'unregister'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    const registration = await callee.register(t.uri, echo);
    await registration.unregister();
    await rejects(caller.call(t.uri), 'wamp.error.no_such_procedure');
    await callee.register(t.uri, echo);
    await caller.call(t.uri).result;
  },

  async 'progressive results'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, ({ progress }) => {
      assert.ok(progress, 'the callee was not asked for progress');
      for (let i = 0; i < 5; i++) progress({ args: [i], kwargs: { percent: 20 * i } });
      return { args: ['done'] };
    });
    const progress = [];
    const result = await caller.call(t.uri, {}, {}, (p) => progress.push(p)).result;
    assert.deepEqual(progress, [0, 1, 2, 3, 4].map((i) => ({ args: [i], kwargs: { percent: 20 * i } })));
    assert.deepEqual(result, { args: ['done'], kwargs: {} });
  },

  async 'call in pieces'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    if (!caller.callInPieces || !callee.callInPieces) t.skip('autobahn-js has no calls in pieces');
    let sum = 0;
    await callee.register(t.uri, ({ args: [n], details }) => {
      sum += n;
      return { args: [sum, 'so far'], options: { progress: details.progress === true } };
    });
    const call = caller.callInPieces(t.uri, { args: [1] });
    call.send({ args: [2] }, false);
    call.send({ args: [3] }, true);
    assert.deepEqual((await call.result).args, [6, 'so far']);
  },

  'cancel with mode skip': (t) => cancel(t, 'skip'),

  'cancel with mode kill': (t) => cancel(t, 'kill'),

  'cancel with mode killnowait': (t) => cancel(t, 'killnowait'),

  async timeout(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    const late = t.gate();
    await callee.register(t.uri, async () => {
      await late.passed;
      return { args: ['too late', 0] };
    });
    await rejects(caller.call(t.uri, {}, { timeout: 20 }), 'wamp.error.timeout');
    late.open();
    assert.deepEqual((await caller.call(t.uri, {}, { timeout: 5000 }).result).args, ['too late', 0]);
  },

  async 'caller identification'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, ({ details }) => ({ args: [details.caller ?? null, details.caller_authrole ?? null] }));
    assert.deepEqual((await caller.call(t.uri, {}, { disclose_me: true }).result).args, [caller.id, 'anonymous']);
    assert.deepEqual((await caller.call(t.uri).result).args, [null, null]);
  },

  async 'payload passthru'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    if (!caller.callInPieces || !callee.callInPieces) t.skip('autobahn-js has no payload passthru mode');
    const ppt = passthru(t);
    await callee.register(t.uri, ({ args, kwargs, details }) => {
      assert.equal(details.ppt_keyid, ppt.ppt_keyid);
      return { args, kwargs, options: ppt };
    });
    const payload = { args: [1, 'two'], kwargs: { three: [3] } };
    assert.deepEqual(await caller.call(t.uri, payload, ppt).result, payload);
  },

  async 'revoked registration'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, echo);
    const { args: [id] } = await caller.call('wamp.registration.lookup', { args: [t.uri] }).result;
    await caller.call('wamp.registration.remove_callee', { args: [id, callee.id] }).result;
    await rejects(caller.call(t.uri), 'wamp.error.no_such_procedure');
    await callee.register(`${t.uri}.other`, echo); // it is still there
  },

  async 'prefix registration'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(t.uri, ({ procedure }) => ({ args: [procedure] }), { match: 'prefix' });
    assert.deepEqual((await caller.call(`${t.uri}.some.procedure`).result).args, [`${t.uri}.some.procedure`]);
  },

  async 'wildcard registration'(t) {
    const [caller, callee] = [await t.caller(), await t.callee()];
    await callee.register(`${t.uri}..get`, ({ procedure }) => ({ args: [procedure] }), { match: 'wildcard' });
    assert.deepEqual((await caller.call(`${t.uri}.lamp.get`).result).args, [`${t.uri}.lamp.get`]);
    await rejects(caller.call(`${t.uri}.lamp.set`), 'wamp.error.no_such_procedure');
  },

  async 'shared registration'(t) {
    const caller = await t.caller();
    const callees = [await t.callee(), await t.callee()];
    for (const [invoke, want] of [['roundrobin', [0, 1, 0, 1]], ['first', [0, 0, 0, 0]], ['last', [1, 1, 1, 1]], ['random']]) {
      const uri = `${t.uri}.${invoke}`;
      for (const [i, callee] of callees.entries()) await callee.register(uri, () => ({ args: [i] }), { invoke });
      const turns = [];
      for (let i = 0; i < 4; i++) turns.push((await caller.call(uri).result).args[0]);
      if (want) assert.deepEqual(turns, want, invoke);
    }
  },
};
