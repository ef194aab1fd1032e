// Joins with every library and serializer, writes the line "joined", and then
// for each client a line {"name", "error"} when the router has ended its
// session properly.
import { parseArgs } from 'node:util';

import { libraries, serializers } from './clients.mjs';

const limit = 10_000; // milliseconds from joining to the end of all sessions

const { values: flags } = parseArgs({
  options: { url: { type: 'string' }, realm: { type: 'string', default: 'realm1' } },
});

// What a library tells of a session that GOODBYE ended: autobahn-js the reason,
// Wampy.js nothing, but after a connection that was lost it would reconnect.
const told = { autobahn: 'wamp.close.system_shutdown', wampy: 'closed' };

const clients = [];
for (const [library, connect] of Object.entries(libraries)) {
  for (const serializer of serializers) {
    clients.push({ name: `${library}-${serializer}`, want: told[library], client: await connect({ ...flags, serializer }) });
  }
}
process.stdout.write('joined\n');

const late = new Promise((resolve) => {
  setTimeout(resolve, limit, 'no end of the session').unref();
});
for (const { name, want, client } of clients) {
  const got = await Promise.race([client.closed, late]);
  const error = got === want ? undefined : `the session ended with ${got}, want ${want}`;
  process.stdout.write(`${JSON.stringify({ name, error })}\n`);
}
process.exit(0);
