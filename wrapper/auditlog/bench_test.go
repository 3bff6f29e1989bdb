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

// BenchmarkEmit is what a call pays.
func BenchmarkEmit(b *testing.B) {
	l, _ := run(b, Options{Stdout: io.Discard})
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		e := sent()
		for pb.Next() {
			for l.Emit(e) != nil { // the spool is full: the benchmark is faster than any caller
				runtime.Gosched()
			}
		}
	})
}

// BenchmarkTrail is how many events come through to a file on the disk.
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
	text := strings.Join(trail(b, 1000), "")
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		v := Verifier{}
		if v.Read(strings.NewReader(text)) != nil || v.report.Events != 1002 {
			b.Fatal("not read")
		}
	}
}
