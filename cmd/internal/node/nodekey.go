package node

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"bondy/core/audit"
	"bondy/core/directory"
	"bondy/core/ticket"
	"bondy/core/ticket/book"
	"bondy/store/seal"
)

// openBox reads the node key, which the first start makes. One that a first start
// left that did not come to its end is as good as any. The error is a *seal.KeyError
// where it is not the key of this store; with Options.NewNodeKey another one is made.
func (n *Node) openBox() (*seal.Box, error) {
	path := filepath.Join(n.cfg.DataDir, seal.FileName)
	_, err := n.directory.View(directory.Master)
	if first := err != nil; first {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return seal.Create(path)
		}
	}
	box, err := seal.Open(path)
	if err == nil {
		err = fits(box, n.directory.Snapshot())
	}
	if _, lost := errors.AsType[*seal.KeyError](err); lost && n.opts.NewNodeKey {
		n.log.Warn("a new node key takes the place of the one that is lost", slog.String("file", path), slog.Any("err", err))
		return seal.Replace(path)
	}
	return box, err
}

// fits checks that a node key is that which sealed the signing keys.
func fits(box *seal.Box, s *directory.Snapshot) error {
	for _, err := range book.Closed(s, box) {
		if _, wrong := errors.AsType[*seal.KeyError](err); wrong {
			return err
		}
	}
	return nil
}

// dropKeys drops the signing keys that do not open, if that is wanted, and else
// tells of them.
func (n *Node) dropKeys() error {
	var keys []*ticket.Key
	for k, err := range book.Closed(n.directory.Snapshot(), n.box) {
		keys = append(keys, k)
		if !n.opts.NewNodeKey {
			n.log.Error("a signing key is of no use; start once with --new-node-key to drop it, and the tickets of its realm",
				slog.String("realm", string(k.Realm)), slog.Any("err", err))
		} else if !slices.Contains(n.dropped, k.Realm) {
			n.dropped = append(n.dropped, k.Realm)
		}
	}
	if !n.opts.NewNodeKey || len(keys) == 0 {
		return nil
	}
	return n.directory.Update(directory.Actor{}, func(tx *directory.Tx) error { return n.book.Drop(tx, keys, time.Now()) })
}

// tellDropped records which realms lost their signing keys and tickets.
func (n *Node) tellDropped() error {
	for _, realm := range n.dropped {
		n.log.Warn("signing keys that do not open were dropped, and all tickets of the realm revoked", slog.String("realm", string(realm)))
		audit.Emit(n.audit, audit.Event{
			Kind: audit.Node, Outcome: audit.OK, Action: "bondy.node.keys_dropped", Realm: realm, Object: "keys of " + string(realm),
			Reason: "--new-node-key", Agent: "bondy-" + n.opts.Version,
		})
	}
	return nil
}
