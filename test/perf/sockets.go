package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// dialers open sockets concurrently; each gives up after a number of attempts.
const (
	dialers  = 32
	maxTries = 5
)

// warmUp is how long a case answers requests before memory is measured for the first time.
const warmUp = 2 * time.Second

// settle is how long sockets are idle before memory is measured: garbage is collected by then, and buffers of the opening are released.
const settle = 30 * time.Second

// measureSockets holds idle sockets through each case in turn, and prints the proxy's memory per socket.
func measureSockets(ctx context.Context, p *bench, cases []contender, count int, out io.Writer) error {
	// Two files for each socket in a proxy, and a tenth more for nginx's other files.
	if most := p.files / 2 * 9 / 10; count > most {
		_, _ = fmt.Fprintf(
			out,
			"This system lets a process have %d files open, so that %d sockets are held instead of %d.\n\n",
			p.files,
			most,
			count,
		)
		count = most
	}
	_, _ = fmt.Fprintf(
		out,
		"%d idle WebSockets, each with one to the stub behind it; resident memory of the proxy's processes after %s, less that before, when "+
			"they had answered requests for %s.\n\n",
		count,
		settle,
		warmUp,
	)
	_, _ = fmt.Fprintln(out, "| case | opened in | KiB of memory each | CPU while idle, % of a core |\n|---|---|---|---|")
	callers, err := p.sessions(ctx, count)
	if err != nil {
		return err
	}
	for _, c := range cases {
		if c.name == caseDirect || c.name == caseCaddy || c.name == caseAuthOnly || c.users > 0 {
			continue
		}
		line, each, err := holdSockets(ctx, p, c, callers)
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		_, _ = fmt.Fprintln(out, line)
		if c.name == caseWrapper {
			verdict := "missed"
			if each <= aimSocketKiB {
				verdict = "met"
			}
			defer func() {
				_, _ = fmt.Fprintf(
					out,
					"\n| aim | measured | |\n|---|---|---|\n| at most %d KiB for each socket | %.1f KiB | %s |\n",
					aimSocketKiB,
					each,
					verdict,
				)
			}()
		}
	}
	return nil
}

func holdSockets(ctx context.Context, p *bench, c contender, callers []caller) (line string, each float64, err error) {
	up, err := c.start(ctx, p)
	if err != nil {
		return "", 0, err
	}
	defer up.stop()
	if err := p.awaitAnswer(ctx, up.base); err != nil {
		return "", 0, err
	}
	// Memory for any work at all does not count as the sockets': the process has answered requests before.
	if _, err := attack(ctx, p, c, up, 0, warmUp); err != nil {
		return "", 0, err
	}
	before, err := up.usage()
	if err != nil {
		return "", 0, err
	}
	began := time.Now()
	conns, err := p.open(ctx, up.base, callers)
	defer func() {
		for _, conn := range conns {
			_ = conn.CloseNow()
		}
	}()
	if err != nil {
		return "", 0, err
	}
	took := time.Since(began)
	busy, err := up.usage()
	if err != nil {
		return "", 0, err
	}
	select {
	case <-ctx.Done():
		return "", 0, ctx.Err()
	case <-time.After(settle):
	}
	after, err := up.usage()
	if err != nil {
		return "", 0, err
	}
	if err := p.profile(ctx, c.name, up, 0, "heap")(); err != nil {
		return "", 0, err
	}
	each = float64(after.rss-before.rss) / 1024 / float64(len(callers))
	return fmt.Sprintf(
		"| %s | %.1f s | %.1f | %.1f |",
		c.name,
		took.Seconds(),
		each,
		100*(after.cpu-busy.cpu).Seconds()/settle.Seconds(),
	), each, nil
}

// open opens a socket for each caller, as an official SDK does. Each answers pings, as a client would.
func (p *bench) open(ctx context.Context, base string, callers []caller) ([]*websocket.Conn, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu    sync.Mutex
		conns []*websocket.Conn
		work  sync.WaitGroup
	)
	queue := make(chan caller, len(callers))
	for _, c := range callers {
		queue <- c
	}
	close(queue)
	for range dialers {
		work.Go(func() {
			for c := range queue {
				conn, err := p.dial(ctx, base, c)
				if err != nil {
					cancel(err)
					return
				}
				conn.CloseRead(context.WithoutCancel(ctx))
				mu.Lock()
				conns = append(conns, conn)
				mu.Unlock()
			}
		})
	}
	work.Wait()
	return conns, context.Cause(ctx)
}

// dial opens one socket. It repeats the attempt when the answer allows it, as an SDK does.
func (p *bench) dial(ctx context.Context, base string, c caller) (*websocket.Conn, error) {
	for tries := 1; ; tries++ {
		conn, again, err := p.dialOnce(ctx, base, c)
		if !again || tries == maxTries {
			return conn, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(time.Second):
		}
	}
}

func (p *bench) dialOnce(ctx context.Context, base string, c caller) (conn *websocket.Conn, again bool, err error) {
	query := url.Values{
		"sendID": {c.user}, "token": {c.token}, "platformID": {"1"}, "operationID": {"perf"}, "isBackground": {"false"}, "compression": {"gzip"},
	}
	conn, resp, err := websocket.Dial(ctx, strings.Replace(base, "http://", "ws://", 1)+"/ws?"+query.Encode(), &websocket.DialOptions{
		CompressionMode: websocket.CompressionDisabled,
		HTTPHeader:      http.Header{"token": {p.token}}, // the one that the service behind nginx knows
	})
	if err == nil {
		return conn, false, nil
	}
	if resp == nil || resp.Body == nil {
		return nil, false, fmt.Errorf("open a socket: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
	return nil, resp.StatusCode == http.StatusServiceUnavailable, fmt.Errorf("open a socket: %w: %s", err, text)
}
