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

// A wrapper keeps a few megabytes and makes garbage by the kilobyte, request by request. Go's own rule, to clear up when the heap has
// doubled, would have it do so several times a second, and each time would cost some requests milliseconds. So it may leave some
// garbage lying, whatever it keeps; and with many open sockets, when it keeps hundreds of megabytes, a third as much as Go's rule allows:
// most of what it keeps then are buffers, which need not be looked through.
const (
	// garbageRoom is how much garbage may lie before it is cleared, in bytes.
	garbageRoom = 32 << 20
	// garbageShare is the least room, in percent of what is kept.
	garbageShare = 30
	// mostPercent bounds what is set while hardly anything is kept yet.
	mostPercent = 800
	// memoryLook is how often it is looked at.
	memoryLook = 5 * time.Second
)

// Files with the container's limit of memory: cgroup v2, and v1.
var cgroupLimits = []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"}

// KeepMemory sets the garbage collector by what is in use and by the container's limit of memory, until ctx ends. What the environment
// sets (GOGC, GOMEMLIMIT) it leaves alone.
func KeepMemory(ctx context.Context, log *slog.Logger) {
	limit := memoryLimit(cgroupLimits)
	if limit > 0 && os.Getenv("GOMEMLIMIT") == "" {
		// The rest is for what Go does not count: the program's own text, and buffers of the kernel.
		debug.SetMemoryLimit(limit / 10 * 9)
		log.Info("memory is bounded by the container's limit", "bytes", limit)
	}
	if os.Getenv("GOGC") != "" {
		return
	}
	tick := time.NewTicker(memoryLook)
	defer tick.Stop()
	percent := 0
	for {
		// To set it stops the world for a moment, so that it is done when it makes a difference.
		if next := gcPercent(kept(), limit); math.Abs(float64(next-percent)) > float64(percent)/4 {
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

// gcPercent is GOGC for what is kept and the container's limit, both in bytes; a limit of 0 is none.
func gcPercent(kept, limit int64) int {
	room := int64(garbageRoom)
	if limit > 0 {
		room = min(room, limit/8)
	}
	return int(min(max(room*100/max(kept, 1), garbageShare), mostPercent))
}

// kept is what GOGC is a percentage of: what the last collection found in use, and where it looked from.
func kept() int64 {
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

// memoryLimit reads the first of the files that there is; 0 is no limit.
func memoryLimit(files []string) int64 {
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
		if err != nil || limit <= 0 || limit >= 1<<60 { // "max", or v1's word for it
			return 0
		}
		return limit
	}
	return 0
}
