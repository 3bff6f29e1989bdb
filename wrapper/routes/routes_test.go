package routes

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestEveryRowIsComplete(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Table {
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			g.Expect(seen[r.Path]).To(BeFalse(), "a path has one row")
			seen[r.Path] = true
			g.Expect(r.Path).To(Or(MatchRegexp(`^(/[a-zA-Z_]+)+$`), Equal(objectRoute.Path)),
				"no path needs escaping, so that none can be written in two ways")
			g.Expect(r.Why).NotTo(BeEmpty())
			if r.Audience == Nobody {
				g.Expect(r.Limit.Name+string(r.Audit)).To(BeEmpty(), "a route without callers has no limits")
				return
			}
			g.Expect([]Audience{Admin, User, UserAndAdmin}).To(ContainElement(r.Audience))
			g.Expect(slices.Contains(Limits, r.Limit)).To(BeTrue())
			g.Expect([]Audit{AuditRead, AuditPrivate, AuditWrite}).To(ContainElement(r.Audit))
			g.Expect(r.Repeatable || r.Audit == AuditWrite).To(BeTrue(), "reading calls may be repeated")
			for _, field := range r.Users {
				g.Expect(field).To(MatchRegexp(`^[a-zA-Z]+[12]?(\[\])?(\.[a-zA-Z]+)*$`))
			}
			if r.Path == objectRoute.Path {
				g.Expect(r.Audience).To(Equal(User))
				return
			}
			g.Expect(r.Method).To(Equal(http.MethodPost), "OpenIM checks tokens on POST alone")
			g.Expect(r.Body).To(And(BeNumerically(">", 0), BeNumerically("<=", MaxBody)))
			g.Expect(r.ForAdmins() || len(r.Users) == 0).To(BeTrue(), "Users are an administrator's")
			g.Expect(r.ForUsers()).To(Equal(r.Example != ""))
			g.Expect(r.ForUsers() || len(r.Identity) == 0).To(BeTrue(), "only users' routes have rules")
			g.Expect(!r.ForUsers() || shapes[r.Upstream()] != nil).To(BeTrue(), "a user's body has a known shape")
		})
	}
}

// TestWhatMustNeverBeReached lists routes that would disclose secrets. A row that permits one of them fails here and needs a review.
func TestWhatMustNeverBeReached(t *testing.T) {
	for _, path := range []string{
		"/auth/get_admin_token", "/auth/get_user_token", "/auth/parse_token", "/user/get_users_online_token_detail",
		"/config/get_config", "/config/set_config", "/config/reset_config", "/config/get_config_list", "/config/set_enable_config_manager",
		"/restart", "/third/prometheus", "/prometheus_discovery/api", "/prometheus_discovery/msg_gateway", "/object/x", "/object/auth_sign",
		"/object/complete_form_data", "/msg/delete_msg_phsical_by_seq", "/msg/delete_msg_physical", "/msg/delete_msgs",
		"/conversation/set_conversations",
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			for _, method := range []string{"GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "post", ""} {
				g.Expect(Permit(http.Header{}, Find(path), method, true)).NotTo(BeNil(), method)
			}
		})
	}
}

func TestPermit(t *testing.T) {
	register := Find("/user/user_register")
	for _, c := range []struct {
		name   string
		route  *Route
		method string
		admin  bool
		want   *wire.Failure
	}{
		{"an administrator posts", register, "POST", true, nil},
		{"an administrator gets", register, "GET", true, &wire.WrongMethod},
		{"an administrator posts in small letters", register, "post", true, &wire.WrongMethod},
		{"no role", register, "POST", false, &wire.Forbidden},
		{"no route", nil, "POST", true, &wire.UnknownRoute},
		{"no route and no role: the table is not told", nil, "POST", false, &wire.Forbidden},
		{"nobody's route and no role", Find("/auth/get_user_token"), "POST", false, &wire.Forbidden},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			h := http.Header{}
			g.Expect(Permit(h, c.route, c.method, c.admin)).To(Equal(c.want))
			if c.want == &wire.WrongMethod {
				g.Expect(h.Get("Allow")).To(Equal("POST"))
			}
		})
	}
	refused := Permit(http.Header{}, Find("/auth/get_user_token"), "POST", true)
	NewWithT(t).Expect(refused.Text).To(ContainSubstring("OpenIM token, which never leaves the cluster"), "the reason is told")
}

