package auditlog

import (
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func registry() *prometheus.Registry { return prometheus.NewPedanticRegistry() }

// BenchmarkEmit measures the cost for a call.
func BenchmarkEmit(b *testing.B) {
	l, _ := run(b, Options{Stdout: io.Discard})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := sent()
		for pb.Next() {
			for l.Emit(e) != nil { // the queue is full
				runtime.Gosched()
			}
		}
	})
}

// BenchmarkTrail measures the throughput to a file on disk.
func BenchmarkTrail(b *testing.B) {
	path := filepath.Join(b.TempDir(), "audit.log")
	l, stop := run(b, Options{Path: path})
	e := sent()
	for b.Loop() {
		for l.Emit(e) != nil {
			runtime.Gosched()
		}
	}
	stop()
}

func BenchmarkVerify(b *testing.B) {
	text := strings.Join(written(b, 1000), "")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		v := Verifier{}
		if v.Read(strings.NewReader(text)) != nil || v.report.Events != 1002 {
			b.Fatal("not read")
		}
	}
}
