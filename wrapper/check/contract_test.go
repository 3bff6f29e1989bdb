package check_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/check"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/routes"
)

type secret string

func (s secret) Get() ([]byte, error) { return []byte(s), nil }

func client(t *testing.T, url, share string) *openimclient.Client {
	t.Helper()
	c := openimclient.New(openimclient.Options{BaseURL: url, AdminUserID: openimtest.AdminUserID, Secret: secret(share), Now: time.Now})
	t.Cleanup(c.Close)
	return c
}

func release(t *testing.T, tag string) routes.Release {
	t.Helper()
	r, err := routes.ParseRelease(tag)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return r
}

func problems(findings []check.Finding) []check.Finding {
	return slices.DeleteFunc(slices.Clone(findings), func(f check.Finding) bool { return f.Problem == "" })
}

func TestAnOpenIMThatKeepsTheContract(t *testing.T) {
	g := NewWithT(t)
	fake := openimtest.New(t)
	findings := check.Contract(t.Context(), client(t, fake.URL, openimtest.Secret), release(t, "v3.8.3"))
	g.Expect(problems(findings)).To(BeEmpty())
	g.Expect(findings).To(HaveLen(3 + len(check.Paths(release(t, "v3.8.3")))))
	for _, call := range fake.All() {
		if !strings.HasPrefix(call.Path, "/auth/") {
			g.Expect(call.Body).To(Equal("{"), "%s: nothing may be executed", call.Path)
		}
		g.Expect(call.Method).To(Equal(http.MethodPost))
	}
}

// Each case is an answer of one path, and what is found.
func TestWhatBreaksTheContract(t *testing.T) {
	const path = "/user/user_register"
	for name, c := range map[string]struct {
		answer  func(http.ResponseWriter)
		problem string
	}{
		"a route that is gone": {func(w http.ResponseWriter) { http.NotFound(w, nil) }, "does not exist"},
		"no envelope":          {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"ok":true}`)) }, "not in its format"},
		"another code":         {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"errCode":0,"errMsg":"","errDlt":""}`)) }, "errCode 0"},
		"a status":             {func(w http.ResponseWriter) { w.WriteHeader(http.StatusBadGateway) }, "HTTP status 502"},
		"no process":           {func(w http.ResponseWriter) { _, _ = w.Write([]byte(`{"errCode":14,"errMsg":"","errDlt":""}`)) }, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			fake := openimtest.New(t)
			fake.Set(func(f *openimtest.Fake) {
				f.Before = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != path {
						return false
					}
					c.answer(w)
					return true
				}
			})
			found := problems(check.Contract(t.Context(), client(t, fake.URL, openimtest.Secret), release(t, "v3.8.3")))
			g.Expect(found).To(HaveLen(1))
			g.Expect(found[0].Name).To(Equal(path))
			g.Expect(found[0].Problem).To(ContainSubstring(c.problem))
		})
	}
}

// Some routes of OpenIM answer a body that is no JSON with status 400 and an envelope behind it.
func TestAStatusOfBadRequestIsARefusal(t *testing.T) {
	g := NewWithT(t)
	fake := openimtest.New(t)
	fake.Set(func(f *openimtest.Fake) {
		f.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Path != "/msg/send_msg" {
				return false
			}
			w.WriteHeader(http.StatusBadRequest)
			return true
		}
	})
	g.Expect(problems(check.Contract(t.Context(), client(t, fake.URL, openimtest.Secret), release(t, "v3.8.3")))).To(BeEmpty())
}

func TestATokenThatIsNotRefused(t *testing.T) {
	g := NewWithT(t)
	fake := openimtest.New(t)
	fake.Set(func(f *openimtest.Fake) { f.Valid["no-token"] = true })
	found := problems(check.Contract(t.Context(), client(t, fake.URL, openimtest.Secret), release(t, "v3.8.3")))
	g.Expect(found).To(HaveLen(1))
	g.Expect(found[0].Name).To(Equal("refused token 1"))
	g.Expect(found[0].Problem).To(ContainSubstring("errCode 1001, not 1501 to 1507"))
}

func TestWithoutATokenNothingElseIsAsked(t *testing.T) {
	g := NewWithT(t)
	fake := openimtest.New(t)
	findings := check.Contract(t.Context(), client(t, fake.URL, "wrong-secret"), release(t, "v3.8.3"))
	g.Expect(findings).To(HaveLen(1))
	g.Expect(findings[0].Problem).To(ContainSubstring("compare share.secret"))
	g.Expect(findings[0].Problem).NotTo(ContainSubstring("wrong-secret"))
	for _, call := range fake.All() {
		g.Expect(call.Path).To(Equal("/auth/get_admin_token"))
	}
}

// A route of a later release is not asked of an earlier one.
func TestPathsFollowTheRelease(t *testing.T) {
	g := NewWithT(t)
	early, late := check.Paths(release(t, "v3.8.3")), check.Paths(release(t, "v3.8.3-patch.16"))
	g.Expect(late).To(ContainElements(early))
	g.Expect(len(late)).To(BeNumerically(">", len(early)))
	g.Expect(early).To(ContainElements("/user/user_register", "/msg/send_msg", "/auth/parse_token"))
	g.Expect(slices.IsSorted(early)).To(BeTrue())
}
