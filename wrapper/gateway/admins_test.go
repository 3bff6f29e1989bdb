package gateway

import (
	"context"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/auth/authtest"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// adminEnv is the administrators' listener of a gateway that also has a users' listener.
type adminEnv struct {
	*usersEnv
	http.Handler
	key authtest.Key
}

func newAdminEnv(t *testing.T) *adminEnv {
	t.Helper()
	o := &adminEnv{usersEnv: newUsersEnv(t, nil), key: authtest.NewKey(t, "k1", jose.ES256)}
	set, err := auth.ParseJWKS(authtest.JWKS(t, o.key))
	if err != nil {
		t.Fatal(err)
	}
	issuer := issuers.Issuer{Issuer: authtest.Issuer, Audiences: []string{authtest.Audience}, Algorithms: []string{"ES256"},
		Roles: issuers.Roles{Claim: "groups", Admin: []string{authtest.Role}}}
	handler := newAdminHandler(o.services, auth.NewAdmins([]auth.Issuer{issuers.Rules(&issuer, fixed{set})}, time.Now), o.sessions, 600)
	o.Handler = httpserver.NewRecorder(slog.New(slog.DiscardHandler), prometheus.NewRegistry(), time.Now).Wrap(handler)
	return o
}

func (o *adminEnv) ServeHTTP(w http.ResponseWriter, r *http.Request) { o.Handler.ServeHTTP(w, r) }

func (o *adminEnv) command(t *testing.T, path, body string, changes map[string]any) (int, wire.Envelope) {
	t.Helper()
	header := http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer " +
		o.key.Sign(t, nil, authtest.Claims(time.Now(), changes))}}
	status, e, _ := request(t, o.Handler, http.MethodPost, path, body, header)
	return status, e
}

func TestAnAdministratorEndsWhatTheCallNames(t *testing.T) {
	for _, c := range []struct {
		name, body string
		alice, bob int
	}{
		{"a user", `{"scope":"user","id":"alice"}`, wire.CodeTokenKicked, 0},
		{"a device", `{"scope":"device","id":"device-of-alice"}`, wire.CodeTokenKicked, 0},
		{"everything", `{"scope":"all"}`, wire.CodeTokenKicked, wire.CodeTokenKicked},
		{"everything before they came", `{"scope":"all","before":1}`, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			o := newAdminEnv(t)
			alice, _ := o.login(t, "alice")
			bob, _ := o.login(t, "bob")
			status, e := o.command(t, wire.PathAdminRevokeSessions, c.body, nil)
			g.Expect(status).To(Equal(http.StatusOK), e.ErrMsg)
			code := func(token string) int { _, e := o.post(t, wire.PathSession, token, `{}`); return e.ErrCode }
			g.Expect(code(alice)).To(Equal(c.alice))
			g.Expect(code(bob)).To(Equal(c.bob))
		})
	}
}

func TestADisabledUserIsOutAndALoginOnItsWayToo(t *testing.T) {
	g := NewWithT(t)
	o := newAdminEnv(t)
	alice, _ := o.login(t, "alice")
	status, e := o.command(t, wire.PathAdminDisableUser, `{"userID":"alice"}`, nil)
	g.Expect(status).To(Equal(http.StatusOK), e.ErrMsg)
	_, e = o.post(t, wire.PathSession, alice, `{}`)
	g.Expect(e.ErrCode).To(Equal(wire.CodeTokenKicked))
	g.Expect(o.back.calls(internalapi.PathForceLogout)).To(Equal(1))
	_, _, err := o.sessions.Create(t.Context(), "alice", "device-of-alice", 1, 6) // with the epoch of before
	g.Expect(err).To(MatchError(session.ErrRevoked))
	_, _, err = o.sessions.Create(t.Context(), "alice", "device-of-alice", 1, 7)
	g.Expect(err).NotTo(HaveOccurred(), "when the user is enabled again")
}

func TestWhatAnAdministratorMustWrite(t *testing.T) {
	o := newAdminEnv(t)
	for _, c := range []struct{ name, path, body string }{
		{"a code for nobody", wire.PathAdminIssueCode, `{}`},
		{"a code with too long a lifetime", wire.PathAdminIssueCode, `{"userID":"alice","lifetimeSeconds":601}`},
		{"a code with a member that is not known", wire.PathAdminIssueCode, `{"userID":"alice","role":"admin"}`},
		{"a name with a line break", wire.PathAdminDevices, `{"userID":"alice\nbob"}`},
		{"no device and no user", wire.PathAdminRevokeDevices, `{}`},
		{"a scope that there is not", wire.PathAdminRevokeSessions, `{"scope":"galaxy"}`},
		{"everything of somebody", wire.PathAdminRevokeSessions, `{"scope":"all","id":"alice"}`},
		{"nobody's sessions", wire.PathAdminRevokeSessions, `{"scope":"user"}`},
		{"a member twice", wire.PathAdminDisableUser, `{"userID":"alice","userID":"bob"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			status, e := o.command(t, c.path, c.body, nil)
			g.Expect(status).To(Equal(http.StatusBadRequest))
			g.Expect(e.ErrMsg).NotTo(BeEmpty())
		})
	}
	NewWithT(t).Expect(o.back.asked).To(BeEmpty())
}

func TestWithoutTheRoleTheGatewaysOwnRoutesAreClosed(t *testing.T) {
	o := newAdminEnv(t)
	for _, route := range routes.OwnRoutes {
		if route.Listener != routes.Admins {
			continue
		}
		t.Run(route.Path, func(t *testing.T) {
			g := NewWithT(t)
			status, e := o.command(t, route.Path, `{"userID":"alice"}`, map[string]any{"groups": []string{"others"}})
			g.Expect(status).To(Equal(http.StatusForbidden))
			g.Expect(e.ErrCode).To(Equal(wire.CodeNoPermission))
		})
	}
	NewWithT(t).Expect(o.back.asked).To(BeEmpty())
}

// TestNothingIsChangedWhileTheAuditLogCannotBeWritten: a change that cannot be recorded is refused; calls that only read are served.
func TestNothingIsChangedWhileTheAuditLogCannotBeWritten(t *testing.T) {
	g := NewWithT(t)
	o := newAdminEnv(t)
	auditLog, err := auditlog.Open(auditlog.Options{Path: "/dev/full", Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry(),
		Now: time.Now})
	g.Expect(err).NotTo(HaveOccurred())
	o.services.auditLog = auditLog
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { auditLog.Run(ctx); close(ended) }()
	defer func() { cancel(); <-ended }()
	g.Eventually(auditLog.Admit).ShouldNot(Succeed())

	status, e := o.command(t, wire.PathAdminRevokeSessions, `{"scope":"all"}`, nil)
	g.Expect(status).To(Equal(http.StatusServiceUnavailable), e.ErrMsg)
	status, _ = o.command(t, wire.AdminPrefix+"/user/user_register", `{"users":[]}`, nil)
	g.Expect(status).To(Equal(http.StatusServiceUnavailable))
	g.Expect(o.back.asked).To(BeEmpty())
	status, _ = o.command(t, wire.AdminPrefix+"/user/get_users_info", `{}`, nil)
	g.Expect(status).To(Equal(http.StatusOK))
}
