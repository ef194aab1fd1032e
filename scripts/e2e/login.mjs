// Checks of how a client joins: t.connect(options) opens one.
import assert from 'node:assert/strict';
import { createPrivateKey, createPublicKey } from 'node:crypto';

const joe = { authid: 'joe', secret: 'joe-secret' };
const seed = '11'.repeat(32); // carol's

// signing is a login by the key of a hex seed.
function signing(authid, secret) {
  const prefix = Buffer.from('302e020100300506032b657004220420', 'hex'); // PKCS #8 of an Ed25519 key
  const key = createPrivateKey({ key: Buffer.concat([prefix, Buffer.from(secret, 'hex')]), format: 'der', type: 'pkcs8' });
  const { x } = createPublicKey(key).export({ format: 'jwk' });
  const extra = { pubkey: Buffer.from(x, 'base64url').toString('hex'), channel_binding: null };
  return { method: 'cryptosign', authid, secret, extra };
}

const refused = (promise, uri) => assert.rejects(promise, { uri });

async function admitted(t, login, want = {}) {
  const client = await t.connect({ login });
  const { authid, authrole, authmethod } = client.welcome;
  assert.deepEqual({ authid, authrole, authmethod }, { authid: login.authid, authrole: 'user', authmethod: login.method, ...want });
  return client;
}

// person makes a user who has the flags; each check that fails to log in has users
// of its own, because the router slows down who fails often.
async function person(t, kind, ...flags) {
  const name = `${kind}${t.number}`;
  await t.admin(['user', 'add', name, '--realm', 'realm1', '--group', 'user', ...flags], 'gone-secret');
  return name;
}

const disabled = (t, ...flags) => person(t, 'gone', '--disabled', ...flags);

// keyed makes a user who has a key alone.
const keyed = (t) => person(t, 'keyed', '--key', signing('', '44'.repeat(32)).extra.pubkey);

// wrong checks that a wrong secret, an unknown and a disabled user, and a user that
// has no such credential, are refused in the same words.
async function wrong(t, logins) {
  const told = new Set();
  for (const login of logins) {
    await assert.rejects(t.connect({ login }), (e) => {
      assert.equal(e.uri, 'wamp.error.authentication_denied', `${login.authid}: ${e.stack}`);
      told.add(e.message);
      return true;
    });
  }
  assert.equal(told.size, 1, `the refusals differ: ${[...told].join('; ')}`);
}

const wrongSecret = async (t, method) => wrong(t, [
  { method, authid: 'joe', secret: 'wrong' },
  { method, authid: `nobody${t.number}`, secret: 'joe-secret' },
  { method, authid: await disabled(t, '--password-stdin'), secret: 'gone-secret' },
  { method, authid: await keyed(t), secret: 'joe-secret' },
]);

// ticket has the router issue a ticket to joe.
async function ticket(t) {
  const { args: [issued] } = await (await admitted(t, { method: 'wampcra', ...joe })).call('bondy.ticket.issue').result;
  assert.match(issued.ticket, /^[\w-]+\.[\w-]+\.[\w-]+$/);
  return issued;
}

export const login = {
  async anonymous(t) {
    const { id, welcome } = await t.connect();
    assert.ok(Number.isSafeInteger(id) && id > 0, `session id ${id}`);
    assert.equal(welcome.authrole, 'anonymous');
  },

  'password as ticket': (t) => admitted(t, { method: 'ticket', ...joe }),

  'wrong password as ticket': (t) => wrongSecret(t, 'ticket'),

  async 'signed ticket'(t) {
    const issued = await ticket(t);
    const client = await admitted(t, { method: 'ticket', authid: 'joe', secret: issued.ticket });
    assert.deepEqual(await client.call('com.example.none').result.catch(({ uri }) => uri), 'wamp.error.no_such_procedure');
  },

  async 'altered and foreign tickets'(t) {
    const [head, body, signature] = (await ticket(t)).ticket.split('.');
    const other = JSON.parse(Buffer.from(body, 'base64url'));
    other.exp += 1000;
    const forged = Buffer.from(JSON.stringify(other)).toString('base64url');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    await wrong(t, [
      { method: 'ticket', authid: 'joe', secret: [head, forged, signature].join('.') },
      { method: 'ticket', authid: 'joe', secret: [none, body, ''].join('.') },
      { method: 'ticket', authid: await keyed(t), secret: [head, body, signature].join('.') },
      { method: 'ticket', authid: `nobody${t.number}`, secret: [head, body, signature].join('.') },
    ]);
  },

  wampcra: (t) => admitted(t, { method: 'wampcra', ...joe }),

  'wampcra with a password in Unicode': (t) => admitted(t, { method: 'wampcra', authid: 'jos\u00e9', secret: 'contrase\u00f1a \u2713' }),

  'wrong wampcra secret': (t) => wrongSecret(t, 'wampcra'),

  cryptosign: (t) => admitted(t, signing('carol', seed)),

  async 'cryptosign by key alone'(t) {
    if (t.library === 'wampy') t.skip('Wampy.js sends no authextra without an authid');
    await admitted(t, signing(undefined, seed), { authid: 'carol' });
  },

  'wrong cryptosign key': async (t) => wrong(t, [
    signing('carol', '22'.repeat(32)),
    signing('joe', seed),
    signing(`nobody${t.number}`, seed),
    signing(await disabled(t, '--key', signing('', '33'.repeat(32)).extra.pubkey), '33'.repeat(32)),
    { ...signing('carol', seed), secret: '22'.repeat(32) }, // the right public key alone
  ]),

  'no such realm': (t) => refused(t.connect({ realm: 'com.example.nowhere' }), 'wamp.error.no_such_realm'),

  'a method that is not offered': (t) => refused(t.connect({ login: { method: 'password', ...joe } }), 'wamp.error.no_matching_auth_method'),
};
