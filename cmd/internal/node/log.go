package node

import (
	"io"
	"log/slog"

	"bondy/cmd/internal/config"
)

// NewLog makes the log of a process. level can be changed while it runs.
func NewLog(w io.Writer, format config.LogFormat, level *slog.LevelVar) *slog.Logger {
	options := &slog.HandlerOptions{Level: level}
	if format == config.FormatJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// Level is the severity of that name.
func Level(name config.LogLevel) slog.Level {
	switch name {
	case config.LevelDebug:
		return slog.LevelDebug
	case config.LevelWarn:
		return slog.LevelWarn
	case config.LevelError:
		return slog.LevelError
	case config.LevelInfo:
	}
	return slog.LevelInfo
}
