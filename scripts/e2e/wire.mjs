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
const GOODBYE = 6;

// tap sees each message that comes, beside the library: it keeps what ABORT
// says, which the libraries hide once a session is open, and why GOODBYE ends it.
export function tap() {
  const seen = {
    abort: undefined,
    goodbye: undefined,

    incoming(msg) {
      const [type, details, reason] = msg;
      if (type === ABORT) seen.abort = new Failure(reason, [details.message]);
      if (type === GOODBYE) seen.goodbye = reason;
      return msg;
    },
  };
  return seen;
}
