// Package pattern finds what matches a URI. An Index holds values under
// (match, URI) and serves the broker for subscriptions, the dealer for
// registrations and the permissions for grants; a Set holds the members of one
// entry, say the subscribers of one subscription.
//
// Both are made for many readers: lookups and iterations take no lock, and
// adding or removing costs the same whether an entry has one sibling or a
// hundred thousand.
//
// # Structure
//
// The index keeps one radix tree of pattern text for each matching policy. The
// same walk over text answers all three: an exact entry is where the whole URI
// ends, the prefixes are the entries met on the way there, and in the wildcard
// tree an empty component is an edge that skips one component of the URI. A
// node is immutable but for the pointers to its children, so a change copies
// one node or two and swaps one pointer, and a reader sees the tree of before
// or after. No hashing is involved, so nobody can provoke collisions; the depth
// is bounded by the length of a URI.
//
// # Which registration gets a call
//
// Section "Pattern-based Registrations" ranks exact over prefix over wildcard,
// the prefix that matches more components first, and the wildcard with the
// longest portion before its first wildcard first, then the next portion. It
// also says that prefixes match by characters, and gives an example in which
// a1.b2.c33.d4.e5 goes to the wildcard a1.b2.c33..e5 although the prefix
// a1.b2.c3 is registered, because no prefix matches. These agree only when a
// prefix that ends inside a component does not count as a match of components.
// [Index.Best] therefore prefers
//
//  1. the exact entry;
//  2. the longest prefix that ends where a component of the URI ends (the
//     empty prefix matches zero components whole);
//  3. the wildcard whose leftmost components are literal: of two that match,
//     the one that is literal where they first differ;
//  4. the longest prefix that ends inside a component: it matches by
//     characters, so the call must go there rather than nowhere.
//
// Lock order: the locks of an Index and of a Set are independent of each
// other. [Index.Update] runs its function under the index's lock, so all that
// the function locks comes after it.
package pattern
