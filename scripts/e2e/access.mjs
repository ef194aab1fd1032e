// Checks that what the operator changes acts on an open session of a client at
// once: t.connect(options) opens one, t.admin(args, input) runs a command.
import assert from 'node:assert/strict';

import { collect } from './collect.mjs';

const realm = 'com.example.access';
const limit = 1000; // milliseconds from the end of the command to its effect

// prompt is a promise that may take that long.
async function prompt(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${limit} ms`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

const secret = 'of-the-moment';

// user makes one who may do what the permissions say at t.uri and below.
async function user(t, name, ...permissions) {
  await t.admin(['user', 'add', name, '--realm', realm, '--password-stdin'], secret);
  await change(t, 'add', name, permissions);
}

function change(t, verb, name, permissions, uri = t.uri) {
  const flags = permissions.flatMap((p) => ['--permission', p]);
  return t.admin(['grant', verb, '--realm', realm, '--role', `user/${name}`, ...flags, '--uri', uri, '--match', 'prefix']);
}

const join = (t, name) => t.connect({ realm, login: { method: 'ticket', authid: name, secret } });

const denied = (call) => prompt(assert.rejects(call.result, { uri: 'wamp.error.not_authorized' }), 'the refusal');

// ended checks that a command ends the session of a user, with the reason where
// the client shows one.
async function ended(t, reason, args, input) {
  const name = `user${t.number}`;
  await user(t, name, 'wamp.call');
  const client = await join(t, name);
  await t.admin([args[0], args[1], name, '--realm', realm, ...args.slice(2)], input);
  const told = await prompt(client.closed, 'the end of the session');
  if (t.hears) assert.equal(client.farewell(), reason);
  assert.ok([reason, 'closed'].includes(told), `the library tells ${told}`); // Wampy.js does not tell why
  return name;
}

export const access = {
  async 'a grant to subscribe is revoked'(t) {
    const [reader, writer] = [`reader${t.number}`, `writer${t.number}`];
    await user(t, reader, 'wamp.subscribe');
    await user(t, writer, 'wamp.publish');
    await change(t, 'add', reader, ['wamp.subscribe'], `${t.uri}.kept`);
    const [subscriber, publisher] = [await join(t, reader), await join(t, writer)];
    const got = collect();
    for (const topic of ['lost', 'kept']) await subscriber.subscribe(`${t.uri}.${topic}`, ({ args }) => got.handler([topic, ...args]));
    const publish = async (args) => {
      for (const topic of ['lost', 'kept']) await publisher.publish(`${t.uri}.${topic}`, { args });
    };
    await publish(['before']);
    assert.deepEqual(await got.take(2), [['lost', 'before'], ['kept', 'before']]);
    await change(t, 'revoke', reader, ['wamp.subscribe']);
    await prompt(publish(['after']), 'publishing');
    assert.deepEqual(await prompt(got.take(1), 'the event of the other subscription'), [['kept', 'after']]);
    await prompt(assert.rejects(subscriber.subscribe(`${t.uri}.other`, got.handler), { uri: 'wamp.error.not_authorized' }), 'the refusal');
  },

  async 'a grant to call is revoked, and given again'(t) {
    const name = `user${t.number}`;
    await user(t, name, 'wamp.call', 'wamp.register');
    const client = await join(t, name);
    await client.register(t.uri, ({ args }) => ({ args }));
    assert.deepEqual((await client.call(t.uri, { args: [1] }).result).args, [1]);
    await change(t, 'revoke', name, ['wamp.call']);
    await denied(client.call(t.uri, { args: [2] }));
    await change(t, 'add', name, ['wamp.call']);
    assert.deepEqual((await prompt(client.call(t.uri, { args: [3] }).result, 'the result')).args, [3]);
  },

  async 'a grant to register is revoked'(t) {
    const [server, asker] = [`server${t.number}`, `asker${t.number}`];
    await user(t, server, 'wamp.register');
    await user(t, asker, 'wamp.call');
    const [callee, caller] = [await join(t, server), await join(t, asker)];
    await callee.register(t.uri, () => ({ args: ['done'] }));
    assert.deepEqual((await caller.call(t.uri).result).args, ['done']);
    await change(t, 'revoke', server, ['wamp.register']);
    await prompt(assert.rejects(caller.call(t.uri).result, { uri: 'wamp.error.no_such_procedure' }), 'the refusal');
  },

  async 'a user is disabled, and enabled again'(t) {
    const name = await ended(t, 'bondy.user.disabled', ['user', 'disable']);
    await assert.rejects(join(t, name), { uri: 'wamp.error.authentication_denied' });
    await t.admin(['user', 'enable', name, '--realm', realm]);
    assert.equal((await join(t, name)).welcome.authid, name);
  },

  'a user is deleted': (t) => ended(t, 'bondy.user.deleted', ['user', 'delete']),

  async 'a password is changed'(t) {
    const name = await ended(t, 'bondy.user.credentials_changed', ['user', 'passwd', '--stdin'], 'another');
    await assert.rejects(join(t, name), { uri: 'wamp.error.authentication_denied' });
  },

  async 'a ticket is revoked'(t) {
    const name = `user${t.number}`;
    await user(t, name, 'wamp.call');
    const { ticket, id } = JSON.parse(await t.admin(['ticket', 'issue', '--user', name, '--realm', realm, '--output', 'json']));
    const login = { method: 'ticket', authid: name, secret: ticket };
    const client = await t.connect({ realm, login });
    await t.admin(['ticket', 'revoke', id, '--realm', realm]);
    await prompt(client.closed, 'the end of the session');
    if (t.hears) assert.equal(client.farewell(), 'bondy.ticket.revoked');
    await assert.rejects(t.connect({ realm, login }), { uri: 'wamp.error.authentication_denied' });
  },
};