// tricks change a path into one that another program could read as the same.
var tricks = map[string]func(string) string{
	"doubled slash":        func(p string) string { return strings.Replace(p, "/user/", "/user//", 1) },
	"slash before":         func(p string) string { return "/" + p },
	"trailing slash":       func(p string) string { return p + "/" },
	"trailing dot":         func(p string) string { return p + "." },
	"escaped slash":        func(p string) string { return strings.Replace(p, "/user/", "/user%2f", 1) },
	"escaped slash, big":   func(p string) string { return strings.Replace(p, "/user/", "/user%2F", 1) },
	"escaped twice":        func(p string) string { return strings.Replace(p, "/user/", "/user%252f", 1) },
	"escaped letter":       func(p string) string { return strings.Replace(p, "user_r", "%75ser_r", 1) },
	"backslash":            func(p string) string { return strings.Replace(p, "/user/", `/user\`, 1) },
	"dot segment":          func(p string) string { return strings.Replace(p, "/user/", "/./user/", 1) },
	"dot dot segment":      func(p string) string { return "/auth/.." + p },
	"dot dot with a ;":     func(p string) string { return "/auth/..;" + p },
	"escaped dot dot":      func(p string) string { return "/auth/%2e%2e" + p },
	"parameter":            func(p string) string { return p + ";x=1" },
	"query":                func(p string) string { return p + "?x=1" },
	"empty query":          func(p string) string { return p + "?" },
	"fragment":             func(p string) string { return p + "#x" },
	"capitals":             strings.ToUpper,
	"one capital":          func(p string) string { return strings.Replace(p, "register", "Register", 1) },
	"null byte":            func(p string) string { return p + "%00" },
	"raw null byte":        func(p string) string { return p + "\x00" },
	"blank":                func(p string) string { return p + "%20" },
	"plus":                 func(p string) string { return p + "+" },
	"overlong slash":       func(p string) string { return strings.Replace(p, "/user/", "/user%c0%af", 1) },
	"full-width letter":    func(p string) string { return strings.Replace(p, "u", "ｕ", 1) },
	"absolute form":        func(p string) string { return "http://openim:10002" + p },
	"another host":         func(p string) string { return "//evil.example" + p },
	"extension":            func(p string) string { return p + ".json" },
	"cut short":            func(p string) string { return p[:len(p)-1] },
	"without first slash":  func(p string) string { return p[1:] },
	"prefix of the prefix": func(p string) string { return p + "/../../" },
}

func TestPathTricksFindNothing(t *testing.T) {
	const path = "/user/user_register"
	g := NewWithT(t)
	g.Expect(FindRequest(wire.AdminPrefix+path, wire.AdminPrefix)).NotTo(BeNil())
	for name, trick := range tricks {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			changed := trick(path)
			g.Expect(changed).NotTo(Equal(path))
			g.Expect(FindRequest(wire.AdminPrefix+changed, wire.AdminPrefix)).To(BeNil(), changed)
			g.Expect(FindRequest(trick(wire.AdminPrefix+path), wire.AdminPrefix)).To(BeNil())
		})
	}
	for _, target := range []string{"", "/", "*", wire.AdminPrefix, wire.AdminPrefix + "/", path, "/admin/v2" + path, "/admin" + path} {
		g.Expect(FindRequest(target, wire.AdminPrefix)).To(BeNil(), target)
	}
}

func TestUsersNamedByABody(t *testing.T) {
	long := strings.Repeat("u", 128)
	for _, c := range []struct {
		name, path, body string
		users            []string
		total            int
		says             string
	}{
		{"one field", "/auth/force_logout", `{"userID":"alice","platformID":1}`, []string{"alice"}, 1, ""},
		{"a field inside an object", "/user/update_user_info_ex", `{"userInfo":{"userID":"alice"}}`, []string{"alice"}, 1, ""},
		{"a list", "/user/get_users_info", `{"userIDs":["alice","bob"]}`, []string{"alice", "bob"}, 2, ""},
		{"a field of the objects in a list", "/user/user_register", `{"users":[{"userID":"alice"},{"userID":"bob"}]}`,
			[]string{"alice", "bob"}, 2, ""},
		{"several fields", "/msg/send_msg", `{"sendID":"alice","recvID":"bob"}`, []string{"alice", "bob"}, 2, ""},
		{"another case, as OpenIM would take it", "/auth/force_logout", `{"USERID":"alice"}`, []string{"alice"}, 1, ""},
		{"missing", "/auth/force_logout", `{}`, nil, 0, ""},
		{"null", "/auth/force_logout", `{"userID":null}`, nil, 0, ""},
		{"empty, as protobuf has it for missing", "/msg/search_msg", `{"sendID":"","recvID":"bob"}`, []string{"bob"}, 1, ""},
		{"the longest", "/auth/force_logout", `{"userID":"` + long + `"}`, []string{long}, 1, ""},
		{"more than are reported", "/user/get_users_info", `{"userIDs":["1","2","3","4","5","6","7","8","9","10"]}`,
			[]string{"1", "2", "3", "4", "5", "6", "7", "8"}, 10, ""},
		{"no users in the route", "/msg/get_server_time", `{"userID":"alice"}`, nil, 0, ""},

		{"twice in different spellings", "/auth/force_logout", `{"userID":"alice","userid":"bob"}`, nil, 0, "different spellings"},
		{"twice, once with the long s", "/user/user_register", "{\"users\":[],\"u\u017fers\":[]}", nil, 0, "different spellings"},
		{"a number", "/auth/force_logout", `{"userID":7}`, nil, 0, "userID must be a text"},
		{"a list for a text", "/auth/force_logout", `{"userID":["alice"]}`, nil, 0, "userID must be a text"},
		{"a text for a list", "/user/get_users_info", `{"userIDs":"alice"}`, nil, 0, "userIDs must be a list"},
		{"a text for an object", "/user/update_user_info_ex", `{"userInfo":"alice"}`, nil, 0, "must be in an object"},
		{"too long", "/auth/force_logout", `{"userID":"` + long + `u"}`, nil, 0, "at most 128 bytes"},
		{"a line break", "/auth/force_logout", `{"userID":"alice\nverdict=allowed"}`, nil, 0, "no control characters"},
		{"half a surrogate pair", "/auth/force_logout", `{"userID":"\ud800"}`, nil, 0, "no control characters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			body, err := wire.DecodeObject([]byte(c.body))
			g.Expect(err).NotTo(HaveOccurred())
			users, total, err := Find(c.path).ActsOn(body)
			if c.says != "" {
				g.Expect(err).To(MatchError(ContainSubstring(c.says)))
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(users).To(Equal(c.users))
			g.Expect(total).To(Equal(c.total))
		})
	}
}

func TestDeadlinesAreBelowTheLongest(t *testing.T) {
	g := NewWithT(t)
	for _, l := range Limits {
		g.Expect(l.Deadline).To(BeNumerically("<=", MaxDeadline()))
		g.Expect(l.InFlight).To(BeNumerically(">", 0))
	}
}

func TestTheDocumentedRoutesAreTheTable(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/routes.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(Equal(Docs()), `run "go generate ./wrapper/routes"`)
	rows := regexp.MustCompile("(?m)^\\| `[A-Z]+ ").FindAllString(string(page), -1)
	g.Expect(rows).To(HaveLen(count(User)+count(Admin)+count(Nobody)+len(OwnRoutes)), "every row is documented, once for each audience")
}

// FuzzUsers checks that no body makes ActsOn panic, or report more users than its limit.
func FuzzUsers(f *testing.F) {
	f.Add("/user/user_register", []byte(`{"users":[{"userID":"alice"},null,7]}`))
	f.Add("/msg/send_msg", []byte(`{"sendID":{},"recvID":[[]]}`))
	f.Fuzz(func(t *testing.T, path string, data []byte) {
		route := Find(path)
		var body map[string]any
		if route == nil || json.Unmarshal(data, &body) != nil {
			return
		}
		users, total, err := route.ActsOn(body)
		if len(users) > MaxUsersReported || total < len(users) || err != nil && users != nil {
			t.Fatalf("%d users, %d in all, %v", len(users), total, err)
		}
	})
}

// FuzzFind checks that only the table's own spelling of a path finds a route.
func FuzzFind(f *testing.F) {
	for _, trick := range tricks {
		f.Add(wire.AdminPrefix + trick("/user/user_register"))
	}
	f.Fuzz(func(t *testing.T, target string) {
		if r := FindRequest(target, wire.AdminPrefix); r != nil && wire.AdminPrefix+r.Path != target {
			t.Fatalf("%q finds %s", target, r.Path)
		}
	})
}
