// Command prepare installs the npm packages of the web client's tests by the lock file, and checks node's version.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := prepare(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "prepare:", err)
		os.Exit(1)
	}
}

func prepare(ctx context.Context) error {
	// Node has X25519 and a global WebCrypto since version 19; Debian 12's node is older.
	check := exec.CommandContext(ctx, "node", "-e", "crypto.subtle.generateKey({name:'X25519'},false,['deriveBits']).catch(() => process.exit(1))")
	if err := check.Run(); err != nil {
		return fmt.Errorf("node lacks X25519 in WebCrypto: install Node.js 20 or later (%w)", err)
	}
	if installed("node_modules/.package-lock.json", "package-lock.json") {
		return nil
	}
	npm := exec.CommandContext(ctx, "npm", "ci")
	npm.Stdout, npm.Stderr = os.Stderr, os.Stderr
	if err := npm.Run(); err != nil {
		return fmt.Errorf("npm ci: %w", err)
	}
	return nil
}

// installed reports whether the first file was written after the second.
func installed(done, wanted string) bool {
	is, err := os.Stat(done)
	if err != nil {
		return false
	}
	want, err := os.Stat(wanted)
	return err == nil && !is.ModTime().Before(want.ModTime())
}
