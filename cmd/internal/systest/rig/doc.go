// Package rig joins hosts by emulated links, for tests that need a network
// worse than loopback. A Host is a network namespace of its own; a Link is a
// TUN device in each of two hosts with this process between them, which delays,
// loses, paces or swallows the packets. Programs run in a host with
// Host.Command, Go code with Host.Do and Host.DialContext.
//
// The namespaces have no name and no way out: no route leads beyond the links.
// They and their devices are held by open files alone and so are gone with the
// Net, or with the process however it ends; so are the programs in them.
//
// The rig needs Linux, root, /dev/net/tun, and the commands ip (iproute2) and
// nsenter (util-linux). Need says what becomes of a test without them.
package rig
