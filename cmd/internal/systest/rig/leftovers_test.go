//go:build linux && e2e

package rig_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"bondy/cmd/internal/systest/rig"
)

// victim, in the environment, has TestVictim wait to be killed.
const victim = "BONDY_RIG_VICTIM"

// TestCleanup wants the namespaces gone with the test that made them, also one
// that failed, and no file left open.
func TestCleanup(t *testing.T) {
	rig.Need(t)
	before := openFiles(t)
	var used []string
	t.Run("rig", func(t *testing.T) { used = use(t) })
	if len(used) != 3 || slices.ContainsFunc(used, exists) {
		t.Errorf("of the namespaces %v some are left", used)
	}
	if after := openFiles(t); after > before {
		t.Errorf("%d files are open, %d were before", after, before)
	}
}

// TestKilled wants the namespaces and the programs in them gone with a process
// that had no chance to clean up.
func TestKilled(t *testing.T) {
	rig.Need(t)
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestVictim$")
	cmd.Env = append(os.Environ(), victim+"=1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	used := strings.Fields(line)
	if err != nil || len(used) != 3 || !exists(used[0]) {
		t.Errorf("the victim said %q (%v)", line, err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for slices.ContainsFunc(used, exists) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("of the namespaces %v some are left", used)
		}
	}
}

// TestVictim is the process that TestKilled kills.
func TestVictim(t *testing.T) {
	if os.Getenv(victim) == "" {
		t.Skip("run by TestKilled")
	}
	used := use(t)
	fmt.Println(strings.Join(used, " "))
	<-t.Context().Done()
}

// use makes a star with a program in each host, and returns the namespaces.
func use(t *testing.T) []string {
	t.Helper()
	core, edges := rig.New(t).Star(2, rig.Params{})
	var used []string
	for _, h := range []*rig.Host{core, edges[0].Host, edges[1].Host} {
		if err := h.Do(func() error { used = append(used, namespace(t)); return nil }); err != nil {
			t.Fatal(err)
		}
		cmd := h.Command(t.Context(), "sleep", "1000")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Wait() })
	}
	return used
}

// exists looks for a namespace as the kernel can hold one: by a thread, an open
// file or a mount.
func exists(namespace string) bool {
	links, _ := filepath.Glob("/proc/[0-9]*/task/[0-9]*/ns/net")
	files, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range append(links, files...) {
		if target, err := os.Readlink(link); err == nil && target == namespace {
			return true
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	return err != nil || strings.Contains(string(mounts), namespace)
}

func openFiles(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}
