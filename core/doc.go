// Package core is the router of both modes: the realms of this node and the
// one door through which connections enter. (The mode "core" is something
// else: a recipe in cmd/internal/node.)
//
// Lock order of the kernel, outermost first: Router.mu, Realm.mu and
// Session.mu are taken alone or before a queue lock; then the writer lock of a
// pattern index; then the maps of broker or dealer (never of both); on the way
// of a call the callee's, then the caller's table; the lock of a peer's Queue
// is innermost. Matching takes no lock, and no lock is held across I/O.
package core
