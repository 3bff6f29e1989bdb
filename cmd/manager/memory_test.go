package main

import (
	"math"
	"runtime/debug"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheMemoryLimitFollowsTheContainers(t *testing.T) {
	g := NewWithT(t)
	before := debug.SetMemoryLimit(-1)
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	debug.SetMemoryLimit(math.MaxInt64)
	t.Setenv("GOMEMLIMIT", "")

	g.Expect(limitMemory("")).To(Succeed())
	g.Expect(debug.SetMemoryLimit(-1)).To(Equal(int64(math.MaxInt64)), "no container")
	for _, wrong := range []string{"256Mi", "0", "-1", "99999999999999999999"} {
		g.Expect(limitMemory(wrong)).To(MatchError(ContainSubstring("number of bytes")), wrong)
	}
	g.Expect(limitMemory("268435456")).To(Succeed())
	g.Expect(debug.SetMemoryLimit(-1)).To(BeNumerically("~", 268435456*9/10, 100))

	t.Setenv("GOMEMLIMIT", "1GiB")
	g.Expect(limitMemory("1000")).To(Succeed())
	g.Expect(debug.SetMemoryLimit(-1)).To(BeNumerically("~", 268435456*9/10, 100), "the user's own limit counts")
}
