// Checks of the Meta API: t.caller() opens a client that asks, t.callee() one
// that is asked about.
import assert from 'node:assert/strict';

import { collect } from './collect.mjs';

// asker returns a function that calls a procedure of the Meta API and returns
// its one result.
const asker = (client) => async (procedure, ...args) => (await client.call(`wamp.${procedure}`, { args }).result).args[0] ?? null;

// listen collects the events of topics.
async function listen(client, ...topics) {
  const got = collect();
  for (const topic of topics) {
    await client.subscribe(`wamp.${topic}`, ({ args }) => got.handler([topic, ...args]));
  }
  return got;
}

// holding checks what there is about a subscription or registration, and what is
// told of it.
async function holding(t, { kind, members, added, removed, hold }) {
  const [asking, holder] = [await t.caller(), await t.callee()];
  const ask = asker(asking);
  const topics = ['on_create', added, removed, 'on_delete'].map((name) => `${kind}.${name}`);
  const got = await listen(asking, ...topics);
  const { release } = await hold(holder, t.uri);
  const id = await ask(`${kind}.lookup`, t.uri);
  assert.ok(id > 0, `id ${id}`);
  const { uri, match } = await ask(`${kind}.get`, id);
  assert.deepEqual({ uri, match }, { uri: t.uri, match: 'exact' });
  assert.ok((await ask(`${kind}.list`)).exact.includes(id));
  assert.deepEqual(await ask(`${kind}.list_${members}`, id), [holder.id]);
  assert.equal(await ask(`${kind}.count_${members}`, id), 1);
  const matching = await ask(`${kind}.match`, t.uri);
  assert.ok([matching].flat().includes(id), `match ${matching}`);
  await release();
  assert.equal(await ask(`${kind}.lookup`, t.uri), null);
  const told = [];
  for (const topic of topics) {
    const [, session, what] = await got.find(([name, , about]) => name === topic && (about?.id ?? about) === id);
    told.push([session, what?.id ?? what]);
  }
  assert.deepEqual(told, topics.map(() => [holder.id, id]));
}

export const meta = {
  async sessions(t) {
    const asking = await t.caller();
    const ask = asker(asking);
    const got = await listen(asking, 'session.on_join', 'session.on_leave');
    const other = await t.callee();
    const [, joined] = await got.find(([name, about]) => name === 'session.on_join' && about.session === other.id);
    assert.deepEqual([joined.authrole, joined.authmethod], ['anonymous', 'anonymous']);
    assert.ok((await ask('session.count')) >= 2);
    assert.ok((await ask('session.list')).includes(other.id));
    const { session, authid } = await ask('session.get', other.id);
    assert.deepEqual({ session, authid }, { session: other.id, authid: joined.authid });
    await t.leave(other);
    const left = await got.find(([name, id]) => name === 'session.on_leave' && id === other.id);
    assert.deepEqual(left.slice(2), [joined.authid, 'anonymous']);
    await assert.rejects(ask('session.get', other.id), { uri: 'wamp.error.no_such_session' });
  },

  async 'a session is killed'(t) {
    const [killer, victim] = [await t.caller(), await t.callee()];
    await killer.call('wamp.session.kill', { args: [victim.id], kwargs: { reason: 'com.example.enough' } }).result;
    assert.ok(['com.example.enough', 'closed'].includes(await victim.closed)); // Wampy.js does not tell why
  },

  registrations: (t) => holding(t, {
    kind: 'registration', members: 'callees', added: 'on_register', removed: 'on_unregister',
    hold: async (client, uri) => {
      const { unregister } = await client.register(uri, () => ({}));
      return { release: unregister };
    },
  }),

  subscriptions: (t) => holding(t, {
    kind: 'subscription', members: 'subscribers', added: 'on_subscribe', removed: 'on_unsubscribe',
    hold: async (client, uri) => {
      const { unsubscribe } = await client.subscribe(uri, () => {});
      return { release: unsubscribe };
    },
  }),
};
