package gateway

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/websocket"
)

func TestTheDefaultLimitsStandInTheDocumentation(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/wrapper.md")
	g.Expect(err).NotTo(HaveOccurred())
	for _, b := range defaultLimits {
		g.Expect(string(page)).To(ContainSubstring(fmt.Sprintf("| %s | %s | %g | %d | %s |\n", b.name, b.appliesTo, b.PerSecond, b.Burst,
			strings.Join(b.By, ", "))))
	}
}

// TestEveryTablesClassHasALimit: a class without one would let nothing pass.
func TestEveryTablesClassHasALimit(t *testing.T) {
	g := NewWithT(t)
	used := map[string]bool{websocket.ClassMessage: true, websocket.ClassRead: true, websocket.ClassSocket: true, classRefused: true}
	for _, l := range routes.Limits {
		used[l.Name] = true
	}
	for _, r := range routes.OwnRoutes {
		used[r.Limit] = true
	}
	for name := range used {
		g.Expect(defaultClasses).To(HaveKey(name))
	}
	var p httpserver.Problems
	for name, class := range defaultClasses {
		class.Validate(&p, name)
		g.Expect(used).To(HaveKey(name), "a class that nobody spends")
	}
	g.Expect(p.Err()).NotTo(HaveOccurred())
}

func TestAChangeOfTheHotFileIsInForceAndABadOneIsNot(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "hot.yaml")
	write := func(text string) { g.Expect(os.WriteFile(path, []byte(text), 0o600)).To(Succeed()) }
	write(`{origins: ["https://a.example"], trustedProxies: ["10.1.2.3/8"]}`)
	source, defaults, err := hotSource(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(defaults.allows("https://a.example")).To(BeFalse())
	watcher := filewatch.NewWatcher(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), source)
	watcher.Reload()
	now, err := source.Get()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(now.allows("https://a.example")).To(BeTrue())
	g.Expect(now.proxies).To(Equal([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}))

	write(`{origins: ["https://b.example"]}`)
	watcher.Reload()
	now, err = source.Get()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(now.allows("https://a.example")).To(BeFalse())
	g.Expect(now.allows("https://b.example")).To(BeTrue())

	write(`{origins: ["b.example"]}`)
	watcher.Reload()
	now, err = source.Get()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(now.allows("https://b.example")).To(BeTrue(), "the last good one stays")
}
