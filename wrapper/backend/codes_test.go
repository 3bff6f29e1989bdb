package backend

import (
	"context"
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
	"github.com/openimstack/openim-operator/wrapper/session"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// oneCode is a registry with one code, and a device that is enrolled with it.
type oneCode struct {
	deviceStore
	under   string
	issued  []devices.Invitation
	revoked []string
}

func (r *oneCode) IssueCode(_ context.Context, in devices.Invitation, _ time.Duration, _ bool) (string, time.Time, error) {
	r.issued = append(r.issued, in)
	return "a code", time.Now().Add(time.Minute), nil
}

func (r *oneCode) OpenCode(context.Context, string) (devices.Opened, error) {
	return devices.Opened{OK: true, PSK: []byte("the code's"), Under: r.under}, nil
}

func (r *oneCode) Enrol(context.Context, devices.Enrolment, func(context.Context, devices.Invitation) error) (devices.Enrolled, error) {
	return devices.Enrolled{Device: internalapi.Device{ID: "new-device", UserID: "alice", PlatformID: 1, Status: internalapi.DeviceActive},
		Under: r.under}, nil
}

func (r *oneCode) RevokeDevices(_ context.Context, q internalapi.RevokeDevices) ([]internalapi.Device, error) {
	r.revoked = append(r.revoked, q.DeviceID)
	return nil, nil
}

func sessionsOn(server *redistest.Server) *session.Store {
	hour := func() time.Duration { return time.Hour }
	return session.New(session.Options{
		Redis: server.Open(
			"test:",
		), Lifetime: hour, Idle: hour, Now: time.Now, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
}

// TestACodeIsJudgedWhenItIsUsedAndAfter: the registry knows nothing of revocations, so that what it says of a code is not enough.
func TestACodeIsJudgedWhenItIsUsedAndAfter(t *testing.T) {
	g := NewWithT(t)
	server, codes := redistest.Start(t), &oneCode{}
	sessions := sessionsOn(server)
	r := loginRegistry{devices: codes, sessions: sessions}
	_, s, err := sessions.Create(t.Context(), "alice", "device-of-alice", 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	note, err := encodeSession(s)
	g.Expect(err).NotTo(HaveOccurred())
	holds := func(under string) (psk []byte, found bool, enrolled devices.Enrolled) {
		codes.under = under
		psk, found, err := r.OpenCode(t.Context(), "x")
		g.Expect(err).NotTo(HaveOccurred())
		enrolled, err = r.Enrol(t.Context(), devices.Enrolment{CodeID: "x"})
		g.Expect(err).NotTo(HaveOccurred())
		return psk, found, enrolled
	}
	_, found, enrolled := holds(note)
	g.Expect(found).To(BeTrue())
	g.Expect(enrolled.Refused).To(BeEmpty())
	g.Expect(codes.revoked).To(BeEmpty())

	g.Expect(sessions.Revoke(t.Context(), session.Revocation{Scope: session.ScopeSession, ID: s.ID})).To(Succeed())
	for name, under := range map[string]string{"of a session that was revoked": note, "none, as of an older backend": "", "no session": "{}",
		"no JSON": "x"} {
		codes.revoked = nil
		psk, found, enrolled := holds(under)
		g.Expect(found).To(BeFalse(), name)
		g.Expect(psk).NotTo(Equal([]byte("the code's")), name)
		g.Expect(enrolled.Refused).To(Equal(devices.CodeGone), name)
		g.Expect(codes.revoked).To(Equal([]string{"new-device"}), "%s: the device is taken back", name)
		_, _, err = sessions.Create(t.Context(), "alice", "another-device", 1, 1)
		g.Expect(err).NotTo(HaveOccurred(), "the user's other devices go on")
	}
	server.Stop()
	_, _, err = r.OpenCode(t.Context(), "x")
	g.Expect(err).To(MatchError(session.ErrUnavailable), "it is never guessed")
	enrolled, err = r.Enrol(t.Context(), devices.Enrolment{CodeID: "x"})
	g.Expect(err).To(HaveOccurred())
	g.Expect(enrolled.Refused).NotTo(BeEmpty())
}

// TestALoginOfAWhileAgoIssuesNoCode: the session is good, and what outlasts it takes a login of the last two minutes.
func TestALoginOfAWhileAgoIssuesNoCode(t *testing.T) {
	g := NewWithT(t)
	sessions, codes := sessionsOn(redistest.Start(t)), &oneCode{}
	_, s, err := sessions.Create(t.Context(), "alice", "phone", 1, 1)
	g.Expect(err).NotTo(HaveOccurred())
	now := s.Created
	l := &internalAPI{devices: codes, sessions: sessions, now: func() time.Time { return now }}
	by := &provenCaller{session: s, Principal: auth.Principal{Subject: "alice", Issuer: auth.UserIssuer, Role: auth.RoleUser, Session: s.ID,
		Device: "phone", PlatformID: 1}}
	call := func() *internalCall { return &internalCall{rec: &httpserver.Record{}, caller: by} }
	code := internalapi.IssueCode{UserID: "alice", LifetimeSeconds: 60}

	_, err = l.issueCode(t.Context(), call(), code)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(codes.issued[0]).To(And(HaveField("Issuer", "device phone"), HaveField("SessionID", s.ID), HaveField("DeviceID", "phone")))
	var under session.Session
	g.Expect(json.Unmarshal([]byte(codes.issued[0].Under), &under)).To(Succeed())
	g.Expect(under.ID).To(Equal(s.ID))
	g.Expect(under.Created.Equal(s.Created)).To(BeTrue(), "all of it: what is missing would be compared with revocations as zero")
	g.Expect(under.Epoch).To(Equal(s.Epoch))

	now = s.Created.Add(2*time.Minute + time.Second)
	_, err = l.issueCode(t.Context(), call(), code)
	g.Expect(err).To(Equal(wire.LoginTooOld))
	_, err = l.revokeDevices(t.Context(), call(), internalapi.RevokeDevices{UserID: "alice", DeviceID: "another"})
	g.Expect(err).To(Equal(wire.LoginTooOld))
	g.Expect(codes.issued).To(HaveLen(1))
	g.Expect(codes.revoked).To(BeEmpty())
	_, err = l.revokeDevices(t.Context(), call(), internalapi.RevokeDevices{UserID: "alice", DeviceID: "phone"})
	g.Expect(err).NotTo(HaveOccurred(), "one's own device")

	by = &provenCaller{Principal: auth.Principal{Subject: "root", Issuer: "https://id", Role: auth.RoleAdmin}}
	_, err = l.issueCode(t.Context(), call(), code)
	g.Expect(err).NotTo(HaveOccurred(), "an administrator")
	g.Expect(codes.issued[1]).To(And(HaveField("Issuer", "admin root"), HaveField("SessionID", ""), HaveField("Under", Not(BeEmpty()))))
}
