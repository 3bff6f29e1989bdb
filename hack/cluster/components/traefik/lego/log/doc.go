// Package log takes a logger, to which nothing is written.
package log

import "log/slog"

// SetDefault does nothing.
func SetDefault(*slog.Logger) {}
