package web

import (
	"testing"

	. "github.com/onsi/gomega"
)

// lowOrder lists points of low order, which must be refused: 0, 1, and a point of order 8 (RFC 7748, section 6.1).
var lowOrder = []string{
	"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
	"4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
}

func TestAnswersThatGetLostCostNoDevice(t *testing.T) {
	g := NewWithT(t)
	var out struct {
		Devices                    []string
		Before, After, Rotated, Me string
		SameDevice                 bool
		OldKey, Revoked            int
	}
	node(t, "lost.js", object{"url": stack.Frontend.URL, "pinnedKeys": []string{serverKey(t).Key}, "code": code(t, "jana", web)}, &out)
	g.Expect(out.Devices).To(Equal([]string{"active"}), "the second enrolment gave the same device")
	g.Expect(out.SameDevice).To(BeTrue())
	g.Expect(out.After).NotTo(Equal(out.Before), "the rotation of which the answer got lost counts")
	g.Expect(out.OldKey).To(Equal(1502))
	g.Expect(out.Rotated).NotTo(Equal(out.After))
	g.Expect(out.Me).To(Equal("jana"))
	g.Expect(out.Revoked).To(Equal(1506))
}

func TestABrowserRefusesPointsOfLowOrder(t *testing.T) {
	g := NewWithT(t)
	p := open(t, listed+"/page/blank.html")
	var version string
	p.run(`navigator.userAgent`, &version)
	t.Log(version)
	for _, point := range append([]string{serverKey(t).Key}, lowOrder...) {
		var result string
		p.run(`(async () => {
			const { Initiator, generateKey } = await import("/src/noise.js");
			const { fromBase64url } = await import("/src/bytes.js");
			const initiator = await Initiator.begin("`+xk+`", new Uint8Array(0), fromBase64url("`+point+`", 32), await generateKey());
			return initiator.start().then(() => "taken", () => "refused");
		})()`, &result)
		want := "refused"
		if point == serverKey(t).Key {
			want = "taken"
		}
		g.Expect(result).To(Equal(want), point)
	}
}
