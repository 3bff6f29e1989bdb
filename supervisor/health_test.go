package supervisor

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"
)

func TestProbes(t *testing.T) {
	g := NewWithT(t)
	now := begin
	h := newHealth(30*time.Second, func() time.Time { return now })
	answer := func(method, path string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(method, path, nil))
		return w
	}
	g.Expect(answer("GET", "/readyz").Code).To(Equal(http.StatusServiceUnavailable), "at first")
	h.latest.Store(&report{turned: now, unmet: []string{keyAbsent}, registers: true})
	g.Expect(answer("GET", "/readyz").Body.String()).To(Equal(keyAbsent + "\n"))
	g.Expect(answer("GET", "/livez").Code).To(Equal(http.StatusOK), "a restart would not help")
	g.Expect(answer("GET", "/metrics").Body.String()).To(And(
		ContainSubstring("\nopenim_supervisor_ready 0\n"), ContainSubstring("\nopenim_supervisor_registered 0\n")))

	h.latest.Store(&report{turned: now, registered: true, registers: true, heard: true, restored: 3})
	g.Expect(answer("HEAD", "/readyz").Code).To(Equal(http.StatusOK))
	g.Expect(answer("GET", "/metrics").Body.String()).To(And(
		ContainSubstring("\nopenim_supervisor_ready 1\n"), ContainSubstring("\nopenim_supervisor_restored_total 3\n")))
	now = now.Add(31 * time.Second)
	g.Expect(answer("GET", "/livez").Code).To(Equal(http.StatusServiceUnavailable))
	h.latest.Store(&report{turned: now})
	g.Expect(answer("GET", "/livez").Code).To(Equal(http.StatusOK))
	g.Expect(answer("GET", "/metrics").Body.String()).NotTo(ContainSubstring("registered"), "not for a program that does not register")

	g.Expect(answer("POST", "/readyz").Code).To(Equal(http.StatusMethodNotAllowed))
	for _, path := range []string{"/", "/debug/pprof/", "/readyz/", "/../readyz"} {
		g.Expect(answer("GET", path).Code).To(Equal(http.StatusNotFound), path)
	}
}
