package upstream_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/wrapper/upstream"
)

// BenchmarkCall compares the client with net/http's, against the same server in the same process: CPU of both ends for one call of the
// usual size. Run it with -cpu 1.
func BenchmarkCall(b *testing.B) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	payload := bytes.Repeat([]byte("x"), 1<<10)
	server := &http.Server{ReadTimeout: 15 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header()["Content-Length"] = []string{"1024"}
		_, _ = w.Write(payload)
	})}
	go func() { _ = server.Serve(lis) }()
	b.Cleanup(func() { _ = server.Close() })
	header := http.Header{
		"Authorization": {strings.Repeat("a", 300)}, "X-Request-Id": {"0123456789abcdef"}, "Content-Type": {"application/json"},
	}
	body := bytes.Repeat([]byte("y"), 60)
	client, transport := upstream.New("http://"+lis.Addr().String()), &http.Transport{MaxIdleConnsPerHost: 256}
	for name, call := range map[string]func() error{
		"client": func() error {
			_, err := client.Do(b.Context(), http.MethodPost, "/x", header, body)
			return err
		},
		"net-http": func() error {
			req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://"+lis.Addr().String()+"/x", bytes.NewReader(body))
			if err != nil {
				return err
			}
			req.Header = header.Clone()
			resp, err := transport.RoundTrip(req)
			if err != nil {
				return err
			}
			defer func() { _ = resp.Body.Close() }()
			_, err = io.ReadAll(resp.Body)
			return err
		},
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetParallelism(16)
			began := cpu(b)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := call(); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64((cpu(b)-began).Microseconds())/float64(b.N), "µs-CPU/op")
		})
	}
}

// cpu returns the CPU time of the process.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
