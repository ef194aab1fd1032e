package node

import (
	"reflect"

	"bondy/cmd/internal/config"
)

// restartNeeded names what differs between what runs and what was loaded, and cannot
// change live, in the order of the file.
func restartNeeded(runs, cfg *config.Config) (keys []string) {
	for _, part := range []struct {
		key  string
		same bool
	}{
		{"mode", runs.Mode == cfg.Mode},
		{"node", runs.Node == cfg.Node},
		{"data_dir", runs.DataDir == cfg.DataDir},
		{"log.format", runs.Log.Format == cfg.Log.Format},
		{"audit", runs.Audit == cfg.Audit},
		{"listener", reflect.DeepEqual(runs.Listeners, cfg.Listeners)},
		{"limits.queue_budget", runs.Limits.QueueBudget == cfg.Limits.QueueBudget},
		{"limits.hello_timeout", runs.Limits.HelloTimeout == cfg.Limits.HelloTimeout},
		{"limits.hibernate_after", runs.Limits.HibernateAfter == cfg.Limits.HibernateAfter},
		{"limits.memory", runs.Limits.Memory == cfg.Limits.Memory},
		{"limits.max_hellos_per_second_per_address", runs.Limits.MaxHellosPerSecondPerAddress == cfg.Limits.MaxHellosPerSecondPerAddress},
		{"uplink_listener", reflect.DeepEqual(runs.UplinkListener, cfg.UplinkListener)},
		{"uplink", reflect.DeepEqual(runs.Uplinks, cfg.Uplinks)},
	} {
		if !part.same {
			keys = append(keys, part.key)
		}
	}
	return keys
}
