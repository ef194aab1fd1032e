// Package cgroup finds out how much memory the control groups of this process
// allow it, for version 1 and version 2 of Linux's cgroups.
package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// unlimited is what version 1 says, rounded to pages, when there is no limit.
const unlimited = 1 << 62

// MemoryLimit returns the lowest limit in bytes that the group of this process
// or one above it sets, 0 if none does; root is the root of the file system. On
// a system without cgroups the error is fs.ErrNotExist.
func MemoryLimit(root fs.FS) (int64, error) {
	groups, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return 0, err
	}
	mounts, err := fs.ReadFile(root, "proc/self/mountinfo")
	if err != nil {
		return 0, err
	}
	var lowest int64
	for line := range strings.Lines(string(mounts)) {
		m, ok := parseMount(line)
		if !ok {
			continue
		}
		group, ok := membership(string(groups), m.v2)
		if !ok {
			continue
		}
		limit, err := m.limit(root, group)
		if err != nil {
			return 0, err
		}
		if limit > 0 && (lowest == 0 || limit < lowest) {
			lowest = limit
		}
	}
	return lowest, nil
}

// mount is a mounted hierarchy of groups that can limit memory.
type mount struct {
	v2   bool
	root string // the group that is mounted
	at   string // where
}

// parseMount reads a line of mountinfo (proc_pid_mountinfo(5)).
func parseMount(line string) (m mount, ok bool) {
	left, right, ok := strings.Cut(strings.TrimSpace(line), " - ")
	f, super := strings.Fields(left), strings.Fields(right)
	if !ok || len(f) < 6 || len(super) < 3 {
		return m, false
	}
	m = mount{v2: super[0] == "cgroup2", root: unescape(f[3]), at: unescape(f[4])}
	v1 := super[0] == "cgroup" && slices.Contains(strings.Split(super[2], ","), "memory")
	return m, m.v2 || v1
}

// unescape undoes the octal escapes of white space and backslashes.
func unescape(s string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(s)
}

// membership is the group of this process in a hierarchy (cgroups(7)).
func membership(groups string, v2 bool) (string, bool) {
	for line := range strings.Lines(groups) {
		f := strings.SplitN(strings.TrimRight(line, "\n"), ":", 3)
		if len(f) != 3 {
			continue
		}
		if v2 && f[0] == "0" && f[1] == "" || !v2 && slices.Contains(strings.Split(f[1], ","), "memory") {
			return f[2], true
		}
	}
	return "", false
}

// limit is the lowest limit from group up to what is mounted.
func (m mount) limit(root fs.FS, group string) (int64, error) {
	file := "memory.limit_in_bytes"
	if m.v2 {
		file = "memory.max"
	}
	var below string // what is mounted; a group elsewhere is not seen from here
	if rest, ok := strings.CutPrefix(path.Clean(group), strings.TrimSuffix(path.Clean(m.root), "/")); ok && (rest == "" || rest[0] == '/') {
		below = rest
	}
	top := path.Clean(m.at)
	var lowest int64
	for dir := path.Join(top, below); ; dir = path.Dir(dir) {
		n, err := read(root, path.Join(dir, file))
		if err != nil {
			return 0, err
		}
		if n > 0 && (lowest == 0 || n < lowest) {
			lowest = n
		}
		if dir == top || len(dir) <= len(top) {
			return lowest, nil
		}
	}
}

// read reads one limit, 0 if there is none.
func read(root fs.FS, name string) (int64, error) {
	b, err := fs.ReadFile(root, strings.TrimPrefix(name, "/"))
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // the root of a hierarchy has no limit
	}
	if err != nil {
		return 0, err
	}
	text := strings.TrimSpace(string(b))
	if text == "max" {
		return 0, nil
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	if n >= unlimited {
		return 0, nil
	}
	return int64(n), nil
}
