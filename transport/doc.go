// Package transport is where clients arrive: listeners for WebSocket,
// RawSocket and HTTP on TCP and unix sockets, with TLS, the PROXY protocol,
// limits and an orderly end. A [Listener] turns accepted sockets into
// session.Conns and knows nothing of routing.
//
// The socket end of a connection is in package pipe, the framings on it in
// websocket and rawsocket, long-poll in longpoll, certificates in tls, and our
// client in client.
package transport
