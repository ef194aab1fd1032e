package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"

	"bondy/cmd/internal/config"
	"bondy/cmd/internal/node"
)

// source says where the configuration of a command comes from.
type source struct{ file, data string }

func (s *source) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.file, "config", "", "configuration `FILE`; without it the embedded default runs")
	cmd.Flags().StringVar(&s.data, "data", "", "data `DIR`; overrides data_dir of the configuration")
}

func (s *source) load() (config.Config, error) {
	cfg, err := config.Default()
	if s.file != "" {
		cfg, err = config.Load(s.file)
	}
	if err == nil && s.data != "" {
		cfg.DataDir = s.data
	}
	if err == nil {
		cfg.DataDir, err = filepath.Abs(cfg.DataDir)
	}
	return cfg, err
}

func serveCommand() *cobra.Command {
	var src source
	var secretFile string
	var newNodeKey bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the router",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serve(cmd.Context(), &src, secretFile, newNodeKey, cmd.ErrOrStderr())
		},
	}
	src.flags(cmd)
	cmd.Flags().StringVar(&secretFile, "admin-secret-file", "",
		"where the first start writes the administrator's password (default: to the terminal, else admin-secret in the data directory)")
	cmd.Flags().BoolVar(&newNodeKey, "new-node-key", false,
		"when node.key is lost: make another one, drop the signing keys that need the lost one, and revoke their tickets")
	return cmd
}

func serve(ctx context.Context, src *source, secretFile string, newNodeKey bool, stderr io.Writer) error {
	cfg, err := src.load()
	if err != nil {
		return err
	}
	level := new(slog.LevelVar)
	level.Set(node.Level(cfg.Log.Level))
	log := node.NewLog(stderr, cfg.Log.Format, level)
	secret := adminSecret{file: secretFile, data: cfg.DataDir, stderr: stderr, log: log}
	opts := node.Options{
		Secret: secret.deliver, NewNodeKey: newNodeKey,
		Version: version, Level: level, Log: log, Notify: notify,
	}
	node.LimitMemory(&cfg, opts.Log)
	if src.file != "" {
		opts.Reload = src.load
	}
	n, err := node.New(ctx, cfg, opts)
	if err != nil {
		return err
	}
	if src.file == "" {
		greet(stderr)
	}
	hangup := make(chan os.Signal, 1) // one pending reload is enough
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	done := make(chan struct{})
	reloads := make(chan struct{})
	go func() {
		defer close(reloads)
		for {
			select {
			case <-hangup:
				_, _ = n.Reload() // it has logged what is wrong
			case <-done:
				return
			}
		}
	}()
	defer func() { close(done); <-reloads }()
	return n.Run(ctx)
}

// notify tells systemd, if it started us; else it does nothing.
func notify(state string) {
	_, _ = daemon.SdNotify(false, state) // without systemd there is nobody to tell
}

// greet says what to do next on the embedded default.
func greet(w io.Writer) {
	_, _ = fmt.Fprint(w, `
bondy is running on its embedded default, for trying things out.

  WebSocket  ws://127.0.0.1:18080/ws   (open http://127.0.0.1:18080/ in a browser)
  RawSocket  tcp://127.0.0.1:18082
  Health     http://127.0.0.1:18081/ready, /metrics

Try it from another terminal:

  bin/bondy subscribe com.example.hello
  bin/bondy publish com.example.hello '["Hello, world"]'

  bin/bondy register com.example.echo --echo
  bin/bondy call com.example.echo '["Hello, world"]'

To change something: bin/bondy config default > bondy.toml, edit it, and run
bin/bondy serve --config bondy.toml. Stop with Ctrl-C.

`)
}
