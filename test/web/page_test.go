package web

import (
	"context"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const example = "/example/"

// enrolPage fills in the example's form and enrols.
func enrolPage(t *testing.T, p *tab, user string) {
	t.Helper()
	p.fill("#url", stack.Frontend.URL)
	p.fill("#pin", serverKey(t).Key)
	p.fill("#code", code(t, user, web))
	p.click("#enrol")
}

func shows(p *tab, state string) { p.t.Helper(); p.await(`#state[data-state="` + state + `"]`) }

// theDevice is the client's record in IndexedDB, as far as it can be read.
const theDevice = `(async () => {
	const opening = indexedDB.open("openim-gateway", 1);
	await new Promise((done) => (opening.onsuccess = done));
	const all = opening.result.transaction("devices").objectStore("devices").getAll();
	await new Promise((done) => (all.onsuccess = done));
	const { key, userID, deviceID } = all.result[0];
	const got = [];
	for (const format of ["raw", "pkcs8", "jwk"]) await crypto.subtle.exportKey(format, key.privateKey).then(() => got.push(format), () => {});
	return { records: all.result.length, userID, deviceID, extractable: key.privateKey.extractable, usages: key.privateKey.usages, got };
})()`

type record struct {
	Records          int
	UserID, DeviceID string
	Extractable      bool
	Usages, Got      []string
}

func TestAUserOfTheExamplePage(t *testing.T) {
	g := NewWithT(t)
	bob := enrolled(t, "bob")
	p := open(t, listed+example)
	enrolPage(t, p, "alice")
	shows(p, "online")
	p.awaitText("#whoami", "alice")

	var kept record
	p.run(theDevice, &kept)
	g.Expect(kept).To(And(HaveField("Records", 1), HaveField("UserID", "alice"), HaveField("Extractable", false), HaveField("Got", BeEmpty()),
		HaveField("Usages", Equal([]string{"deriveBits"}))), "the key is there, and nobody can read it")

	say(t, p, "bob", "hello from a browser")
	hears(t, bob, "alice", "hello from a browser")
	markup := `<img src=x onerror="window.pwned=1"> & hello back`
	_, err := bob.Send(bounded(t), "alice", markup)
	g.Expect(err).NotTo(HaveOccurred())
	p.awaitText("#messages li:not(.mine)", markup)
	var harmed bool
	p.run(`document.querySelector("#messages img") !== null || "pwned" in window`, &harmed)
	g.Expect(harmed).To(BeFalse(), "what others write is text")
	var own int
	p.run(`[...document.querySelectorAll("#messages li.mine")].length`, &own)
	g.Expect(own).To(Equal(1), "the own message comes back, and shows once")
	picture(t, p)

	p.click("#logout")
	shows(p, "out")
	g.Expect(p.text("#problem")).To(BeEmpty())

	p.do(chromedp.Reload())
	p.awaitText("#whoami", "Enrolled as alice")
	p.click("#login")
	shows(p, "online")
	var again record
	p.run(theDevice, &again)
	g.Expect(again).To(Equal(kept), "the same key, out of IndexedDB")
	say(t, p, "bob", "here again")
	hears(t, bob, "alice", "here again")

	second, err := stack.Frontend.Enrol(bounded(t), code(t, "alice", ios), ios)
	g.Expect(err).NotTo(HaveOccurred())
	p.click("#refresh")
	p.await(`[data-device="` + second.DeviceID + `"][data-status="active"]`)
	p.click(`[data-device="` + second.DeviceID + `"] button`)
	p.await(`[data-device="` + second.DeviceID + `"][data-status="revoked"]`)
	g.Expect(second.Check(bounded(t))).NotTo(Succeed(), "the page has revoked the other device")
	shows(p, "online")

	p.run(`new MutationObserver(() => (window.revokedAt ??= document.querySelector("[data-state=revoked]") && Date.now())).observe(
		document.getElementById("state"), { attributes: true }), 0`, nil)
	begun := time.Now()
	adminCall(t, wire.PathAdminRevokeDevices[len(wire.AdminPrefix):], loopback.Object{"userID": "alice", "deviceID": kept.DeviceID})
	shows(p, "revoked")
	var at int64
	p.run(`window.revokedAt`, &at)
	took := time.UnixMilli(at).Sub(begun)
	t.Logf("the page knew %s after the administrator had asked", took)
	g.Expect(took).To(BeNumerically("<", time.Second))

	p.click("#login")
	p.awaitText("#problem", "the login failed")
	g.Expect(p.said()).To(BeEmpty(), "nothing in the console")
}

// picture saves a screenshot of the page to WEB_PICTURE.
func picture(t *testing.T, p *tab) {
	t.Helper()
	file := os.Getenv("WEB_PICTURE")
	if file == "" {
		return
	}
	var content []byte
	p.do(chromedp.FullScreenshot(&content, 100))
	NewWithT(t).Expect(os.WriteFile(file, content, 0o600)).To(Succeed())
}

func say(t *testing.T, p *tab, to, text string) {
	t.Helper()
	p.fill("#to", to)
	p.fill("#text", text)
	p.click("#send")
	p.awaitText("#messages li.mine", text)
}

func hears(t *testing.T, who onlineUser, from, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	_, err := who.Receive(ctx, func(m chat.Received) bool { return m.SendID == from && m.Text == text })
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), "%s hears %q", who.id, text)
}

