// Checks of how a client joins: t.connect(options) opens one.
import assert from 'node:assert/strict';

const joe = { authid: 'joe', secret: 'joe-secret' };

const refused = (promise, uri) => assert.rejects(promise, { uri });

async function admitted(t, method) {
  const { welcome } = await t.connect({ login: { method, ...joe } });
  const { authid, authrole, authmethod } = welcome;
  assert.deepEqual({ authid, authrole, authmethod }, { authid: 'joe', authrole: 'user', authmethod: method });
}

const wrong = (t, method) =>
  refused(t.connect({ login: { method, ...joe, secret: 'wrong' } }), 'wamp.error.authentication_denied');

export const login = {
  async anonymous(t) {
    const { id, welcome } = await t.connect();
    assert.ok(Number.isSafeInteger(id) && id > 0, `session id ${id}`);
    assert.equal(welcome.authrole, 'anonymous');
  },

  ticket: (t) => admitted(t, 'ticket'),

  'wrong ticket': (t) => wrong(t, 'ticket'),

  wampcra: (t) => admitted(t, 'wampcra'),

  'wrong wampcra secret': (t) => wrong(t, 'wampcra'),

  'no such realm': (t) => refused(t.connect({ realm: 'com.example.nowhere' }), 'wamp.error.no_such_realm'),
};
