package node

import (
	"context"
	"path/filepath"

	"bondy/core/audit"
	"bondy/gateway/admin"
	files "bondy/store/audit"
)

// AuditQuery says which records of an audit log are wanted.
type AuditQuery = files.Query

// AuditChain is what was found in one of the two chains of an audit log.
type AuditChain = files.Chain

// AuditLog is the audit log of the node with that data directory, for reading.
func AuditLog(dataDir string) files.Files { return files.NewFiles(auditDir(dataDir)) }

func auditDir(dataDir string) string { return filepath.Join(dataDir, "audit") }

// openAudit opens the audit log, if the node is to have one.
func (n *Node) openAudit() {
	n.try(func() error {
		a := &n.cfg.Audit
		if !a.Enabled {
			return nil
		}
		l, err := files.Open(auditDir(n.cfg.DataDir), files.Config{
			MaxSegment: int64(a.MaxSegment), MaxBytes: int64(a.MaxBytes), Anonymous: a.Anonymous, Log: n.log,
		})
		if err != nil {
			return err
		}
		n.trail, n.audit = l, l
		return n.metrics.Register(admin.AuditCollector(l.Stats))
	})
}

// runAudit has the audit log written until ctx ends.
func (n *Node) runAudit(ctx context.Context) error {
	if n.trail == nil {
		return nil
	}
	n.tell("bondy.node.started")
	defer n.tell("bondy.node.stopped")
	return n.trail.Run(ctx)
}

// closeAudit writes what is left.
func (n *Node) closeAudit() error {
	if n.trail == nil {
		return nil
	}
	return n.trail.Close()
}

// tell records what the node itself does.
func (n *Node) tell(action string) {
	audit.Emit(n.audit, audit.Event{
		Kind: audit.Node, Outcome: audit.OK, Action: action, Object: "node " + n.cfg.Node, Agent: "bondy-" + n.opts.Version,
	})
}
