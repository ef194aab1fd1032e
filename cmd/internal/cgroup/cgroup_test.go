package cgroup_test

import (
	"errors"
	"io/fs"
	"testing"
	"testing/fstest"

	"bondy/cmd/internal/cgroup"
)

// tree is a file system with these files.
func tree(files map[string]string) fstest.MapFS {
	m := fstest.MapFS{}
	for name, text := range files {
		m[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return m
}

func TestMemoryLimit(t *testing.T) {
	const (
		root = "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
		v2   = root + "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
		v1   = root + "33 32 0:29 / /sys/fs/cgroup/cpu rw shared:9 - cgroup cgroup rw,cpu\n" +
			"36 32 0:31 / /sys/fs/cgroup/memory rw shared:12 - cgroup cgroup rw,memory\n"
	)
	for name, tc := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"version 2": {map[string]string{
			"proc/self/cgroup": "0::/system.slice/bondy.service\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/system.slice/bondy.service/memory.max": "134217728\n",
		}, 128 << 20},
		"version 2, a group above is tighter": {map[string]string{
			"proc/self/cgroup": "0::/a/b/c\n", "proc/self/mountinfo": v2,
			"sys/fs/cgroup/a/b/c/memory.max": "max\n", "sys/fs/cgroup/a/b/memory.max": "3000000\n", "sys/fs/cgroup/a/memory.max": "9000000\n",
		}, 3000000},
		"version 2, none": {map[string]string{
			"proc/self/cgroup": "0::/a\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/a/memory.max": "max\n",
		}, 0},
		"version 2 in a namespace": {map[string]string{
			"proc/self/cgroup": "0::/\n", "proc/self/mountinfo": v2, "sys/fs/cgroup/memory.max": "268435456\n",
		}, 256 << 20},
		"version 1": {map[string]string{
			"proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/jobs/one\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/jobs/one/memory.limit_in_bytes": "67108864\n",
			"sys/fs/cgroup/memory/jobs/memory.limit_in_bytes":     "9223372036854771712\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":          "9223372036854771712\n",
		}, 64 << 20},
		"version 1, none": {map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "proc/self/mountinfo": v1,
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"version 1, a container's group mounted": {map[string]string{
			"proc/self/cgroup":    "4:memory:/docker/abc/inner\n",
			"proc/self/mountinfo": "36 32 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/inner/memory.limit_in_bytes": "5000000\n",
		}, 5000000},
		"a group that is not below what is mounted": {map[string]string{
			"proc/self/cgroup":                           "4:memory:/docker/abcdef\n",
			"proc/self/mountinfo":                        "36 32 0:31 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "7000000\n",
		}, 7000000},
		"both versions": {map[string]string{
			"proc/self/cgroup":                             "4:memory:/x\n0::/y\n",
			"proc/self/mountinfo":                          v1 + "40 32 0:35 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/memory/x/memory.limit_in_bytes": "6000000\n", "sys/fs/cgroup/unified/y/memory.max": "4000000\n",
		}, 4000000},
		"a mount point with a space": {map[string]string{
			"proc/self/cgroup":           "0::/y\n",
			"proc/self/mountinfo":        "40 32 0:35 / /mnt/my\\040groups rw - cgroup2 cgroup2 rw\n",
			"mnt/my groups/y/memory.max": "4000000\n",
		}, 4000000},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := cgroup.MemoryLimit(tree(tc.files)); got != tc.want || err != nil {
				t.Errorf("MemoryLimit = %d, %v; want %d", got, err, tc.want)
			}
		})
	}
}

func TestMemoryLimitErrors(t *testing.T) {
	if _, err := cgroup.MemoryLimit(tree(nil)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without /proc: %v, want fs.ErrNotExist", err)
	}
	_, err := cgroup.MemoryLimit(tree(map[string]string{
		"proc/self/cgroup":    "0::/\n",
		"proc/self/mountinfo": "40 32 0:35 / /c rw - cgroup2 cgroup2 rw\n",
		"c/memory.max":        "plenty\n",
	}))
	if err == nil {
		t.Error("a limit that is no number: no error")
	}
}

func FuzzMemoryLimit(f *testing.F) {
	f.Add("0::/a\n", "40 32 0:35 / /c rw - cgroup2 cgroup2 rw\n", "1\n")
	f.Add("4:memory:/../b\n", "40 32 0:35 /x /c rw - cgroup cgroup rw,memory\n", "max")
	f.Fuzz(func(t *testing.T, groups, mounts, limit string) {
		n, err := cgroup.MemoryLimit(tree(map[string]string{
			"proc/self/cgroup": groups, "proc/self/mountinfo": mounts, "c/memory.max": limit, "c/a/memory.max": limit,
		}))
		if n < 0 || err != nil && n != 0 {
			t.Errorf("MemoryLimit = %d, %v", n, err)
		}
	})
}
