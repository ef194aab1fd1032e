// Checks of publish and subscribe: t.caller() opens a client that publishes,
// t.callee() one that subscribes.
import assert from 'node:assert/strict';

// collect returns a handler and a function that waits for n events.
function collect() {
  const events = [];
  let wake = () => {};
  return {
    handler: (event) => {
      events.push(event);
      wake();
    },
    async take(n) {
      while (events.length < n) {
        await new Promise((resolve) => {
          wake = resolve;
        });
      }
      return events.splice(0, n);
    },
  };
}

const args = (events) => events.map((e) => e.args[0]);

async function matching(t, pattern, match, [hit, miss]) {
  const [publisher, subscriber] = [await t.caller(), await t.callee()];
  const got = collect();
  await subscriber.subscribe(pattern, got.handler, { match });
  await publisher.publish(miss, { args: ['miss'] });
  await publisher.publish(hit, { args: ['hit'] });
  assert.deepEqual(await got.take(1), [{ topic: hit, args: ['hit'], kwargs: {} }]);
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
    if (!publisher.welcome.roles.broker.features.subscriber_blackwhite_listing) t.skip('the router does not announce it');
    const [first, second] = [collect(), collect()];
    await one.subscribe(t.uri, first.handler);
    await other.subscribe(t.uri, second.handler);
    await publisher.publish(t.uri, { args: ['all but one'] }, { exclude: [one.id] });
    await publisher.publish(t.uri, { args: ['only one'] }, { eligible: [one.id] });
    await publisher.publish(t.uri, { args: ['all'] });
    assert.deepEqual(args(await first.take(2)), ['only one', 'all']);
    assert.deepEqual(args(await second.take(2)), ['all but one', 'all']);
  },
};
