// Package pki is the certificate authority behind the links between nodes, and
// the check of the certificates that it issued.
//
// An [Authority] is a folder: ca.crt and ca.key, a NAME.crt and NAME.key for
// each certificate, a copy of every certificate ever issued under issued/, and
// revoked.crl, the revocation list. The commands of [Command] work on it. Only
// ca.crt, revoked.crl and a node's own pair leave it.
//
// A [Trust] is a node's side: it is loaded from ca.crt, follows revoked.crl
// while the node runs, and makes the TLS configurations in which every
// handshake, also a resumed one, goes through [Trust.Verify].
//
// What a certificate is for stands in it as the URI bondy:role:node or
// bondy:role:edge among its alternative names. An edge's certificate is good
// for dialing alone.
package pki
