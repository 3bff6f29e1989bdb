package main

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	. "github.com/onsi/gomega"
)

// framing is a request whose end two readers could see in different places. In headers and body, {F} is the first request's
// body, {f} its length, {H} a whole second request, {h} its length, {a} the length of both, {x} and {X} the lengths of F and of H in
// hexadecimal.
type framing struct {
	headers string // lines, with their ends
	body    string
}

const (
	chunked  = "Transfer-Encoding: chunked\r\n"
	oneChunk = "{x}\r\n{F}\r\n0\r\n\r\n"
)

// framings are the cases.
var framings = func() map[string]framing {
	all := map[string]framing{
		"CL.TE":                       {"Content-Length: {a}\r\n" + chunked, "0\r\n\r\n{H}"},
		"CL.TE, whole":                {"Content-Length: {f}\r\n" + chunked, oneChunk + "{H}"},
		"TE.CL":                       {chunked + "Content-Length: 4\r\n", "{X}\r\n{H}\r\n0\r\n\r\n"},
		"TE.CL, nothing":              {chunked + "Content-Length: 0\r\n", oneChunk + "{H}"},
		"no length":                   {"", "{F}{H}"},
		"two equal lengths":           {"Content-Length: {f}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"two lengths":                 {"Content-Length: {f}\r\nContent-Length: {a}\r\n", "{F}{H}"},
		"two lengths, other order":    {"Content-Length: {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"a length too large":          {"Content-Length: {a}0\r\n", "{F}{H}"},
		"both in the body":            {"Content-Length: {a}\r\n", "{F}{H}"},
		"a length of another name":    {"Content_Length: {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"a length behind a bare LF":   {"X: y\nContent-Length: {f}\r\n", "{F}{H}"},
		"a length behind a bare CR":   {"X: y\rContent-Length: {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"a length before a blank":     {"Content-Length : {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"a length after a blank":      {" Content-Length: {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"a folded length":             {"Content-Length:\r\n {f}\r\n", "{F}{H}"},
		"a length folded into two":    {"Content-Length: {f}\r\n 0\r\n", "{F}{H}"},
		"a length with a NUL":         {"Content-Length: {f}\x00\r\n", "{F}{H}"},
		"a name with a NUL":           {"Content-Length\x00: {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"no name":                     {": {a}\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"a head that ends in LF LF":   {"Content-Length: {f}\r\nX: y\n\n{H}", "{F}"},
		"a head that ends in CR":      {"Content-Length: {f}\r\nX: y\r\r", "{F}{H}"},
		"close":                       {"Connection: close\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"keep-alive":                  {"Connection: keep-alive\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"expectation":                 {"Expect: 100-continue\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"expectation of another kind": {"Expect: 200-ok\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"Connection: Content-Length":  {"Connection: Content-Length\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"Connection: TE":              {"Connection: Transfer-Encoding\r\n" + chunked, oneChunk + "{H}"},
		"Upgrade: websocket":          {"Connection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"Upgrade: h2c": {"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nContent-Length: " +
			"{f}\r\n", "{F}{H}"},
		"a Host in a second line":   {"Host: other\r\nContent-Length: {f}\r\n", "{F}{H}"},
		"lines before the second":   {"Content-Length: {f}\r\n", "{F}\r\n\r\n{H}"},
		"a blank before the second": {"Content-Length: {f}\r\n", "{F} {H}"},
		"a body without a method":   {"Content-Length: 0\r\n", "{H}"},
		"chunked":                   {chunked, oneChunk + "{H}"},
	}
	for name, value := range map[string]string{
		"a list": "{f}, {f}", "a list of two": "{f}, {a}", "plus": "+{f}", "minus": "-{f}", "minus nothing": "-0", "hexadecimal": "0x{x}",
		"zeroes": "000{f}",
		"a tab":  "{f}\t", "e": "{f}e0", "a point": "{f}.0", "an underscore": "{f}_0", "a semicolon": "{f};", "a blank inside": "{f} {f}",
		"quoted": `"{f}"`,
		"empty":  "", "2^64": "18446744073709551616", "2^64 and the length": "1844674407370955{f}", "2^63": "9223372036854775808",
		"full width": "４２", "no number": "x", "an equals sign": "={f}",
	} {
		all["length, "+name] = framing{"Content-Length: " + value + "\r\n", "{F}{H}"}
	}
	for name, line := range map[string]string{
		"another word": "Transfer-Encoding: xchunked", "a part": "Transfer-Encoding: chunk", "a blank before the colon": "Transfer-Encoding : " +
			"chunked", "a tab before the colon": "Transfer-Encoding\t: chunked",
		"a tab": "Transfer-Encoding:\tchunked", "many blanks": "Transfer-Encoding:      chunked   ", "two lines": "Transfer-Encoding: " +
			"chunked\r\nTransfer-Encoding: x",
		"two lines, other order": "Transfer-Encoding: x\r\nTransfer-Encoding: chunked", "twice": "Transfer-Encoding: " +
			"chunked\r\nTransfer-Encoding: chunked", "behind a bare LF": "X: y\nTransfer-Encoding: chunked",
		"behind a bare CR": "X: y\rTransfer-Encoding: chunked", "name folded": "Transfer-Encoding\r\n : chunked",
		"value folded": "Transfer-Encoding:\r\n chunked", "chunked, identity": "Transfer-Encoding: chunked, identity",
		"identity, chunked": "Transfer-Encoding: identity, chunked", "identity": "Transfer-Encoding: identity",
		"gzip, chunked": "Transfer-Encoding: gzip, chunked", "chunked, chunked": "Transfer-Encoding: chunked, chunked",
		"quoted": `Transfer-Encoding: "chunked"`, "a parameter": "Transfer-Encoding: chunked;q=1", "capitals": "Transfer-Encoding: CHUNKED",
		"another name": "Transfer_Encoding: chunked", "a vertical tab": "Transfer-Encoding: \x0bchunked",
		"a vertical tab behind": "Transfer-Encoding: chunked\x0b", "a NUL": "Transfer-Encoding: chunked\x00",
		"an eighth bit": "Transfer-Encoding: chunked\xa0", "empty": "Transfer-Encoding:", "a comma": "Transfer-Encoding: ,chunked",
		"a comma behind": "Transfer-Encoding: chunked,", "a letter of another alphabet": "Transfer-Encoding: chunĸed",
	} {
		all["coding, "+name] = framing{line + "\r\nContent-Length: {f}\r\n", "{F}{H}"}
		all["coding, chunks, "+name] = framing{"Content-Length: {f}\r\n" + line + "\r\n", "0\r\n\r\n{H}"}
	}
	for name, body := range map[string]string{
		"an extension": "{x};a=b\r\n{F}\r\n0\r\n\r\n{H}", "an extension with a line": "{x};a=\"b\r\nc\"\r\n{F}\r\n0\r\n\r\n{H}",
		"an extension with a bare LF": "{x};a\nb\r\n{F}\r\n0\r\n\r\n{H}",
		"an extension with a bare CR": "{x};a\rb\r\n{F}\r\n0\r\n\r\n{H}", "a long extension": "{x};" + strings.Repeat("a",
			20<<10) + "\r\n{F}\r\n0\r\n\r\n{H}", "0x": "0x{x}\r\n{F}\r\n0\r\n\r\n{H}",
		"plus": "+{x}\r\n{F}\r\n0\r\n\r\n{H}", "minus": "-{x}\r\n{F}\r\n0\r\n\r\n{H}", "a blank before": " {x}\r\n{F}\r\n0\r\n\r\n{H}",
		"a blank behind": "{x} \r\n{F}\r\n0\r\n\r\n{H}", "a tab behind": "{x}\t\r\n{F}\r\n0\r\n\r\n{H}",
		"zeroes": "00000{x}\r\n{F}\r\n0\r\n\r\n{H}", "too many zeroes": strings.Repeat("0", 400) + "{x}\r\n{F}\r\n0\r\n\r\n{H}",
		"2^64-1": "ffffffffffffffff\r\n{F}\r\n0\r\n\r\n{H}", "2^64 and the length": "100000000000000{x}\r\n{F}\r\n0\r\n\r\n{H}",
		"no size": "\r\n{F}\r\n0\r\n\r\n{H}", "a size of bare LF": "{x}\n{F}\r\n0\r\n\r\n{H}", "data of bare LF": "{x}\r\n{F}\n0\r\n\r\n{H}",
		"data without an end": "{x}\r\n{F}0\r\n\r\n{H}", "no number": "g\r\n{F}\r\n0\r\n\r\n{H}",
		"an underscore": "{x}_0\r\n{F}\r\n0\r\n\r\n{H}", "a size too large": "{x}0\r\n{F}\r\n0\r\n\r\n{H}",
		"a size too small": "1\r\n{F}\r\n0\r\n\r\n{H}", "no end": "{x}\r\n{F}\r\n", "an end in the data": "{x}\r\n{F}\r\n0\r\n{H}",
		"the last of bare LF": "{x}\r\n{F}\r\n0\n\n{H}", "the last of two zeroes": "{x}\r\n{F}\r\n00\r\n\r\n{H}",
		"the last with an extension": "{x}\r\n{F}\r\n0;a\r\n\r\n{H}",
		"a length in the trailer":    "{x}\r\n{F}\r\n0\r\nContent-Length: {h}\r\n\r\n{H}",
		"a coding in the trailer":    "{x}\r\n{F}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n{H}",
		"a trailer of bare LF": "{x}\r\n{F}\r\n0\r\nX: " +
			"y\n\r\n{H}", "a trailer without a colon": "{x}\r\n{F}\r\n0\r\nXy\r\n\r\n{H}",
		"a large trailer":         "{x}\r\n{F}\r\n0\r\nX: " + strings.Repeat("y", 40<<10) + "\r\n\r\n{H}",
		"the second as a trailer": "{x}\r\n{F}\r\n0\r\n{H}", "the second as a chunk": "{X}\r\n{H}\r\n0\r\n\r\n", "bare CR": "{x}\r{F}\r0\r\r{H}",
	} {
		all["chunk, "+name] = framing{chunked, body}
	}
	return all
}()

// ambiguous are framings that RFC 9112 tells a server to refuse, or whose first request has no body that the route accepts.
var ambiguous = []string{
	"two lengths", "two lengths, other order", "length, a list of two", "length, plus", "length, minus", "length, hexadecimal", "length, e",
	"length, 2^64", "length, 2^63", "length, an underscore", "length, quoted",
	"coding, another word", "coding, a blank before the colon", "coding, two lines", "coding, two lines, other order", "coding, chunked, " +
		"identity", "coding, identity, chunked", "coding, gzip, chunked", "coding, chunked, chunked",
	"coding, a vertical tab", "coding, a NUL", "a length before a blank", "a name with a NUL", "chunk, 0x", "chunk, plus", "chunk, minus",
	"chunk, 2^64-1", "chunk, 2^64 and the length", "chunk, no number", "chunk, an underscore",
	"chunk, a size too small", "chunk, data without an end", "chunk, a size too large", "chunk, no end", "CL.TE", "both in the body",
	"a length too large",
}

// atOnce is how many connections are open at a time.
const atOnce = 16

func attackFraming(t *testing.T, n *testEnv) {
	alice, bob := n.people["alice"], n.people["bob"]
	type shot struct {
		name, front, hidden string
		credential          string // of the hidden request
		replies             []reply
	}
	var shots []*shot
	for name := range framings {
		shots = append(shots,
			&shot{name: name, front: n.canary(), hidden: n.canary()},
			&shot{name: name, front: n.canary(), hidden: n.canary(), credential: "token: " + bob.Token()})
	}
	var work sync.WaitGroup
	slots := make(chan struct{}, atOnce)
	for _, s := range shots {
		work.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.replies = n.send(t, n.users, framings[s.name].write(alice.Token(), s.front, s.hidden, s.credential))
		})
	}
	work.Wait()
	refused := map[string]bool{}
	for _, name := range ambiguous {
		refused[name] = true
		if _, there := framings[name]; !there {
			t.Errorf("%q is no framing", name)
		}
	}
	for _, s := range shots {
		name := s.name + ", nobody's second"
		if s.credential != "" {
			name = s.name + ", another user's second"
		}
		n.each(t, name, func(t *testing.T) {
			g := NewWithT(t)
			front, hidden := n.openimSaw(s.front), n.openimSaw(s.hidden)
			granted := 0
			for _, r := range s.replies {
				// 502 and 504: the result is unknown, because the attacker hung up while OpenIM was called.
				if r.granted() || r.status == http.StatusBadGateway || r.status == http.StatusGatewayTimeout {
					granted++
				}
			}
			g.Expect(len(front)).To(BeNumerically("<=", 1), "the first request's calls")
			g.Expect(len(front)+len(hidden)).To(BeNumerically("<=", granted), "calls and replies: %v", s.replies)
			for _, c := range front {
				g.Expect(c.Header.Get("token")).To(Equal(alice.openim))
				g.Expect(c.Body).NotTo(ContainSubstring(s.hidden), "the second request is in the first one's body")
			}
			for _, c := range hidden {
				g.Expect(s.credential).NotTo(BeEmpty(), "the hidden request was carried out for nobody")
				g.Expect(c.Header.Get("token")).To(Equal(bob.openim), "the hidden request was carried out as another")
			}
			if refused[s.name] {
				g.Expect(front).To(BeEmpty(), "the first request was carried out: %v", s.replies)
			}
		})
	}
	for _, count := range []int{2, 20, 200} {
		n.each(t, fmt.Sprintf("%d in a row, by turns", count), func(t *testing.T) {
			g := NewWithT(t)
			canary, requests := n.canary(), strings.Builder{}
			for i := range count {
				who := []*testUser{alice, bob}[i%2]
				requests.WriteString(post(usersInfo, whois(fmt.Sprintf("%s-%s", canary, who.UserID)), "token: "+who.Token(), "Connection: keep-alive"))
			}
			replies := n.send(t, n.users, requests.String())
			seen := n.openimSaw(canary)
			g.Expect(len(seen)).To(BeNumerically("<=", len(replies)))
			g.Expect(seen).NotTo(BeEmpty())
			for _, c := range seen {
				for _, who := range []*testUser{alice, bob} {
					if strings.Contains(c.Body, canary+"-"+who.UserID) {
						g.Expect(c.Header.Get("token")).To(Equal(who.openim))
					}
				}
			}
		})
	}
}

// write fills in a framing. The second request closes the connection, so that its reply is the last.
func (f framing) write(token, front, hidden, credential string) string {
	body := whois(front)
	second := post(usersInfo, whois(hidden), "Connection: close")
	if credential != "" {
		second = post(usersInfo, whois(hidden), credential, "Connection: close")
	}
	fill := strings.NewReplacer("{F}", body, "{f}", fmt.Sprint(len(body)), "{H}", second, "{h}", fmt.Sprint(len(second)), "{a}",
		fmt.Sprint(len(body)+len(second)),
		"{x}", fmt.Sprintf("%x", len(body)), "{X}", fmt.Sprintf("%x", len(second)))
	return fill.Replace("POST " + usersInfo + " HTTP/1.1\r\nHost: im.example.com\r\ntoken: " + token +
		"\r\nContent-Type: application/json\r\n" + f.headers + "\r\n" + f.body)
}
