package routes_test

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/routes/routestest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var (
	alice  = routestest.Identities{Self: "alice", Peer: "bob", Group: "4711"}
	victim = routestest.Identities{Self: "victor", Peer: "wanda", Group: "815"}
	caller = routes.Caller{UserID: alice.Self, PlatformID: 5, Tickets: routestest.Unsealed{}}
)

// lines returns the fields of the lines of a file in testdata, without its comments.
func lines(t *testing.T, file string) (out [][]string) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] != "#" {
			out = append(out, fields)
		}
	}
	return out
}

// sdkOnly lists paths of official SDKs that OpenIM does not have.
var sdkOnly = []string{"/conversation/get_conversations_has_read_and_max_seq"}

// TestTheTableHasAllOfOpenIMsRoutes compares the table with OpenIM's own routers, so that a new route of OpenIM needs a decision.
func TestTheTableHasAllOfOpenIMsRoutes(t *testing.T) {
	g := NewWithT(t)
	theirs := map[string]bool{}
	for _, row := range lines(t, "openim_routes.txt") {
		method, path, since := row[0], row[1], row[2]
		theirs[path] = true
		i := slices.IndexFunc(routes.Table, func(r routes.Route) bool { return r.Path == path })
		g.Expect(i).To(BeNumerically(">=", 0), path+" stands in no row")
		r := routes.Table[i]
		g.Expect(r.Method).To(Equal(method), path)
		if since == "later" {
			g.Expect(r.In(routes.LastRelease)).To(BeFalse(), path)
			g.Expect(r.Audience).To(Equal(routes.Nobody), path)
			continue
		}
		first, err := routes.ParseRelease(since)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r.Since).To(Equal(first), path)
	}
	g.Expect(theirs).To(HaveLen(154))
	for _, r := range routes.Table {
		g.Expect(theirs[r.Path]).NotTo(Equal(slices.Contains(sdkOnly, r.Path)), r.Path+" is no route of OpenIM's")
	}
}

func TestUsersMayCallWhatOfficialSDKsCall(t *testing.T) {
	for _, row := range lines(t, "sdk_paths.txt") {
		t.Run(row[0], func(t *testing.T) {
			NewWithT(t).Expect(routes.PermitUser(http.Header{}, routes.Find(row[0]), http.MethodPost)).To(BeNil())
		})
	}
}

// TestWhatUsersMayNeverCall lists routes for administrators' consoles, routes that send as any user, and routes that delete data.
func TestWhatUsersMayNeverCall(t *testing.T) {
	for _, path := range []string{
		"/msg/send_msg", "/msg/batch_send_msg", "/msg/send_business_notification", "/msg/send_simple_msg", "/msg/search_msg",
		"/msg/delete_msg_phsical_by_seq", "/msg/delete_msg_physical", "/msg/check_msg_is_send_success",
		"/user/get_users", "/user/get_all_users_uid", "/user/user_register", "/user/account_check", "/user/get_users_online_status",
		"/user/get_users_online_token_detail", "/user/add_notification_account", "/user/update_notification_account",
		"/user/search_notification_account", "/group/get_groups", "/friend/import_friend",
		"/conversation/get_conversation_offline_push_user_ids",
		"/statistics/user/register", "/statistics/user/active", "/statistics/group/create", "/statistics/group/active",
		"/third/logs/search", "/third/logs/delete", "/third/prometheus", "/auth/get_admin_token", "/auth/get_user_token",
		"/auth/parse_token",
		"/auth/force_logout", "/config/get_config", "/restart", "/prometheus_discovery/api", "/object/*name",
		"/user/get_user_client_config",
	} {
		t.Run(path, func(t *testing.T) {
			g := NewWithT(t)
			for _, method := range []string{"GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", ""} {
				g.Expect(routes.PermitUser(http.Header{}, routes.Find(path), method)).NotTo(BeNil(), method)
			}
		})
	}
}

func TestPermitUser(t *testing.T) {
	for _, c := range []struct {
		name, path, method string
		status             int
		says               string
	}{
		{"a user's route", "/user/get_users_info", "POST", 0, ""},
		{"by GET", "/user/get_users_info", "GET", 405, "another method"},
		{"no route", "/user/nothing", "POST", 404, "no such route"},
		{"an administrator's", "/msg/search_msg", "POST", 403, "called by administrators only: search everybody's messages"},
		{"nobody's", "/auth/parse_token", "POST", 403, "without a login"},
		{"a later release's", "/user/get_user_client_config", "POST", 501, "release has no such route"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			failure := routes.PermitUser(http.Header{}, routes.Find(c.path), c.method)
			if c.status == 0 {
				g.Expect(failure).To(BeNil())
				return
			}
			g.Expect(failure.Status).To(Equal(c.status))
			g.Expect(failure.Text).To(ContainSubstring(c.says))
		})
	}
}

