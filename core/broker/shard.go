package broker

import (
	"slices"
	"sync/atomic"
)

// shard is the node key of a subscriber, hashed; 0 when it gave none (section
// "Sharded Subscription"). The specification names the keys and leaves their
// effect open. Here an event with a resource key goes, of the subscribers with
// a node key, to those of one node key alone, always the same one for a
// resource key, and only the share of a node key that comes or goes moves. Who
// gave no node key gets every event; an event without a resource key goes to
// all.
type shard uint64

func shardOf(nodeKey string) shard {
	if nodeKey == "" {
		return 0
	}
	return max(shard(spread(offset, nodeKey)), 1)
}

// shards are the node keys on a subscription.
type shards struct {
	list atomic.Pointer[[]shard]
	held map[shard]int // guarded by Broker.mu, as are changes
}

func (s *shards) addLocked(k shard) {
	if k == 0 {
		return
	}
	if s.held == nil {
		s.held = make(map[shard]int)
	}
	if s.held[k]++; s.held[k] == 1 {
		s.publish(append(s.now(), k))
	}
}

func (s *shards) removeLocked(k shard) {
	if k == 0 {
		return
	}
	if s.held[k]--; s.held[k] == 0 {
		delete(s.held, k)
		s.publish(slices.DeleteFunc(s.now(), func(o shard) bool { return o == k }))
	}
}

// now is a copy of the list.
func (s *shards) now() []shard {
	if l := s.list.Load(); l != nil {
		return slices.Clone(*l)
	}
	return nil
}

func (s *shards) publish(l []shard) {
	if len(l) == 0 {
		s.list.Store(nil)
		return
	}
	s.list.Store(&l)
}

// owner is the shard that gets events under a resource key: the one that, with
// the key, hashes highest. It is 0, no shard, without a key or shards.
func (s *shards) owner(resourceKey string) shard {
	if resourceKey == "" {
		return 0
	}
	l := s.list.Load()
	if l == nil {
		return 0
	}
	seed := spread(offset, resourceKey)
	var best shard
	var highest uint64
	for _, k := range *l {
		if h := mix(seed ^ uint64(k)); best == 0 || h > highest {
			best, highest = k, h
		}
	}
	return best
}

// offset is where FNV-1a begins.
const offset = 14695981039346656037

// spread is FNV-1a, so that all nodes agree.
func spread(h uint64, s string) uint64 {
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 1099511628211
	}
	return mix(h)
}

// mix makes every bit depend on all.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}
