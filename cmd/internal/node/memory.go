package node

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"runtime/debug"
	"sync/atomic"
	"time"

	"bondy/cmd/internal/cgroup"
	"bondy/cmd/internal/config"
)

const (
	// smallMachine is the memory up to which garbage is collected earlier.
	smallMachine = config.GiB
	smallGOGC    = 50
	// cgroupShare is what the Go runtime may take of what the cgroup allows, in
	// percent: the kernel's socket buffers and the store's pages count there, too.
	cgroupShare = 85
)

// LimitMemory tells the runtime how much memory the process may use: what cfg
// says, else what the environment's GOMEMLIMIT says, else most of what the
// cgroup allows. It is for the process, so that main calls it.
func LimitMemory(cfg *config.Config, log *slog.Logger) {
	limit, source := int64(cfg.Limits.Memory), "limits.memory"
	if limit == 0 {
		limit, source = ambientLimit(log)
	}
	if limit == 0 {
		return
	}
	if source != "GOMEMLIMIT" {
		debug.SetMemoryLimit(limit)
	}
	gogc := os.Getenv("GOGC")
	if gogc == "" && limit <= int64(smallMachine) {
		debug.SetGCPercent(smallGOGC)
	}
	log.Info("memory is limited", slog.String("limit", config.Size(limit).String()), slog.String("source", source))
}

func ambientLimit(log *slog.Logger) (limit int64, source string) {
	if os.Getenv("GOMEMLIMIT") != "" {
		return debug.SetMemoryLimit(-1), "GOMEMLIMIT"
	}
	allowed, err := cgroup.MemoryLimit(os.DirFS("/"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("can't tell how much memory the cgroup allows", slog.Any("err", err))
	}
	return allowed / 100 * cgroupShare, "cgroup"
}

const (
	// wave is how many connections settle until it is worth while to look for
	// memory to give back.
	wave = 1000
	// calm is the time in which fewer than a quarter of that settle when a wave
	// is over; one of more than longWave calms is not waited for.
	calm     = time.Second
	longWave = 10
	// reclaimPause is the time between two collections at least.
	reclaimPause = 10 * time.Second
)

// reclaimer gives memory back to the system after a wave of connections has
// opened, fallen asleep or ended: the runtime would keep for long what they took.
type reclaimer struct {
	settled atomic.Int64
	due     chan struct{} // holds one; more are the same wave
}

func newReclaimer() *reclaimer { return &reclaimer{due: make(chan struct{}, 1)} }

// note counts a connection that opened, fell asleep or ended.
func (r *reclaimer) note() {
	if r.settled.Add(1)%wave != 0 {
		return
	}
	select {
	case r.due <- struct{}{}:
	default:
	}
}

// run collects after each wave until ctx ends.
func (r *reclaimer) run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause := func(d time.Duration) bool {
		timer.Reset(d)
		select {
		case <-timer.C:
			return true
		case <-ctx.Done():
			return false
		}
	}
	for {
		select {
		case <-r.due:
		case <-ctx.Done():
			return nil
		}
		for range longWave {
			before := r.settled.Load()
			if !pause(calm) {
				return nil
			}
			if r.settled.Load()-before < wave/4 {
				break
			}
		}
		debug.FreeOSMemory()
		if !pause(reclaimPause) {
			return nil
		}
	}
}
