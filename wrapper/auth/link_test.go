package auth_test

import (
	"encoding/base64"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/auth"
)

func TestRangesOfVersions(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"", "3", "-", "3-", "-3", "4-3", "0-1", "3-256", "a-b", "3-4-5", " 3-4", "+3-4", "0000003-4"} {
		_, ok := auth.ParseLink(text)
		g.Expect(ok).To(BeFalse(), text)
	}
	for _, text := range []string{"3-3", "1-255", auth.PresentLink.String()} {
		l, ok := auth.ParseLink(text)
		g.Expect(ok).To(BeTrue(), text)
		g.Expect(l.String()).To(Equal(text))
	}
	for _, c := range []struct {
		one, other auth.Link
		version    uint8
		ok         bool
	}{
		{auth.Link{Min: 3, Max: 4}, auth.Link{Min: 4, Max: 5}, 4, true},
		{auth.Link{Min: 3, Max: 4}, auth.Link{Min: 3, Max: 4}, 4, true},
		{auth.Link{Min: 3, Max: 3}, auth.Link{Min: 4, Max: 5}, 0, false},
	} {
		for _, pair := range [][2]auth.Link{{c.one, c.other}, {c.other, c.one}} {
			version, ok := pair[0].Common(pair[1])
			g.Expect(ok).To(Equal(c.ok))
			if ok {
				g.Expect(version).To(Equal(c.version))
			}
		}
	}
	g.Expect(auth.PresentLink.Max-auth.PresentLink.Min).To(BeNumerically("<=", 1), "the release before and this one")
}

// TestEachVersionIsReadAsItWasWritten: testdata/link holds an assertion of each version, made by other means than this code. A version
// that this release reads has a vector; vectors of versions that it reads no more are refused as such.
func TestEachVersionIsReadAsItWasWritten(t *testing.T) {
	g := NewWithT(t)
	files, err := filepath.Glob(filepath.Join("testdata", "link", "*.json"))
	g.Expect(err).NotTo(HaveOccurred())
	read := map[uint8]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		g.Expect(err).NotTo(HaveOccurred())
		var v struct {
			Version                                uint8
			Key, Time                              string
			Method, Path, RequestID, Proof, Body   string
			Subject, Issuer, Role, Session, Device string
			PlatformID                             int32
			Assertion                              string
		}
		g.Expect(json.Unmarshal(text, &v)).To(Succeed(), file)
		at, err := time.Parse(time.RFC3339, v.Time)
		g.Expect(err).NotTo(HaveOccurred(), file)
		p, refusal := auth.NewAssertions(&secret{v.Key}, (&clock{at}).now).Verify(v.Assertion, auth.Call{
			Method: v.Method, Path: v.Path, RequestID: v.RequestID, Proof: v.Proof, Body: []byte(v.Body)})
		if v.Version < auth.PresentLink.Min {
			g.Expect(refusal.OtherVersion()).To(BeTrue(), file)
			continue
		}
		g.Expect(refusal).To(BeNil(), file)
		g.Expect(p).To(Equal(auth.Principal{Subject: v.Subject, Issuer: v.Issuer, Role: auth.Role(v.Role), Session: v.Session,
			Device: v.Device, PlatformID: v.PlatformID}), file)
		read[v.Version] = true
	}
	for version := auth.PresentLink.Min; version <= auth.PresentLink.Max; version++ {
		g.Expect(read).To(HaveKey(version), "testdata/link has no assertion of version %d", version)
	}
}

// TestTheVersionIsSigned: an assertion of one version is none of another that the verifier reads as well.
func TestTheVersionIsSigned(t *testing.T) {
	g := NewWithT(t)
	v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now).Read(auth.Link{Min: 3, Max: 4})
	_, refusal := v.Verify(assert(t, keyOne, call(func(c *auth.Call) { c.Version = 4 }), noon), call())
	g.Expect(refusal).To(BeNil())
	lowered := decode(t, assert(t, keyOne, call(func(c *auth.Call) { c.Version = 4 }), noon))
	lowered[0] = 3
	_, refusal = v.Verify(base64.RawURLEncoding.EncodeToString(lowered), call())
	g.Expect(refusal).NotTo(BeNil())
	g.Expect(refusal.Reason).To(Equal("signature"))
}

func TestAVersionThatIsNotReadIsRefusedAsSuch(t *testing.T) {
	g := NewWithT(t)
	v := auth.NewAssertions(&secret{keyOne}, (&clock{noon}).now)
	for _, version := range []uint8{auth.PresentLink.Min - 1, auth.PresentLink.Max + 1, 255} {
		_, refusal := v.Verify(assert(t, keyOne, call(func(c *auth.Call) { c.Version = version }), noon), call())
		g.Expect(refusal).NotTo(BeNil())
		g.Expect(refusal.OtherVersion()).To(BeTrue())
		g.Expect(refusal.Detail).To(ContainSubstring(auth.PresentLink.String()))
	}
	_, refusal := v.Verify(assert(t, keyOne, call(), noon), call())
	g.Expect(refusal).To(BeNil())
}
