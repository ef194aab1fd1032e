// Failure is an error that a peer sent: the URI and its payload.
export class Failure extends Error {
  constructor(uri, args = [], kwargs = {}) {
    super(`${uri} ${JSON.stringify(args)} ${JSON.stringify(kwargs)}`);
    this.uri = uri;
    this.args = args;
    this.kwargs = kwargs;
  }
}

const ABORT = 3;

// tap sees each message that comes, beside the library: it keeps what ABORT
// says, which the libraries hide once a session is open.
export function tap() {
  const seen = {
    abort: undefined,

    incoming(msg) {
      const [type, details, reason] = msg;
      if (type === ABORT) seen.abort = new Failure(reason, [details.message]);
      return msg;
    },
  };
  return seen;
}
