package node

import (
	"reflect"

	"bondy/cmd/internal/config"
)

// restartNeeded names what differs between two configurations and cannot
// change live.
func restartNeeded(old, cfg *config.Config) []string {
	var keys []string
	for key, same := range map[string]bool{
		"mode":                   old.Mode == cfg.Mode,
		"node":                   old.Node == cfg.Node,
		"data_dir":               old.DataDir == cfg.DataDir,
		"log.format":             old.Log.Format == cfg.Log.Format,
		"audit":                  old.Audit == cfg.Audit,
		"listener":               reflect.DeepEqual(old.Listeners, cfg.Listeners),
		"uplink":                 reflect.DeepEqual(old.Uplinks, cfg.Uplinks),
		"uplink_listener":        reflect.DeepEqual(old.UplinkListener, cfg.UplinkListener),
		"limits.hibernate_after": old.Limits.HibernateAfter == cfg.Limits.HibernateAfter,
		"limits.memory":          old.Limits.Memory == cfg.Limits.Memory,
		"limits.hello_timeout":   old.Limits.HelloTimeout == cfg.Limits.HelloTimeout,
		"limits.queue_budget":    old.Limits.QueueBudget == cfg.Limits.QueueBudget,

		"limits.max_changes_per_second_per_realm":  old.Limits.MaxChangesPerSecondPerRealm == cfg.Limits.MaxChangesPerSecondPerRealm,
		"limits.max_hellos_per_second_per_address": old.Limits.MaxHellosPerSecondPerAddress == cfg.Limits.MaxHellosPerSecondPerAddress,
	} {
		if !same {
			keys = append(keys, key)
		}
	}
	return keys
}
