package web

import (
	"net/http"
	"testing"

	. "github.com/onsi/gomega"
)

func TestTheGatewayUnderstandsNyquistAndNoiseC(t *testing.T) {
	g := NewWithT(t)
	ctx := bounded(t)
	key := serverKey(t)
	static, err := newPair()
	g.Expect(err).NotTo(HaveOccurred())

	enrolment, err := foreignLogin(ctx, stack.Frontend.URL, key.Key, code(t, "dora", web), static, web)
	g.Expect(err).NotTo(HaveOccurred(), "XKpsk3 by nyquist")
	g.Expect(enrolment).To(And(HaveKeyWithValue("userID", "dora"), HaveKeyWithValue("platformID", BeEquivalentTo(web))))

	again, err := foreignLogin(ctx, stack.Frontend.URL, key.Key, "", static, web)
	g.Expect(err).NotTo(HaveOccurred(), "XK by nyquist")
	g.Expect(again).To(HaveKeyWithValue("deviceID", enrolment["deviceID"]))

	private, err := static.MarshalBinary()
	g.Expect(err).NotTo(HaveOccurred())
	var third object
	node(t, "noise-c.js", object{"url": stack.Frontend.URL, "serverKey": key.Key, "privateKey": b64.EncodeToString(private), "platformID": web}, &third)
	g.Expect(third).To(HaveKeyWithValue("deviceID", enrolment["deviceID"]))

	for _, reply := range []object{enrolment, again, third} {
		token, _ := reply["token"].(string)
		said, err := stack.Frontend.User(token).Post(ctx, "/user/get_users_info", object{"userIDs": []string{"dora"}})
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(said.OK()).To(BeTrue(), said.String())
	}
}

func TestTheGatewayRefusesAForeignClientWithoutAKeyOrCode(t *testing.T) {
	g := NewWithT(t)
	unknown, err := newPair()
	g.Expect(err).NotTo(HaveOccurred())
	_, err = foreignLogin(bounded(t), stack.Frontend.URL, serverKey(t).Key, "", unknown, web)
	g.Expect(err).To(MatchError(ContainSubstring("1502")))

	used := code(t, "emil", web)
	_, err = foreignLogin(bounded(t), stack.Frontend.URL, serverKey(t).Key, used, unknown, web)
	g.Expect(err).NotTo(HaveOccurred())
	other, err := newPair()
	g.Expect(err).NotTo(HaveOccurred())
	_, err = foreignLogin(bounded(t), stack.Frontend.URL, serverKey(t).Key, used, other, web)
	g.Expect(err).To(MatchError(ContainSubstring("1502")), "a code is good for one device")
}

func TestTheWebClientUnderstandsAGatewayByNyquist(t *testing.T) {
	g := NewWithT(t)
	secret := "v1." + b64.EncodeToString(make([]byte, 16)) + "." + b64.EncodeToString(make([]byte, 32))
	_, psk, err := pskOf(secret)
	g.Expect(err).NotTo(HaveOccurred())
	f := newForeignGateway(t, psk)

	var out struct {
		Enrolled, LoggedIn object
		PublicKey          string
		PinnedKeys         []string
	}
	node(t, "ours.js", object{"url": f.url, "pinnedKeys": []string{f.key()}, "code": secret}, &out)
	g.Expect(out.Enrolled).To(And(HaveKeyWithValue("userID", "alice"), HaveKeyWithValue("token", "token")))
	g.Expect(out.LoggedIn).To(Equal(out.Enrolled))
	g.Expect(out.PinnedKeys).To(Equal([]string{f.key()}))
	g.Expect(f.hellos).To(HaveLen(2), "an enrolment by XKpsk3 and a login by XK")
	g.Expect(f.hellos[0]).To(HaveKeyWithValue("deviceName", "Ünïcode ✓"))
	for _, key := range f.keys {
		g.Expect(b64.EncodeToString(key)).To(Equal(out.PublicKey))
	}
}

func TestPagesOfOtherOriginsGetNoPreflight(t *testing.T) {
	for origin, want := range map[string]string{listed: listed, unlisted: ""} {
		g := NewWithT(t)
		req, err := http.NewRequestWithContext(bounded(t), http.MethodOptions, stack.Frontend.URL+"/auth/v1/dh/start", nil)
		g.Expect(err).NotTo(HaveOccurred())
		req.Header.Set("Origin", origin)
		req.Header.Set("Access-Control-Request-Method", http.MethodPost)
		resp, err := http.DefaultClient.Do(req)
		g.Expect(err).NotTo(HaveOccurred())
		_ = resp.Body.Close()
		g.Expect(resp.Header.Get("Access-Control-Allow-Origin")).To(Equal(want))
	}
}
