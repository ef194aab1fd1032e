// The libraries that are tested, behind one interface.
//
// A payload is {args, kwargs}, both optional where one is sent and both there
// where one arrives. connect takes {url, realm, serializer, login}: login is
// {method, authid, secret, extra}, where extra is HELLO.Details.authextra. It returns
//
//   id, welcome, closed        the session, WELCOME.Details, a promise of the end
//   farewell()                 the reason of GOODBYE, once it came
//   call(procedure, payload, options, onProgress) -> {result, cancel(mode)}
//   callInPieces(procedure, payload) -> {result, send(payload, last)}, if the library has it
//   register(procedure, handler, options) -> {unregister()}
//   subscribe(topic, handler, options) -> {id, unsubscribe()}
//   publish(topic, payload, options) -> the publication's id
//   close()
//
// The handler of a procedure gets {args, kwargs, procedure, progress, details},
// that of a topic {args, kwargs, topic, details}; details are those that the
// library shows. A handler may return options beside its payload. What a peer
// answers with an error is thrown as a Failure, and a handler may throw one.
import { connect as autobahn } from './autobahn.mjs';
import { connect as wampy } from './wampy.mjs';

export { Failure } from './wire.mjs';

export const libraries = { autobahn, wampy };

export const serializers = ['json', 'msgpack', 'cbor'];