// identityLike matches names of fields that identify users, groups, conversations or objects.
var identityLike = regexp.MustCompile(`(?i)user|owner|account|inviter|sender|sendid|recvid|groupid|conversationid|uploadid|urlprefix|platform|manger|manager|rolelevel|creator|seqranges|minseq|maxseq|synother`)

// notIdentity lists fields that match identityLike and identify nothing.
var notIdentity = map[string]bool{
	"members[].roleLevel": true, // OpenIM compares it with the caller's role, once the list has one element
}

// TestNoIdentityFieldIsForgotten checks every field of the bodies of users' routes in OpenIM's protocol.
func TestNoIdentityFieldIsForgotten(t *testing.T) {
	for _, r := range routes.Table {
		if !r.ForUsers() {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			ruled := map[string]bool{}
			for _, i := range r.Identity {
				ruled[i.Field], ruled[i.With] = true, true
			}
			for _, field := range routes.Fields(r) {
				if last := field[strings.LastIndex(field, ".")+1:]; identityLike.MatchString(last) && !notIdentity[field] {
					g.Expect(ruled[field]).To(BeTrue(), field+" has no rule")
				}
			}
			for field := range ruled {
				if field != "" && field != "members[]" && field != "seqRanges[]" {
					g.Expect(routes.Fields(r)).To(ContainElement(field), "the rule's field exists in OpenIM's protocol")
				}
			}
		})
	}
}

func TestEveryExampleIsValid(t *testing.T) {
	for i := range routes.Table {
		r := &routes.Table[i]
		if !r.ForUsers() || r.Method == http.MethodGet {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			g := NewWithT(t)
			body := alice.Body(r)
			changed, _, refusal := r.Enforce(caller, body)
			g.Expect(refusal).To(BeNil())
			g.Expect(changed).To(BeEquivalentTo(body), "a valid body is passed on unchanged")
		})
	}
}

func TestTheGatewaysOwnRoutes(t *testing.T) {
	g := NewWithT(t)
	seen := map[string]bool{}
	for _, r := range routes.OwnRoutes {
		g.Expect(seen[r.Path]).To(BeFalse(), r.Path)
		seen[r.Path] = true
		g.Expect(routes.FindOwn(r.Listener, r.Path)).To(HaveField("Path", r.Path))
		other := map[routes.Listener]routes.Listener{routes.Users: routes.Admins, routes.Admins: routes.Users}[r.Listener]
		g.Expect(routes.FindOwn(other, r.Path)).To(BeNil(), "not on the other listener")
		g.Expect(routes.FindOwn(r.Listener, r.Path+"/")).To(BeNil())
		g.Expect(routes.FindOwn(r.Listener, strings.ToUpper(r.Path))).To(BeNil())
		g.Expect(routes.FindOwn(r.Listener, r.Path+"?a=b") != nil).To(Equal(r.Path == wire.SocketPath), "only the WebSocket accepts a query")
		g.Expect(r.Why).NotTo(BeEmpty())
		if r.Method == http.MethodPost {
			g.Expect(r.Body).To(BeNumerically(">", 0))
		} else {
			g.Expect(r.Body).To(BeZero())
		}
		g.Expect(r.Session && r.Listener == routes.Admins).To(BeFalse())
		g.Expect([]string{routes.LimitLogin, routes.LimitSelf, routes.LimitAdmin, routes.LimitSocket}).To(ContainElement(r.Limit))
		if rest, ok := strings.CutPrefix(r.Path, wire.AdminPrefix); ok {
			g.Expect(routes.Find(rest)).To(BeNil(), "the path hides no route of OpenIM")
		}
	}
}

func TestReleases(t *testing.T) {
	g := NewWithT(t)
	for tag, want := range map[string]routes.Release{"v3.8.3": 0, "v3.8.3-patch.1": 1, "v3.8.3-patch.16": 16} {
		r, err := routes.ParseRelease(tag)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(r).To(Equal(want))
		g.Expect(r.String()).To(Equal(tag))
	}
	for _, tag := range []string{"", "3.8.3", "v3.8.2", "v3.8.3-patch.0", "v3.8.3-patch.17", "v3.8.3-patch.01", "v3.8.3-patch.",
		"v3.8.3-patch.-1", "v3.8.4"} {
		_, err := routes.ParseRelease(tag)
		g.Expect(err).To(MatchError(ContainSubstring("v3.8.3-patch.1")), tag)
	}
	count := routes.Find("/friend/get_self_unhandled_apply_count")
	g.Expect(count.In(4)).To(BeFalse())
	g.Expect(count.In(5)).To(BeTrue())
}