func TestACodeIsNotTakenTwiceAndTheWrongKeyNotBelieved(t *testing.T) {
	g := NewWithT(t)
	p := open(t, listed+example)
	p.fill("#url", stack.Frontend.URL)
	p.fill("#code", code(t, "frieda", web))
	p.click("#enrol")
	p.awaitText("#problem", "https")

	unknown, err := newPair()
	g.Expect(err).NotTo(HaveOccurred())
	p.fill("#pin", b64.EncodeToString(publicBytes(unknown)))
	p.click("#enrol")
	p.awaitText("#problem", "pinned")

	used := code(t, "frieda", web)
	_, err = stack.Frontend.Enrol(bounded(t), used, web)
	g.Expect(err).NotTo(HaveOccurred())
	p.fill("#pin", serverKey(t).Key)
	p.fill("#code", used)
	p.click("#enrol")
	p.awaitText("#problem", "the login failed")
	g.Expect(p.text("#state")).To(Equal("Logged out"))
}

func TestAPageOfAnotherOrigin(t *testing.T) {
	g := NewWithT(t)
	p := open(t, unlisted+example)
	enrolPage(t, p, "greta")
	p.awaitText("#problem", "origin")

	// A ticket alone is not enough: the same two lines open a socket on a page with a listed origin.
	session, err := stack.Frontend.Enrol(bounded(t), code(t, "greta", web), web)
	g.Expect(err).NotTo(HaveOccurred())
	for _, c := range []struct {
		page *tab
		want string
	}{{p, "refused"}, {open(t, listed+"/page/blank.html"), "open"}} {
		ticket, err := session.Ticket(bounded(t))
		g.Expect(err).NotTo(HaveOccurred())
		var end string
		c.page.run(`new Promise((done) => {
			const s = new WebSocket("`+stack.Frontend.SocketURL()+`?sdkType=js&operationID=o", ["openim.v1", "ticket.`+ticket.Text+`"]);
			s.onopen = () => done("open");
			s.onerror = () => done("refused");
		})`, &end)
		g.Expect(end).To(Equal(c.want))
	}
}

func TestThePageRunsNothingButItsOwn(t *testing.T) {
	g := NewWithT(t)
	p := open(t, listed+example)
	var ran []string
	p.run(`(async () => {
		const ran = [];
		const attempt = (name, act) => { try { act(); } catch { return; } };
		attempt("markup", () => { document.body.innerHTML = "<b>"; ran.push("markup"); });
		attempt("a script", () => { const s = document.createElement("script"); s.text = "window.a = 1"; document.head.append(s); });
		attempt("a foreign script", () => { const s = document.createElement("script"); s.src = "`+unlisted+`/sdk/sdk.js"; document.head.append(s); });
		attempt("a timer of text", () => setTimeout("window.b = 1"));
		await new Promise((done) => setTimeout(done, 100));
		if ("a" in window || "b" in window) ran.push("a script");
		return ran;
	})()`, &ran)
	g.Expect(ran).To(BeEmpty())
}
