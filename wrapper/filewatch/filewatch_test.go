package filewatch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

// mount lays files out as the kubelet does: files in a dated folder, the link ..data to the folder, and links with the files' names
// through ..data. update replaces ..data with one rename.
type mount struct {
	t   *testing.T
	dir string
	n   int
}

func newMount(t *testing.T, files map[string]string) *mount {
	m := &mount{t: t, dir: t.TempDir()}
	m.update(files)
	for name := range files {
		if err := os.Symlink(filepath.Join("..data", name), filepath.Join(m.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m *mount) update(files map[string]string) {
	m.t.Helper()
	m.n++
	dated := filepath.Join(m.dir, "..v"+strings.Repeat("i", m.n))
	for _, err := range []error{os.Mkdir(dated, 0o755), os.Symlink(filepath.Base(dated), filepath.Join(m.dir, "..tmp"))} {
		if err != nil {
			m.t.Fatal(err)
		}
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dated, name), []byte(content), 0o600); err != nil {
			m.t.Fatal(err)
		}
	}
	if err := os.Rename(filepath.Join(m.dir, "..tmp"), filepath.Join(m.dir, "..data")); err != nil {
		m.t.Fatal(err)
	}
}

func (m *mount) path(name string) string { return filepath.Join(m.dir, name) }

func join(contents [][]byte) (string, error) {
	all := bytes.Join(contents, []byte("+"))
	if bytes.Contains(all, []byte("bad")) {
		return "", errors.New("contains invalid content")
	}
	return string(all), nil
}

func TestGetFailsBeforeTheFirstValidContent(t *testing.T) {
	g := NewWithT(t)
	s := New("jwks", join, filepath.Join(t.TempDir(), "absent"))
	_, err := s.Get()
	g.Expect(err).To(MatchError(ErrNotLoaded))

	changed, err := s.Reload()
	g.Expect(err).To(MatchError(ContainSubstring("no such file")))
	g.Expect(changed).To(BeTrue())
	_, err = s.Get()
	g.Expect(err).To(MatchError(ContainSubstring("no such file")), "the error is that of the last Reload")
}

func TestAReplacedLinkIsDetected(t *testing.T) {
	g := NewWithT(t)
	m := newMount(t, map[string]string{"key": "one"})
	s := New("key", join, m.path("key"))

	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Reload()).To(BeFalse(), "the same content is no change")
	m.update(map[string]string{"key": "two"})
	g.Expect(s.Get()).To(Equal("one"), "a change waits for the next Reload")
	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Get()).To(Equal("two"))
}

func TestABadFileKeepsTheLastGoodOne(t *testing.T) {
	g := NewWithT(t)
	m := newMount(t, map[string]string{"key": "good"})
	s := New("key", join, m.path("key"))
	g.Expect(s.Reload()).To(BeTrue())

	m.update(map[string]string{"key": "bad secret-value"})
	changed, err := s.Reload()
	g.Expect(changed).To(BeTrue())
	g.Expect(err).To(MatchError(And(ContainSubstring("key"), Not(ContainSubstring("secret-value")))))
	g.Expect(s.Get()).To(Equal("good"))

	changed, err = s.Reload()
	g.Expect(changed).To(BeFalse(), "the same bad content is reported once")
	g.Expect(err).To(HaveOccurred(), "it is still invalid")

	m.update(map[string]string{"key": "good"})
	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Get()).To(Equal("good"))
}

func TestAFileThatVanishesKeepsTheLastGoodOne(t *testing.T) {
	g := NewWithT(t)
	m := newMount(t, map[string]string{"key": "good"})
	s := New("key", join, m.path("key"))
	g.Expect(s.Reload()).To(BeTrue())
	m.update(nil)
	_, err := s.Reload()
	g.Expect(err).To(HaveOccurred())
	g.Expect(s.Get()).To(Equal("good"))
}

func TestFilesThatBelongTogetherAreReadTogether(t *testing.T) {
	g := NewWithT(t)
	m := newMount(t, map[string]string{"tls.crt": "c1", "tls.key": "k1"})
	s := New("tls", join, m.path("tls.crt"), m.path("tls.key"))
	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Get()).To(Equal("c1+k1"))
	m.update(map[string]string{"tls.crt": "c1", "tls.key": "k2"})
	g.Expect(s.Reload()).To(BeTrue())
	g.Expect(s.Get()).To(Equal("c1+k2"))
}

func TestAnOversizedFileIsRefused(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "huge")
	g.Expect(os.WriteFile(path, make([]byte, MaxBytes+1), 0o600)).To(Succeed())
	_, err := New("huge", join, path).Reload()
	g.Expect(err).To(MatchError(ContainSubstring("larger than 1048576 bytes")))
}

func TestTextDropsTheFinalLineBreakAndBoundsTheLength(t *testing.T) {
	for _, c := range []struct{ name, content, want, refused string }{
		{"plain", "0123456789", "0123456789", ""},
		{"final line break", "0123456789\r\n", "0123456789", ""},
		{"inner line break is kept", "01234\n56789", "01234\n56789", ""},
		{"too short", "01234\n", "", "holds 5 bytes: write 8 to 16"},
		{"too long", strings.Repeat("x", 17), "", "holds 17 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			got, err := Text(8, 16)([][]byte{[]byte(c.content)})
			if c.refused != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.refused)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got)).To(Equal(c.want))
		})
	}
}

func TestTheWatcherReportsByLogAndMetric(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewWithT(t)
		m := newMount(t, map[string]string{"jwks.json": "good"})
		s := New("jwks", join, m.path("jwks.json"))
		var log bytes.Buffer
		reg := prometheus.NewPedanticRegistry()
		w := NewWatcher(slog.New(slog.NewJSONHandler(&log, nil)), reg, s)
		w.Reload()

		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.Run(ctx, Interval)
		m.update(map[string]string{"jwks.json": "bad"})
		time.Sleep(10 * Interval) // the clock of synctest
		synctest.Wait()

		g.Expect(s.Get()).To(Equal("good"))
		g.Expect(strings.Count(log.String(), "the content is invalid")).To(Equal(1), "one line for each invalid content")
		g.Expect(testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP openim_wrapper_file_good 1 when the content of the mounted file is in force, 0 when it is invalid or unreadable.
# TYPE openim_wrapper_file_good gauge
openim_wrapper_file_good{file="jwks"} 0
# HELP openim_wrapper_file_reloads_total Changes of a mounted file, by result: taken or refused.
# TYPE openim_wrapper_file_reloads_total counter
openim_wrapper_file_reloads_total{file="jwks",result="refused"} 1
openim_wrapper_file_reloads_total{file="jwks",result="taken"} 1
`))).To(Succeed())
	})
}
