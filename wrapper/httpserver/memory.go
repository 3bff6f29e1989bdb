package httpserver

import (
	"context"
	"log/slog"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
	"time"
)

// The live heap of a wrapper is a few megabytes, and each request makes some kilobytes of garbage. With Go's default (GOGC=100) the
// collector would run several times a second, and each run would delay some requests by milliseconds. Therefore KeepMemory permits a
// fixed amount of garbage for a small heap. With many open sockets the live heap is hundreds of megabytes, mostly buffers without
// pointers, which are cheap to collect. KeepMemory then permits about a third of the garbage of Go's default.
const (
	// garbageBytes is the permitted garbage of a small heap.
	garbageBytes = 32 << 20
	// minPercent is the minimum of GOGC.
	minPercent = 30
	// maxPercent is the maximum of GOGC, for an almost empty heap.
	maxPercent = 800
	// memoryInterval is how often the live heap is measured.
	memoryInterval = 5 * time.Second
)

// Files with the container's memory limit, of cgroup v2 and v1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// KeepMemory adjusts the garbage collector to the live heap and the container's memory limit until ctx ends. It does not change what the
// environment sets (GOGC, GOMEMLIMIT).
func KeepMemory(ctx context.Context, log *slog.Logger) {
	limit := memoryLimit(cgroupLimits)
	if limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		// The rest is for memory that Go does not count: the program's text, and buffers of the kernel.
		debug.SetMemoryLimit(limit / 10 * 9)
		log.Info("setting the memory limit from the container's", "bytes", limit)
	}
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(memoryInterval)
	defer tick.Stop()
	percent := 0
	for {
		// Setting GOGC stops all goroutines for a moment. Therefore it is set only after a relevant change.
		if next := gcPercent(liveBytes(), limit); math.Abs(float64(next-percent)) > float64(percent)/4 {
			percent = next
			debug.SetGCPercent(percent)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// gcPercent returns GOGC for a live heap and a container's limit, both in bytes; a limit of 0 means none.
func gcPercent(live, limit int64) int {
	garbage := int64(garbageBytes)
	if limit > 0 {
		garbage = min(garbage, limit/8)
	}
	return int(min(max(garbage*100/max(live, 1), minPercent), maxPercent))
}

// liveBytes returns the bytes of which GOGC is a percentage: the live heap, stacks and globals of the last collection.
func liveBytes() int64 {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	var sum int64
	for _, s := range samples {
		if s.Value.Kind() == metrics.KindUint64 {
			sum += int64(min(s.Value.Uint64(), math.MaxInt64/4))
		}
	}
	return sum
}

// memoryLimit reads the first existing file; 0 means no limit.
func memoryLimit(files []string) int64 {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || limit <= 0 || limit >= 1<<60 { // "max", or the huge number that v1 has instead
			return 0
		}
		return limit
	}
	return 0
}
