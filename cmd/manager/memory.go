package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
)

const (
	// memoryLimitVariable holds the container's memory limit in bytes, as the downward API writes it (resourceFieldRef, limits.memory).
	memoryLimitVariable = "OPERATOR_MEMORY_LIMIT"
	// memoryShare is the part of the limit, in percent, that Go may use before it collects garbage without pause. The rest is for what Go does
	// not count: pages of the program, which the kernel drops when it needs them, and buffers of the kernel.
	memoryShare = 90
)

// limitMemory makes the garbage collector work harder as the container's limit comes near, instead of letting the kernel end the process.
// A limit that the user set for Go itself (GOMEMLIMIT) stays.
func limitMemory(value string) error {
	if value == "" || os.Getenv("GOMEMLIMIT") != "" {
		return nil
	}
	limit, err := strconv.ParseInt(value, 10, 64)
	if err != nil || limit <= 0 {
		return fmt.Errorf("$%s is %q: write a number of bytes, or nothing", memoryLimitVariable, value)
	}
	debug.SetMemoryLimit(limit / 100 * memoryShare)
	return nil
}
