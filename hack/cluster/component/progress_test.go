package component

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

func TestAHeartbeatSaysWhatIsBuiltHowFarItIsAndForHowLong(t *testing.T) {
	g := NewWithT(t)
	var out bytes.Buffer
	p := newProgress(&out, "[2/4] kubernetes")
	defer p.stop()

	p.doing("fetching its modules")
	g.Expect(p.line()).To(Equal("[2/4] kubernetes: fetching its modules, 0s"))
	p.note("go: downloading k8s.io/api v0.36.3")
	p.note("go: downloading k8s.io/client-go v0.36.3")
	g.Expect(p.line()).To(ContainSubstring("2 modules fetched"))
	g.Expect(p.line()).To(HaveSuffix("latest k8s.io/client-go v0.36.3"))

	p.expect(2)
	p.note("k8s.io/api/core/v1")
	p.note("# k8s.io/api/core/v1")
	p.note("core.go:12:3: undefined: x")
	g.Expect(p.line()).To(ContainSubstring("1 of 2 packages compiled"), "only names of packages count")
	p.note("k8s.io/kubernetes/cmd/kubelet")
	g.Expect(p.line()).To(ContainSubstring("all 2 packages compiled, linking"))

	p.expect(0)
	g.Expect(p.line()).To(ContainSubstring("2 packages compiled"), "without a total it still counts")
	g.Expect(p.expected()).To(ContainSubstring("unknown"))
}

func TestTheEndOfTheCompilersWordsIsShownWithoutPackagesThatWentWell(t *testing.T) {
	g := NewWithT(t)
	g.Expect(tail("go: downloading a v1\nexample.com/a/b\n# example.com/m\n./main.go:3:2: undefined: x\n")).
		To(Equal("  # example.com/m\n  ./main.go:3:2: undefined: x"))

	var long strings.Builder
	for i := range 100 {
		fmt.Fprintf(&long, "error number %d\n", i)
	}
	lines := strings.Split(tail(long.String()), "\n")
	g.Expect(lines).To(HaveLen(tailLines))
	g.Expect(lines[tailLines-1]).To(Equal("  error number 99"))
}
