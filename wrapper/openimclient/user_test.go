package openimclient_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

var alice = openimclient.User{ID: "alice", Nickname: "Alice", FaceURL: "http://face"}

func TestAUserMayBeRegisteredTwice(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	g.Expect(b.RegisterUser(t.Context(), alice)).To(Succeed())
	g.Expect(b.RegisterUser(t.Context(), openimclient.User{ID: "alice", Nickname: "Other"})).To(Succeed(), "the user exists")
	g.Expect(b.openim.State.Users).To(Equal(map[string]openimtest.User{"alice": {Nickname: "Alice", FaceURL: "http://face"}}))
	err := b.RegisterUser(t.Context(), openimclient.User{ID: "bob"})
	g.Expect(err).To(MatchError(And(ContainSubstring("errCode 1001"), Not(ContainSubstring("goroutine")))))
}

func TestAUsersTokenIsRequestedByTheAdministrator(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	_, err := b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).To(MatchError(openimclient.ErrNoUser))
	g.Expect(b.RegisterUser(t.Context(), alice)).To(Succeed())
	token, err := b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(token).To(Equal(openimclient.UserToken{Token: openimtest.UserToken(1),
		Expires: noon.Add(openimtest.TokenLifeSeconds * time.Second)}))
	g.Expect(b.openim.Seen("/auth/get_user_token")[1].Body).To(MatchJSON(`{"userID":"alice","platformID":1}`))
	g.Expect(b.openim.Seen("/auth/get_user_token")[1].Header.Get("token")).To(Equal(openimtest.Token(1)))
}

func TestABrokenReplyToAMintIsNotRepeated(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	g.Expect(b.RegisterUser(t.Context(), alice)).To(Succeed())
	b.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/auth/get_user_token"] = `{"errCode":0,"data":{"expireTimeSeconds":5}}`
	})
	_, err := b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).To(MatchError(openimclient.ErrBadReply))
	b.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/auth/get_user_token"] = `{"errCode":0,"data":{"token":"eyJx.eyJy.z","expireTimeSeconds":0}}`
	})
	_, err = b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).To(MatchError(And(ContainSubstring("tokenPolicy.expire"), Not(ContainSubstring("eyJ")))))
	g.Expect(b.openim.Seen("/auth/get_user_token")).To(HaveLen(2))
}

func TestACallAsAUserHasTheUsersTokenAndACleanReply(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	g.Expect(b.RegisterUser(t.Context(), alice)).To(Succeed())
	token, err := b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).NotTo(HaveOccurred())
	r := openimclient.Request{Path: "/friend/get_friend_list", Body: []byte("\x0a\x05alice"), ContentType: "application/x-protobuf",
		RequestID: "r-7"}
	b.openim.Set(func(f *openimtest.Fake) {
		f.Replies[r.Path] = `{"errCode":0,"errDlt":"` + "secret stack" + `","data":{"echo":"` + token.Token + `"}}`
	})
	reply, err := b.CallAs(t.Context(), r, token.Token)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(reply.ErrDlt).To(BeEmpty())
	g.Expect(string(reply.Data)).To(MatchJSON(`{"echo":"[removed]"}`))
	seen := b.openim.Seen(r.Path)[0]
	g.Expect(seen.Body).To(Equal("\x0a\x05alice"))
	g.Expect(map[string]string{"token": seen.Header.Get("token"), "id": seen.Header.Get("operationID"),
		"type": seen.Header.Get("Content-Type")}).To(Equal(map[string]string{
		"token": token.Token, "id": "r-7", "type": "application/x-protobuf",
	}))
}

func TestAnInvalidUserTokenIsReportedToTheCaller(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	g.Expect(b.RegisterUser(t.Context(), alice)).To(Succeed())
	first, err := b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).NotTo(HaveOccurred())
	reply, err := b.CallAs(t.Context(), info, first.Token)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(wire.IsTokenError(reply.ErrCode)).To(BeTrue(), "a second token invalidates the first")
	g.Expect(reply.ErrMsg).NotTo(ContainSubstring("eyJ"))
	g.Expect(b.mints()).To(Equal(1), "the administrator's token is not renewed")
}

func TestForceLogoutInvalidatesTheTokenOfOnePlatform(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	g.Expect(b.RegisterUser(t.Context(), alice)).To(Succeed())
	phone, err := b.MintUserToken(t.Context(), "alice", 1)
	g.Expect(err).NotTo(HaveOccurred())
	web, err := b.MintUserToken(t.Context(), "alice", 5)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.ForceLogout(t.Context(), "alice", 1)).To(Succeed())
	reply, _ := b.CallAs(t.Context(), info, phone.Token)
	g.Expect(wire.IsTokenError(reply.ErrCode)).To(BeTrue())
	reply, _ = b.CallAs(t.Context(), info, web.Token)
	g.Expect(reply.ErrCode).To(BeZero())
}

func TestObjectsHaveTheExternalURL(t *testing.T) {
	g := NewWithT(t)
	b := newFixture(t)
	c := openimclient.New(openimclient.Options{
		BaseURL: b.openim.URL, AdminUserID: openimtest.AdminUserID, ExternalURL: "https://im.example.com/im/v1", Secret: b, Now: b.now,
	})
	t.Cleanup(c.Close)
	_, err := c.Call(t.Context(), info)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(b.openim.Seen(info.Path)[0].Header.Values("X-Request-Api")).To(Equal([]string{"https://im.example.com/im/v1"}))
}
