package termination_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

var since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func TestAnExitIsReadAsItWasWritten(t *testing.T) {
	g := NewWithT(t)
	text, err := termination.Exit{
		Reason: termination.ChildExited, Exit: 255, Unreachable: []termination.StoreName{termination.MongoDB},
		Since: since.Add(300 * time.Millisecond).In(time.FixedZone("x", 3600)),
	}.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(Equal(
		`{"v":1,"reason":"ChildExited","exit":255,"unreachable":["mongodb"],"since":"2026-01-02T03:04:05Z"}`))
	exit, err := termination.DecodeExit(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(exit).To(Equal(termination.Exit{
		V: 1, Reason: termination.ChildExited, Exit: 255, Unreachable: []termination.StoreName{termination.MongoDB}, Since: since,
	}))
}

func TestAPreflightIsReadAsItWasWritten(t *testing.T) {
	g := NewWithT(t)
	text, err := termination.Preflight{Stores: []termination.StoreFailure{
		{Store: termination.MongoDB, Reason: termination.AuthenticationFailed, Message: "a <user>\n is\x00 refused\u2028"},
		{Store: termination.Redis, Reason: termination.Unreachable},
	}}.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(text)).To(Equal(`{"v":1,"stores":[{"store":"mongodb","reason":"AuthenticationFailed",` +
		`"message":"a <user> is refused"},{"store":"redis","reason":"Unreachable"}]}`))
	preflight, err := termination.DecodePreflight(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(preflight.Stores).To(HaveLen(2))
	g.Expect(preflight.Stores[0].Message).To(Equal("a <user> is refused"))
}

// The longest message of all stores at once still fits: the kubelet would cut a longer one, and nobody could decode it.
func TestTheLongestPreflightFits(t *testing.T) {
	g := NewWithT(t)
	var p termination.Preflight
	for _, store := range []termination.StoreName{
		termination.Etcd, termination.Redis, termination.MongoDB, termination.Kafka, termination.ObjectStorage, termination.WrapperRedis,
	} {
		p.Stores = append(p.Stores, termination.StoreFailure{
			Store: store, Reason: termination.UnsupportedMechanism, Message: strings.Repeat(`"\`, 5000),
		})
	}
	text, err := p.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(len(text)).To(And(BeNumerically(">", 3000), BeNumerically("<=", termination.MaxBytes)))
}

func TestAMessageIsCutBetweenCharacters(t *testing.T) {
	g := NewWithT(t)
	text, err := termination.Preflight{Stores: []termination.StoreFailure{
		{Store: termination.Etcd, Reason: termination.NoLeader, Message: "x" + strings.Repeat("é", 400)},
	}}.Encode()
	g.Expect(err).NotTo(HaveOccurred())
	preflight, err := termination.DecodePreflight(string(text))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(preflight.Stores[0].Message).To(Equal("x" + strings.Repeat("é", 127)))
}

func TestWhatIsNotOfTheFormatIsRefused(t *testing.T) {
	exits := map[string]string{
		"empty":              ``,
		"no JSON":            `panic: connecting to mongodb://user:secret@host`,
		"a list":             `[]`,
		"null":               `null`,
		"another version":    `{"v":2,"reason":"Stuck","exit":1,"since":"2026-01-02T03:04:05Z"}`,
		"no version":         `{"reason":"Stuck","exit":1,"since":"2026-01-02T03:04:05Z"}`,
		"an unknown reason":  `{"v":1,"reason":"secret","exit":1,"since":"2026-01-02T03:04:05Z"}`,
		"an unknown field":   `{"v":1,"reason":"Stuck","exit":1,"since":"2026-01-02T03:04:05Z","x":1}`,
		"an unknown store":   `{"v":1,"reason":"Stuck","exit":1,"unreachable":["secret"],"since":"2026-01-02T03:04:05Z"}`,
		"a store twice":      `{"v":1,"reason":"Stuck","exit":1,"unreachable":["etcd","etcd"],"since":"2026-01-02T03:04:05Z"}`,
		"a large exit code":  `{"v":1,"reason":"Stuck","exit":256,"since":"2026-01-02T03:04:05Z"}`,
		"a negative one":     `{"v":1,"reason":"Stuck","exit":-1,"since":"2026-01-02T03:04:05Z"}`,
		"no time":            `{"v":1,"reason":"Stuck","exit":1,"since":"yesterday"}`,
		"text after it":      `{"v":1,"reason":"Stuck","exit":1,"since":"2026-01-02T03:04:05Z"} secret`,
		"more than is kept":  strings.Repeat(" ", termination.MaxBytes) + `{"v":1,"reason":"Stuck","exit":1,"since":"2026-01-02T03:04:05Z"}`,
		"a preflight's text": `{"v":1,"stores":[{"store":"etcd","reason":"NoLeader"}]}`,
	}
	for name, text := range exits {
		t.Run("exit: "+name, func(t *testing.T) {
			_, err := termination.DecodeExit(text)
			NewWithT(t).Expect(err).To(HaveOccurred())
			NewWithT(t).Expect(err.Error()).NotTo(ContainSubstring("user:"))
		})
	}
	preflights := map[string]string{
		"no store":          `{"v":1,"stores":[]}`,
		"an unknown store":  `{"v":1,"stores":[{"store":"secret","reason":"NoLeader"}]}`,
		"an unknown reason": `{"v":1,"stores":[{"store":"etcd","reason":"secret"}]}`,
		"a store twice":     `{"v":1,"stores":[{"store":"etcd","reason":"NoLeader"},{"store":"etcd","reason":"NoLeader"}]}`,
		"another version":   `{"v":0,"stores":[{"store":"etcd","reason":"NoLeader"}]}`,
		"an exit's text":    `{"v":1,"reason":"Stuck","exit":1,"since":"2026-01-02T03:04:05Z"}`,
	}
	for name, text := range preflights {
		t.Run("preflight: "+name, func(t *testing.T) {
			_, err := termination.DecodePreflight(text)
			NewWithT(t).Expect(err).To(HaveOccurred())
		})
	}
}

func TestWhatIsNotOfTheFormatIsNotWritten(t *testing.T) {
	g := NewWithT(t)
	for _, e := range []termination.Exit{{}, {Reason: "x"}, {Reason: termination.Stuck, Exit: 300}} {
		_, err := e.Encode()
		g.Expect(err).To(HaveOccurred())
	}
	for _, p := range []termination.Preflight{{}, {Stores: []termination.StoreFailure{{Store: "x", Reason: termination.NoLeader}}}} {
		_, err := p.Encode()
		g.Expect(err).To(HaveOccurred())
	}
}

func TestTerminalReasonsNeedAPerson(t *testing.T) {
	g := NewWithT(t)
	g.Expect(termination.AuthenticationFailed.Terminal()).To(BeTrue())
	g.Expect(termination.UnexpectedProtocol.Terminal()).To(BeTrue())
	g.Expect(termination.Unreachable.Terminal()).To(BeFalse())
	g.Expect(termination.StoreReason("x").Terminal()).To(BeFalse(), "an unknown reason decides nothing")
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"v":1,"reason":"ChildExited","exit":255,"unreachable":["mongodb"],"since":"2026-01-02T03:04:05Z"}`)
	f.Add(`{"v":1,"stores":[{"store":"mongodb","reason":"AuthenticationFailed","message":"a\u0000b"}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		if exit, err := termination.DecodeExit(text); err == nil {
			again(t, exit)
		}
		preflight, err := termination.DecodePreflight(text)
		if err != nil {
			return
		}
		for _, s := range preflight.Stores {
			if len(s.Message) > 256 || strings.ContainsFunc(s.Message, unicode.IsControl) {
				t.Errorf("message %q is too long or holds a control character", s.Message)
			}
		}
		again(t, preflight)
	})
}

// again fails unless what was decoded can be encoded.
func again(t *testing.T, value interface{ Encode() ([]byte, error) }) {
	t.Helper()
	text, err := value.Encode()
	if err != nil {
		t.Errorf("encoding what was decoded: %v", err)
	}
	if !json.Valid(text) {
		t.Errorf("%q is no JSON", text)
	}
}
