package peer

// Holders counts who holds one subscription or registration: the sessions of
// this node together, and each bridge. From it follows which bridge is to be
// told that others want or offer the thing. The zero value is empty; it is
// guarded by a lock of its owner's.
type Holders struct {
	local   int
	bridges map[*Bridge]int
}

// Change says how the visibility of a thing changed: for every bridge, or for
// one alone. The zero value says that nothing did.
type Change struct {
	On, Off bool
	// But is the bridge for which nothing changed, Only the one for which it
	// did; both nil means all.
	But, Only *Bridge
}

// For reports whether and how the change concerns via.
func (c Change) For(via *Bridge) (on, changed bool) {
	if !c.On && !c.Off || c.But == via && via != nil || c.Only != nil && c.Only != via {
		return false, false
	}
	return c.On, true
}

// Visible reports whether somebody beside via holds the thing.
func (h *Holders) Visible(via *Bridge) bool {
	n := len(h.bridges)
	if _, own := h.bridges[via]; own {
		n--
	}
	return h.local > 0 || n > 0
}

// Add counts one more of via, which is nil for a session of this node.
func (h *Holders) Add(via *Bridge) Change {
	others, only := h.others(via)
	if via == nil {
		h.local++
	} else {
		if h.bridges == nil {
			h.bridges = make(map[*Bridge]int)
		}
		h.bridges[via]++
	}
	return h.change(via, others, only, true)
}

// Remove counts one less of via.
func (h *Holders) Remove(via *Bridge) Change {
	if via == nil {
		h.local--
	} else if h.bridges[via]--; h.bridges[via] == 0 {
		delete(h.bridges, via)
	}
	others, only := h.others(via)
	return h.change(via, others, only, false)
}

// change works out what the coming or going of one holder means when others
// hold the thing beside it, only naming the one if it is a bridge.
func (h *Holders) change(via *Bridge, others int, only *Bridge, on bool) Change {
	if h.count(via) != btoi(on) {
		return Change{} // via held it before, or still does
	}
	switch {
	case others == 0: // seen by all but itself
		return Change{On: on, Off: !on, But: via}
	case others == 1 && only != nil: // seen by that bridge, which saw nobody else
		return Change{On: on, Off: !on, Only: only}
	default:
		return Change{}
	}
}

func (h *Holders) count(via *Bridge) int {
	if via == nil {
		return h.local
	}
	return h.bridges[via]
}

// others counts the holders beside via, all local sessions as one, and names
// the bridge among them if there is one.
func (h *Holders) others(via *Bridge) (n int, only *Bridge) {
	if via != nil && h.local > 0 {
		n++
	}
	for b := range h.bridges {
		if b != via {
			n++
			only = b
		}
		if n > 1 {
			break
		}
	}
	return n, only
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
