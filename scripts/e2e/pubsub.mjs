// Checks of publish and subscribe: t.caller() opens a client that publishes,
// t.callee() one that subscribes.
import assert from 'node:assert/strict';

import { collect } from './collect.mjs';
import { passthru } from './rpc.mjs';

const args = (events) => events.map((e) => e.args[0]);

async function matching(t, pattern, match, [hit, miss]) {
  const [publisher, subscriber] = [await t.caller(), await t.callee()];
  const got = collect();
  await subscriber.subscribe(pattern, got.handler, { match });
  await publisher.publish(miss, { args: ['miss'] });
  await publisher.publish(hit, { args: ['hit'] });
  const [{ topic, args: sent }] = await got.take(1);
  assert.deepEqual({ topic, args: sent }, { topic: hit, args: ['hit'] });
}

async function testament(t, scope) {
  const [testator, heir] = [await t.caller(), await t.callee()];
  const got = collect();
  await heir.subscribe(t.uri, got.handler);
  await testator.call('wamp.session.add_testament', { args: [t.uri, ['farewell'], {}], kwargs: { scope } }).result;
  await t.leave(testator);
  assert.deepEqual(args(await got.take(1)), ['farewell']);
}

export const pubsub = {
  async 'event with arguments'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const got = collect();
    await subscriber.subscribe(t.uri, got.handler);
    const payload = { args: [1, 'two', null, [3]], kwargs: { four: { five: 5.5 } } };
    const publication = await publisher.publish(t.uri, payload);
    assert.ok(Number.isSafeInteger(publication) && publication > 0, `publication id ${publication}`);
    const [event] = await got.take(1);
    assert.deepEqual({ args: event.args, kwargs: event.kwargs }, payload);
  },

  async 'event without arguments'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const got = collect();
    await subscriber.subscribe(t.uri, got.handler);
    await publisher.publish(t.uri);
    const [event] = await got.take(1);
    assert.deepEqual({ args: event.args, kwargs: event.kwargs }, { args: [], kwargs: {} });
  },

  '1,000 events in order': async (t) => {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const got = collect();
    await subscriber.subscribe(t.uri, got.handler);
    const sent = Array.from({ length: 1000 }, (_, i) => i);
    await Promise.all(sent.map((i) => publisher.publish(t.uri, { args: [i] })));
    assert.deepEqual(args(await got.take(1000)), sent);
  },

  'prefix subscription': (t) => matching(t, t.uri, 'prefix', [`${t.uri}.some.topic`, `x.${t.uri}`]),

  'wildcard subscription': (t) =>
    matching(t, `${t.uri}..state`, 'wildcard', [`${t.uri}.lamp.state`, `${t.uri}.lamp.power`]),

  async 'unsubscribe'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const [one, other] = [collect(), collect()];
    const subscription = await subscriber.subscribe(t.uri, one.handler);
    await subscriber.subscribe(`${t.uri}.other`, other.handler);
    await subscription.unsubscribe();
    await publisher.publish(t.uri, { args: ['not for one'] });
    await publisher.publish(`${t.uri}.other`, { args: ['for other'] });
    assert.deepEqual(args(await other.take(1)), ['for other']);
    await subscriber.subscribe(t.uri, one.handler);
    await publisher.publish(t.uri, { args: ['for one'] });
    assert.deepEqual(args(await one.take(1)), ['for one']);
  },

  async 'publisher is excluded'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const [own, theirs] = [collect(), collect()];
    await publisher.subscribe(t.uri, own.handler);
    await subscriber.subscribe(t.uri, theirs.handler);
    await publisher.publish(t.uri, { args: ['by default'] });
    await publisher.publish(t.uri, { args: ['explicitly'] }, { exclude_me: true });
    assert.deepEqual(args(await theirs.take(2)), ['by default', 'explicitly']);
    await subscriber.publish(t.uri, { args: ['of another'] });
    assert.deepEqual(args(await own.take(1)), ['of another']);
  },

  async 'publisher is not excluded'(t) {
    if (t.callerLibrary === 'wampy') t.skip('Wampy.js leaves options that are false out');
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const [own, theirs] = [collect(), collect()];
    await publisher.subscribe(t.uri, own.handler);
    await subscriber.subscribe(t.uri, theirs.handler);
    await publisher.publish(t.uri, { args: ['to all'] }, { exclude_me: false });
    assert.deepEqual(args(await own.take(1)), ['to all']);
    assert.deepEqual(args(await theirs.take(1)), ['to all']);
  },

  async 'excluded and eligible sessions'(t) {
    const [publisher, one, other] = [await t.caller(), await t.callee(), await t.callee()];
    const [first, second] = [collect(), collect()];
    await one.subscribe(t.uri, first.handler);
    await other.subscribe(t.uri, second.handler);
    await publisher.publish(t.uri, { args: ['all but one'] }, { exclude: [one.id] });
    await publisher.publish(t.uri, { args: ['only one'] }, { eligible: [one.id] });
    await publisher.publish(t.uri, { args: ['all'] });
    assert.deepEqual(args(await first.take(2)), ['only one', 'all']);
    assert.deepEqual(args(await second.take(2)), ['all but one', 'all']);
  },

  async 'excluded and eligible users and roles'(t) {
    const login = { method: 'ticket', authid: 'joe', secret: 'joe-secret' };
    const [publisher, joe, other] = [await t.caller(), await t.callee({ login }), await t.callee()];
    const [joes, others] = [collect(), collect()];
    await joe.subscribe(t.uri, joes.handler);
    await other.subscribe(t.uri, others.handler);
    for (const [options, toJoe] of [
      [{ eligible_authid: ['joe'] }, true], [{ exclude_authid: ['joe'] }, false],
      [{ eligible_authrole: ['user'] }, true], [{ exclude_authrole: ['user'] }, false],
    ]) {
      await publisher.publish(t.uri, { args: ['for some'] }, options);
      await publisher.publish(t.uri, { args: ['for all'] });
      const [some, all] = toJoe ? [joes, others] : [others, joes];
      assert.deepEqual(args(await some.take(2)), ['for some', 'for all'], JSON.stringify(options));
      assert.deepEqual(args(await all.take(1)), ['for all'], JSON.stringify(options));
    }
  },

  async 'publisher identification'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const got = collect();
    await subscriber.subscribe(t.uri, got.handler);
    await publisher.publish(t.uri, { args: [1] }, { disclose_me: true });
    await publisher.publish(t.uri, { args: [2] });
    const [{ details: told }, { details: untold }] = await got.take(2);
    assert.deepEqual([told.publisher, told.publisher_authrole], [publisher.id, 'anonymous']);
    assert.equal(untold.publisher, undefined);
  },

  async 'retained event'(t) {
    if (t.callerLibrary === 'wampy') t.skip('Wampy.js leaves the option retain out');
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    await publisher.publish(t.uri, { args: ['old'] }, { retain: true });
    await publisher.publish(t.uri, { args: ['kept'] }, { retain: true });
    const got = collect();
    await subscriber.subscribe(t.uri, got.handler, { get_retained: true });
    const [event] = await got.take(1);
    assert.deepEqual([event.args[0], event.details.retained], ['kept', true]);
  },

  async 'event history'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    const topic = t.uri.replace('com.example', 'com.example.history');
    const sent = [];
    for (let i = 0; i < 3; i++) sent.push(await publisher.publish(topic, { args: [i], kwargs: { i } }));
    const { id } = await subscriber.subscribe(topic, () => {});
    const read = async (kwargs) => (await subscriber.call('wamp.subscription.get_events', { args: [id], kwargs }).result).args;
    const all = await read({ limit: 10 });
    assert.deepEqual(all.map((e) => [Number(e.publication), e.args, e.kwargs]), sent.map((p, i) => [p, [i], { i }]));
    assert.deepEqual((await read({ limit: 1, reverse: true })).map((e) => e.args[0]), [2]);
    assert.deepEqual((await read({ after_publication: sent[0] })).map((e) => e.args[0]), [1, 2]);
  },

  async 'payload passthru'(t) {
    const [publisher, subscriber] = [await t.caller(), await t.callee()];
    if (!publisher.callInPieces || !subscriber.callInPieces) t.skip('autobahn-js has no payload passthru mode');
    const got = collect();
    await subscriber.subscribe(t.uri, got.handler);
    const payload = { args: [1, 'two'], kwargs: { three: [3] } };
    await publisher.publish(t.uri, payload, passthru(t));
    const [{ args: list, kwargs, details }] = await got.take(1);
    assert.deepEqual([{ args: list, kwargs }, details.ppt_keyid], [payload, 'key-1']);
  },

  'testament for the end of the session': (t) => testament(t, 'destroyed'),

  'testament for the loss of the client': (t) => testament(t, 'detached'),
};
