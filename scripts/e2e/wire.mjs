// Failure is an error that a peer sent: the URI and its payload.
export class Failure extends Error {
  constructor(uri, args = [], kwargs = {}) {
    super(`${uri} ${JSON.stringify(args)} ${JSON.stringify(kwargs)}`);
    this.uri = uri;
    this.args = args;
    this.kwargs = kwargs;
  }
}

const [HELLO, ABORT] = [1, 3];

// tap sees each message beside the library: it adds features to those that
// HELLO announces for the callee, and keeps what ABORT says, which the libraries
// hide once a session is open.
export function tap(features) {
  const seen = {
    abort: undefined,

    outgoing(msg) {
      const [type, realm, details] = msg;
      if (type !== HELLO || !features) return msg;
      const callee = { features: { ...details.roles.callee.features, ...features } };
      return [type, realm, { ...details, roles: { ...details.roles, callee } }];
    },

    incoming(msg) {
      const [type, details, reason] = msg;
      if (type === ABORT) seen.abort = new Failure(reason, [details.message]);
      return msg;
    },
  };
  return seen;
}
