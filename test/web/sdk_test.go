package web

import (
	"testing"

	. "github.com/onsi/gomega"
)

// sdkScript enrols with this project's client and passes its token to the official SDK, which logs in, sends, and waits for an answer.
const sdkScript = `(async (url, key, code) => {
	const { Gateway, memoryStore } = await import("/src/index.js");
	const { getSDK, CbEvents } = await import("/sdk/sdk.js");
	const gateway = new Gateway({ url, pinnedKeys: [key], store: memoryStore() });
	const session = await gateway.enrol(code);
	const sdk = getSDK();
	window.heard = [];
	window.told = [];
	for (const name of Object.values(CbEvents)) sdk.on(name, ({ data }) => window.told.push(name));
	const take = ({ data }) => window.heard.push(...[data].flat().map((m) => m.textElem?.content));
	for (const name of ["OnRecvNewMessage", "OnRecvNewMessages"]) if (CbEvents[name]) sdk.on(CbEvents[name], take);
	await sdk.login({ userID: session.userID, token: session.token, platformID: session.platformID, apiAddr: gateway.apiAddr, wsAddr: gateway.wsAddr });
	window.sdk = sdk;
	const { data: message } = await sdk.createTextMessage("hello by the SDK");
	const { data: sent } = await sdk.sendMessage({ recvID: "ida", groupID: "", message });
	const { data: self } = await sdk.getSelfUserInfo();
	return { serverMsgID: sent.serverMsgID, self: self.userID };
})`

func TestTheOfficialWebSDKAsItComes(t *testing.T) {
	g := NewWithT(t)
	ida := enrolled(t, "ida")
	p := open(t, listed+"/page/blank.html")
	var out struct{ ServerMsgID, Self string }
	p.run(sdkScript+`("`+stack.Frontend.URL+`", "`+serverKey(t).Key+`", "`+code(t, "hugo", web)+`")
		.catch((e) => { throw new Error(JSON.stringify(e) + " " + e?.message + " " + e?.stack); })`, &out)
	g.Expect(out.ServerMsgID).NotTo(BeEmpty())
	g.Expect(out.Self).To(Equal("hugo"))
	hears(t, ida, "hugo", "hello by the SDK")

	_, err := ida.Send(bounded(t), "hugo", "hello to the SDK")
	g.Expect(err).NotTo(HaveOccurred())
	g.Eventually(func() (heard []string) {
		p.run(`window.heard`, &heard)
		return heard
	}, soon, "50ms").Should(ContainElement("hello to the SDK"))

	p.run(`sdk.getConversationListSplit({ offset: 0, count: 10 }).then(({ data }) => { window.conversations = data.map((c) => c.conversationID); })`, nil)
	var conversations []string
	p.run(`window.conversations`, &conversations)
	g.Expect(conversations).To(ContainElement("si_hugo_ida"))
	var told []string
	p.run(`window.told`, &told)
	t.Logf("the SDK told: %q", told)
	p.run(`sdk.logout().then(() => 0)`, nil)
}
