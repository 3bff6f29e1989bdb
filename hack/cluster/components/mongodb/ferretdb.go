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

// startTimeout is how long FerretDB may take until it accepts connections.
const startTimeout = 60 * time.Second

// maxSocketPath is how long the path of a Unix socket may be on Linux.
const maxSocketPath = 107

// ferretDB is the child process.
type ferretDB struct {
	socket string
	done   chan struct{} // closed when the process has ended
	cancel context.CancelFunc
}

// startFerretDB runs the program on the data folder and returns when it accepts connections. It listens on a socket in that
// folder and nowhere else: who cannot read the folder cannot pass by the proxy.
func startFerretDB(ctx context.Context, program, dataDir string, out io.Writer) (*ferretDB, error) {
	dataDir, err := filepath.Abs(dataDir)
	if err != nil {
		return nil, err
	}
	db := &ferretDB{socket: filepath.Join(dataDir, "ferretdb.sock"), done: make(chan struct{})}
	if len(db.socket) > maxSocketPath {
		return nil, fmt.Errorf("the path %s is too long for a socket: give a shorter --data-dir", db.socket)
	}
	if err := os.MkdirAll(dataDir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the data folder, give another --data-dir: %w", err)
	}
	if err := os.Remove(db.socket); err != nil && !os.IsNotExist(err) { // left behind by one that was killed
		return nil, fmt.Errorf("cannot write in the data folder, check its owner: %w", err)
	}

	// The child outlives ctx for a moment: open commands shall still be answered.
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	db.cancel = cancel
	cmd := exec.CommandContext(running, program,
		"--handler=sqlite", "--sqlite-url=file:"+dataDir+"/", "--state-dir="+dataDir,
		"--listen-addr=", "--listen-unix="+db.socket, "--debug-addr=-",
		"--telemetry=disable", "--log-level=error") // at warn it writes documents into its log
	cmd.Env = []string{"SQLITE_TMPDIR=" + dataDir, "GOTRACEBACK=single"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}

	started := make(chan error, 1)
	go func() {
		defer close(db.done)
		runtime.LockOSThread() // the death signal is bound to the thread that starts the child
		defer runtime.UnlockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			_ = cmd.Wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("cannot start FerretDB, name its program by --ferretdb: %w", err)
	}
	if err := db.await(ctx); err != nil {
		db.stop()
		return nil, err
	}
	return db, nil
}

// await returns when FerretDB accepts connections, or will not.
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
			return fmt.Errorf("FerretDB ended before it was ready: its last words are above")
		case <-ctx.Done():
			return fmt.Errorf("FerretDB was not ready in time: %w", context.Cause(ctx))
		case <-again.C:
		}
	}
}

// dial opens a connection to FerretDB.
func (db *ferretDB) dial(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{Timeout: 5 * time.Second}).DialContext(ctx, "unix", db.socket)
}

// stop asks FerretDB to end, and kills it if it does not.
func (db *ferretDB) stop() {
	db.cancel()
	<-db.done
}
