package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/openimstack/openim-operator/supervisor/freeport"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "perf:", err)
		stop()
		os.Exit(1)
	}
}

var errUsage = errors.New("write http or sockets")

// run runs the measurement, or one of the helper programs that the measurement starts from the same binary.
func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "stub":
		return serveStub(args[1])
	case "auth":
		return serveAuth(args[1], args[2])
	case "proxy":
		return serveBare(args[1], args[2])
	case "http", "sockets":
		return measure(ctx, args[0], args[1:])
	}
	return errUsage
}

func measure(ctx context.Context, what string, args []string) error {
	flags := flag.NewFlagSet(what, flag.ContinueOnError)
	rounds := flags.Int("rounds", 3, "how often each case is measured")
	lasts := flags.Duration("lasts", 3*time.Second, "how long each measurement lasts")
	count := flags.Int("sockets", 10000, "how many sockets are held")
	only := flags.String("only", "", "the cases to measure, parted by commas, such as 'wrapper,ReverseProxy'; empty: all")
	profiles := flags.String("profiles", "", "a folder for profiles of the wrapper's processes, taken under the load; empty: none")
	earlier := flags.String("before", "", "the path of another release's wrapper, which is measured too; empty: none")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var more []contender
	if *earlier != "" {
		more = before(*earlier)
	}
	cases, err := chosen(*only, more)
	if err != nil {
		return err
	}
	p, end, err := prepare(ctx)
	if err != nil {
		return err
	}
	defer end()
	p.profiles = *profiles
	if what == "sockets" {
		return measureSockets(ctx, p, cases, *count, os.Stdout)
	}
	return measureHTTP(ctx, p, cases, *rounds, *lasts, os.Stdout)
}

// prepare builds the measured programs, and starts what all cases share.
func prepare(ctx context.Context) (*bench, func(), error) {
	for _, name := range []string{"nginx", "haproxy", "caddy", "redis-server", "taskset"} {
		if _, err := exec.LookPath(name); err != nil {
			return nil, nil, fmt.Errorf("%s is not installed: on Debian, apt-get install nginx-light haproxy caddy redis-server util-linux", name)
		}
	}
	files, err := openFiles()
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.MkdirTemp("", "openim-perf-")
	if err != nil {
		return nil, nil, err
	}
	p := &bench{dir: dir, password: "perf", files: files}
	var shared running
	end := func() {
		shared.stop()
		_ = os.RemoveAll(dir)
	}
	if err := p.prepare(ctx, &shared); err != nil {
		end()
		return nil, nil, err
	}
	return p, end, nil
}

// openFiles raises the limit of open files, which child processes inherit. Root may exceed the hard limit.
func openFiles() (int, error) {
	enough := syscall.Rlimit{Cur: enoughFiles, Max: enoughFiles}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &enough) == nil {
		return enoughFiles, nil
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	limit.Cur = min(limit.Max, enoughFiles)
	limit.Max = limit.Cur
	return int(limit.Cur), syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

func (p *bench) prepare(ctx context.Context, shared *running) error {
	var err error
	if p.self, err = os.Executable(); err != nil {
		return err
	}
	p.wrapper = filepath.Join(p.dir, "wrapper")
	if err := command(ctx, "", "go", "build", "-buildvcs=false", "-trimpath", "-o", p.wrapper, "./cmd/wrapper"); err != nil {
		return err
	}
	// The load generator is pinned in a separate module, to isolate its dependencies.
	tool, err := exec.CommandContext(ctx, "go", "tool", "-modfile=hack/tools/vegeta/go.mod", "-n", "vegeta").Output()
	if err != nil {
		return fmt.Errorf("find vegeta: %w", err)
	}
	p.vegeta = strings.TrimSpace(string(tool))
	for _, address := range []*string{&p.stub, &p.redis} {
		if *address, err = freeport.Take(); err != nil {
			return err
		}
	}
	if err := p.secrets(); err != nil {
		return err
	}
	stub, err := start(ctx, p.dir, around, "stub", p.stub, nil, p.self, "stub", p.stub)
	if err != nil {
		return err
	}
	shared.processes = append(shared.processes, stub)
	port := p.redis[strings.LastIndex(p.redis, ":")+1:]
	redis, err := start(
		ctx,
		p.dir,
		around,
		"redis",
		p.redis,
		nil,
		"redis-server",
		"--port",
		port,
		"--requirepass",
		p.password,
		"--save",
		"",
		"--appendonly",
		"no",
	)
	if err != nil {
		return err
	}
	shared.processes = append(shared.processes, redis)
	callers, err := p.sessions(ctx, 1)
	if err != nil {
		return err
	}
	p.token = callers[0].token
	return nil
}

func command(ctx context.Context, dir string, args ...string) error {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

// awaitAnswer waits until a case answers the measured request with 200: its processes need a moment to connect.
func (p *bench) awaitAnswer(ctx context.Context, base string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	client := &http.Client{Timeout: 5 * time.Second}
	for {
		status, text, err := p.one(ctx, client, base)
		if err == nil && status == http.StatusOK && strings.Contains(text, `"errCode":0`) {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it does not answer as it should: HTTP status %d, %.300s %w", status, text, errors.Join(err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
