package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
)

// filled returns a registry with one metric of each kind that the project uses, and one that is not the project's.
func filled() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(
		prometheus.NewCounter(prometheus.CounterOpts{Name: "openim_a_total", Help: "A {b: \"c\"}, d."}),
		prometheus.NewCounterVec(prometheus.CounterOpts{Name: "openim_b_bytes_total", Help: "B|c."}, []string{"x", "y"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "openim_c_info", Help: "C.", ConstLabels: prometheus.Labels{"role": `},{"`, "go": "1"}}),
		prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "openim_d_timestamp_seconds", Help: "D."}, []string{"x"}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "openim_e", Help: "E."}, func() float64 { return 1 }),
		prometheus.NewHistogram(prometheus.HistogramOpts{Name: "openim_f_seconds", Help: "F."}),
		prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "openim_g_seconds", Help: "G."}, []string{"x"}),
		prometheus.NewGauge(prometheus.GaugeOpts{Name: "go_goroutines", Help: "Of a library."}),
	)
	return r
}

func TestTheRowsAreThoseOfTheRegisteredCollectors(t *testing.T) {
	g := NewWithT(t)
	all, err := of("gateway", filled())
	g.Expect(err).NotTo(HaveOccurred())
	all, err = sorted(all)
	g.Expect(err).NotTo(HaveOccurred())
	text, err := page(nil, all)
	g.Expect(err).NotTo(HaveOccurred())
	_, rows, _ := strings.Cut(text, "## Wrapper")
	_, rows, _ = strings.Cut(rows, "|---|---|---|---|---|---|\n")
	g.Expect(rows).To(Equal("| `openim_a_total` | counter |  | 1 | gateway | A {b: \"c\"}, d. |\n" +
		"| `openim_b_bytes_total` | counter | `x`, `y` | bytes | gateway | B\\|c. |\n" +
		"| `openim_c_info` | gauge | `go`, `role` | 1 | gateway | C. |\n" +
		"| `openim_d_timestamp_seconds` | gauge | `x` | Unix time in seconds | gateway | D. |\n" +
		"| `openim_e` | gauge |  | 1 | gateway | E. |\n" +
		"| `openim_f_seconds` | histogram |  | seconds | gateway | F. |\n" +
		"| `openim_g_seconds` | histogram | `x` | seconds | gateway | G. |\n"))
}

func TestAMetricThatSaysTooLittleIsAnError(t *testing.T) {
	for name, m := range map[string]struct {
		metric metric
		says   string
	}{
		"no help":            {metric{name: "openim_a", kind: kindGauge}, "write in Help what the value means"},
		"half a sentence":    {metric{name: "openim_a", kind: kindGauge, help: "Things"}, "with a full stop"},
		"no type":            {metric{name: "openim_a", help: "Things."}, "has no type"},
		"a counter by gauge": {metric{name: "openim_a", kind: kindCounter, help: "Things."}, "end with _total"},
		"a gauge by counter": {metric{name: "openim_a_total", kind: kindGauge, help: "Things."}, "end with _total"},
	} {
		_, err := page([]metric{m.metric}, nil)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring(m.says)), name)
	}
	_, err := page([]metric{{name: "openim_a", kind: kindGauge, help: "Things."}}, nil)
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "after the refusals a good one is taken")
}

func TestBothRolesDescribeAMetricAlike(t *testing.T) {
	g := NewWithT(t)
	one := metric{name: "openim_a", kind: kindGauge, help: "A.", labels: []string{"x"}, servers: []string{"gateway"}}
	other := one
	other.servers = []string{"backend"}
	merged, err := sorted([]metric{one, other})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(merged).To(HaveLen(1))
	g.Expect(merged[0].servers).To(Equal([]string{"gateway", "backend"}))
	other.help = "B."
	_, err = sorted([]metric{one, other})
	g.Expect(err).To(MatchError(ContainSubstring("differs between gateway and backend")))
}

func TestAnUnknownFormOfADescriptionIsAnError(t *testing.T) {
	for _, text := range []string{"", "Desc{}", `Desc{fqName: "a", help: "b"}`, `Desc{fqName: a, help: "b", constLabels: {}, variableLabels: {}}`,
		`Desc{fqName: "a", help: "b", constLabels: {x=1}, variableLabels: {}}`} {
		_, err := parse(text)
		NewWithT(t).Expect(err).To(MatchError(ContainSubstring("reading the description")), text)
	}
}

// Every metric of the programs has a row, and the page is current.
func TestThePageIsThatOfThePrograms(t *testing.T) {
	g := NewWithT(t)
	current := filepath.Join("..", "..", "docs", "reference", "metrics.md")
	before, err := os.ReadFile(current)
	g.Expect(err).NotTo(HaveOccurred())
	file := filepath.Join(t.TempDir(), "metrics.md")
	g.Expect(os.WriteFile(file, before, 0o600)).To(Succeed())
	g.Expect(run(file)).To(Succeed())
	g.Expect(run(file)).To(Succeed(), "the generator leaves no collector behind")
	g.Expect(os.ReadFile(file)).To(BeEquivalentTo(before), "run `make generate`")
}
