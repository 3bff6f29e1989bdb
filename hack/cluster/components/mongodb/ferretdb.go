package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"
)

// startTimeout bounds how long FerretDB may take until it accepts connections.
const startTimeout = 60 * time.Second

// maxSocketPath is the longest path of a Unix socket on Linux.
const maxSocketPath = 107

// ferretDB is the child process.
type ferretDB struct {
	socket string
	done   chan struct{} // closed when the process has ended
	cancel context.CancelFunc
}

// startFerretDB runs FerretDB on the data folder and returns when it accepts connections. FerretDB listens on a socket in that folder only:
// a client without access to the folder cannot bypass the proxy.
func startFerretDB(ctx context.Context, program, dataDir string, out io.Writer) (*ferretDB, error) {
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, err
	}
	db := &ferretDB{socket: filepath.Join(dataDir, "ferretdb.sock"), done: make(chan struct{})}
	if len(db.socket) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is too long for a socket: use a shorter --data-dir", db.socket)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the data folder: %w: use another --data-dir", err)
	}
	if err := os.Remove(db.socket); err != nil && !os.IsNotExist(err) { // left behind by a killed process
		return nil, fmt.Errorf("removing the old socket in the data folder: %w: check the folder's owner", err)
	}

	// The child outlives ctx for a moment, so that open commands are still answered.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	db.cancel = cancel
	cmd := exec.CommandContext(running, program,
		"--handler=sqlite", "--sqlite-url=file:"+dataDir+"/", "--state-dir="+dataDir,
		"--listen-addr=", "--listen-unix="+db.socket, "--debug-addr=-",
		"--telemetry=disable", "--log-level=error") // at level warn FerretDB logs documents
	cmd.Env = []string{"SQLITE_TMPDIR=" + dataDir, "GOTRACEBACK=single"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	started := make(chan error, 1)
	go func() {
		defer close(db.done)
		runtime.LockOSThread() // the parent-death signal is bound to the thread that starts the child
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting FerretDB: %w: set --ferretdb to its program", err)
	}
	if err := db.await(ctx); err != nil {
		db.stop()
		return nil, err
	}
	return db, nil
}

// await returns when FerretDB accepts connections, or fails when it ends or the timeout is over.
func (db *ferretDB) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		if conn, err := db.dial(ctx); err == nil {
			return conn.Close()
		}
		select {
		case <-db.done:
			return fmt.Errorf("FerretDB ended before it was ready: see its log output above")
		case <-ctx.Done():
			return fmt.Errorf("waiting for FerretDB: %w", context.Cause(ctx))
		case <-again.C:
		}
	}
}

// dial opens a connection to FerretDB.
func (db *ferretDB) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", db.socket)
}

// stop terminates FerretDB, and kills it if it does not end in time.
func (db *ferretDB) stop() {
	db.cancel()
	<-db.done
}
