package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient/openimtest"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Bounds that a machine with two busy cores meets easily, and that a successful attack exceeds.
const (
	neighbourBound = 2 * time.Second // median of another user's calls; single ones wait for a processor that others have
	leftBound      = 32 << 20        // heap that stays
	peakBound      = 768 << 20       // peak heap, with a hundred bodies of a megabyte at attacker, gateway, recorder and backend
)

// watched runs an attack while another user keeps calling: each call succeeds, and calls and memory stay within the bounds. A call that an
// attack holds up until the attack's end exceeds its client's time limit.
func (n *testEnv) watched(t *testing.T, attack func()) {
	t.Helper()
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var peak uint64
	stop := make(chan struct{})
	var took []time.Duration
	var failed []string
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				peak = max(peak, m.HeapAlloc)
				began := time.Now()
				if problem := n.otherUser(t); problem != "" {
					failed = append(failed, problem)
				}
				took = append(took, time.Since(began))
			}
		}
	})
	attack()
	close(stop)
	watching.Wait()
	g := NewWithT(t)
	g.Expect(failed).To(BeEmpty(), "another user's calls")
	if len(took) > 0 {
		slices.Sort(took)
		g.Expect(took[len(took)/2]).To(BeNumerically("<", neighbourBound), "median of %d calls of another user", len(took))
	}
	g.Expect(peak).To(BeNumerically("<", before.HeapAlloc+peakBound), "the heap's peak")
	g.Eventually(func() uint64 {
		runtime.GC()
		runtime.ReadMemStats(&now)
		return now.HeapAlloc
	}, patience).Should(BeNumerically("<", before.HeapAlloc+leftBound), "what stays of the heap")
}

// otherUser makes one call as bob.
func (n *testEnv) otherUser(t *testing.T) string {
	ctx, cancel := context.WithTimeout(t.Context(), atMost)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+n.users+wire.PathSession, strings.NewReader("{}"))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("token", n.people["bob"].Token())
	req.Header.Set("Content-Type", wire.MediaTypeJSON)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !bytes.Contains(body, []byte(`"userID":"bob"`)) {
		return fmt.Sprintf("%v %s", err, body)
	}
	return ""
}

// repeat fills a body up to the route's limit, including a canary.
func repeat(open, part, end string) string {
	times := (routes.Find("/user/get_users_info").Body - int64(len(open)+len(end)+64)) / int64(len(part))
	return open + strings.Repeat(part, int(times)) + end
}

// badBodies are invalid JSON, or JSON that is not what it seems. {} is the canary.
var badBodies = map[string]string{
	"nothing":                     " ",
	"a list":                      `["{}"]`,
	"a text":                      `"{}"`,
	"a number":                    `1`,
	"null":                        `null`,
	"true":                        `true`,
	"two objects":                 `{"userIDs":["{}"]}{"userIDs":["{}"]}`,
	"an object and a letter":      `{"userIDs":["{}"]}x`,
	"an object and a NUL":         `{"userIDs":["{}"]}` + "\x00",
	"a NUL before":                "\x00" + `{"userIDs":["{}"]}`,
	"a NUL inside":                `{"userIDs":["{}` + "\x00" + `"]}`,
	"a line inside a text":        `{"userIDs":["{}` + "\n" + `"]}`,
	"a byte order mark":           "\xef\xbb\xbf" + `{"userIDs":["{}"]}`,
	"UTF-16":                      "\xfe\xff\x00{\x00}",
	"a byte that is no UTF-8":     `{"userIDs":["{}` + "\xff" + `"]}`,
	"overlong UTF-8":              `{"userIDs":["{}` + "\xc0\xaf" + `"]}`,
	"half a surrogate, raw":       `{"userIDs":["{}` + "\xed\xa0\x80" + `"]}`,
	"no UTF-8 in a name":          `{"userIDs":["{}"],"x` + "\xff" + `":1}`,
	"a member twice":              `{"userIDs":["alice"],"userIDs":["{}"]}`,
	"a member twice, escaped":     `{"userIDs":["alice"],"\u0075serIDs":["{}"]}`,
	"a member twice, in capitals": `{"userIDs":["alice"],"USERIDS":["{}"]}`,
	"a member twice, Kelvin":      `{"userIDs":["{}"],"uſerIDs":["bob"]}`,
	"a member twice, far inside":  `{"userIDs":["{}"],"x":{"y":[{"z":1,"z":2}]}}`,
	"a comma at the end":          `{"userIDs":["{}"],}`,
	"a comment":                   `{"userIDs":["{}"]/*x*/}`,
	"single quotes":               `{'userIDs':['{}']}`,
	"a name without quotes":       `{userIDs:["{}"]}`,
	"NaN":                         `{"userIDs":["{}"],"x":NaN}`,
	"Infinity":                    `{"userIDs":["{}"],"x":-Infinity}`,
	"a number with a zero":        `{"userIDs":["{}"],"x":01}`,
	"a hexadecimal number":        `{"userIDs":["{}"],"x":0x10}`,
	"a plus":                      `{"userIDs":["{}"],"x":+1}`,
	"an end missing":              `{"userIDs":["{}"]`,
	"a quotation mark missing":    `{"userIDs":["{}]}`,
	"a bad escape":                `{"userIDs":["{}\x"]}`,
	"a short escape":              `{"userIDs":["{}\u12"]}`,
	"10,000 lists deep":           `{"userIDs":["{}"],"x":` + strings.Repeat("[", 10000) + strings.Repeat("]", 10000) + `}`,
	"10,000 objects deep":         `{"userIDs":["{}"],"x":` + strings.Repeat(`{"a":`, 10000) + "1" + strings.Repeat("}", 10000) + `}`,
	"deep without an end":         `{"userIDs":["{}"],"x":` + strings.Repeat("[", 100000),
	"as deep as it fits":          repeat(`{"userIDs":["{}"],"x":`, "[", "}"),
	"objects as deep as it fits":  repeat(`{"userIDs":["{}"],"x":`, `{"a":`, "1}"),
	"a form in disguise":          `userIDs=%5B%22{}%22%5D`,
	"XML":                         `<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>{}&x;</a>`,
	"YAML":                        "userIDs: &a [{}, *a]",
	"a list of users as a text":   `{"userIDs":"{}"}`,
	"a list of users as objects":  `{"userIDs":[{"$gt":"{}"}]}`,
	"a list in the list":          `{"userIDs":[["{}"]]}`,
}

// badKinds are headers of bodies that are refused.
var badKinds = map[string][]string{
	"no type":                  {},
	"a form":                   {"Content-Type: application/x-www-form-urlencoded"},
	"parts":                    {"Content-Type: multipart/form-data; boundary=x"},
	"text":                     {"Content-Type: text/plain"},
	"XML, the type":            {"Content-Type: application/xml"},
	"protobuf":                 {"Content-Type: application/x-protobuf"},
	"two types":                {"Content-Type: application/json", "Content-Type: application/json"},
	"two types in one":         {"Content-Type: application/json, text/plain"},
	"UTF-16, the charset":      {"Content-Type: application/json; charset=utf-16"},
	"a type that is malformed": {"Content-Type: application/json; charset"},
	"gzip":                     {"Content-Type: application/json", "Content-Encoding: gzip"},
	"br":                       {"Content-Type: application/json", "Content-Encoding: br"},
	"deflate twice":            {"Content-Type: application/json", "Content-Encoding: deflate, gzip"},
	"identity":                 {"Content-Type: application/json", "Content-Encoding: identity"},
	"an empty coding":          {"Content-Type: application/json", "Content-Encoding:"},
}

func attackBodies(t *testing.T, n *testEnv) {
	listeners := []struct{ name, address, target, credential string }{
		{"users", n.users, usersInfo, "token: " + n.people["alice"].Token()},
		{"admins", n.admins, adminUsersInfo, "Authorization: Bearer " + n.token(nil)},
	}
	bomb := gzipped(t, strings.Repeat("\x00", 64<<20))
	n.watched(t, func() {
		for _, d := range listeners {
			for name, body := range badBodies {
				if d.name == "admins" && strings.HasPrefix(name, "a list ") {
					continue // OpenIM checks an administrator's values
				}
				n.each(t, d.name+", "+name, func(t *testing.T) {
					canary := n.canary()
					n.refused(t, n.send(t, d.address, post(d.target, strings.ReplaceAll(body, "{}", canary), d.credential)), canary, 400, 1001)
				})
			}
			for name, kind := range badKinds {
				n.each(t, d.name+", "+name, func(t *testing.T) {
					canary := n.canary()
					body := whois(canary)
					if strings.Contains(strings.Join(kind, ""), "gzip") {
						body = bomb
					}
					lines := append(slices.Clone(kind), d.credential, fmt.Sprintf("Content-Length: %d", len(body)))
					n.refused(t, n.send(t, d.address, message("POST "+d.target+" HTTP/1.1", "", lines...)+body), canary, 415, 1001)
				})
			}
			for name, announced := range map[string]string{"a byte too many": "1048577", "10 GB announced": "10737418240",
				"2^63-1 announced": "9223372036854775807"} {
				n.each(t, d.name+", "+name, func(t *testing.T) {
					canary := n.canary()
					body := whois(canary) + strings.Repeat(" ", 1048577-len(whois(canary)))
					n.refused(t, n.send(t, d.address, message("POST "+d.target+" HTTP/1.1", "", d.credential, "Content-Type: application/json",
						"Content-Length: "+announced)+body), canary, 413, 1001)
				})
			}
			n.each(t, d.name+", chunks without an end", func(t *testing.T) {
				sent := n.endless(t, d.address, message("POST "+d.target+" HTTP/1.1", "", d.credential, "Content-Type: application/json",
					"Transfer-Encoding: chunked"))
				NewWithT(t).Expect(sent).To(BeNumerically("<", 64<<20), "bytes taken before the connection was closed")
			})
		}
		n.attackWidth(t)
		n.each(t, "a hundred at once, as deep as it fits", func(t *testing.T) {
			mark := n.mark()
			body := post(usersInfo, badBodies["as deep as it fits"], "token: "+n.people["alice"].Token())
			var work sync.WaitGroup
			for range 100 {
				work.Go(func() { _ = n.send(t, n.users, body) })
			}
			work.Wait()
			NewWithT(t).Expect(n.since(mark)).To(BeEmpty())
		})
	})
}

// refused expects one reply with one status and code; under the users' prefix status 400 is sent as 200.
func (n *testEnv) refused(t *testing.T, replies []reply, canary string, status, code int) {
	t.Helper()
	g := NewWithT(t)
	g.Expect(replies).To(HaveLen(1))
	g.Expect(replies[0].code).To(Equal(code), replies[0].String())
	if status == 400 {
		g.Expect(replies[0].status).To(BeElementOf(200, 400))
	} else {
		g.Expect(replies[0].status).To(Equal(status))
	}
	n.nothingCameToOpenIM(t, canary)
}

// nothingCameToOpenIM is nothingReached for bodies that only the backend reads and refuses.
func (n *testEnv) nothingCameToOpenIM(t *testing.T, canary string) {
	t.Helper()
	if seen := n.openimSaw(canary); len(seen) > 0 {
		t.Errorf("OpenIM got %s %s %.200s", seen[0].Method, seen[0].Path, seen[0].Body)
	}
}

// attackWidth sends valid JSON of the largest size. It may pass, and must not cost more memory than its size.
func (n *testEnv) attackWidth(t *testing.T) {
	members := strings.Builder{}
	for i := 0; members.Len() < 1<<20-64; i++ {
		fmt.Fprintf(&members, `"%x":0,`, i)
	}
	for name, body := range map[string]string{
		"as many members as fit":    "{" + members.String() + `"userIDs":["a"]}`,
		"as many elements as fit":   repeat(`{"userIDs":["a"`, `,""`, `]}`),
		"as many numbers as fit":    repeat(`{"userIDs":["a"],"x":[0`, `,0`, `]}`),
		"a number of 100,000 ciphs": `{"userIDs":["a"],"x":` + strings.Repeat("9", 100000) + `}`,
		"1e999999999":               `{"userIDs":["a"],"x":1e999999999}`,
		"1e-999999999":              `{"userIDs":["a"],"x":1e-999999999}`,
		"a megabyte of blanks":      repeat(`{"userIDs":["a"]`, " ", "}"),
		"a megabyte of text":        repeat(`{"userIDs":["`, "a", `"]}`),
		"a megabyte of escapes":     repeat(`{"userIDs":["`, `\u0041`, `"]}`),
		"a NUL, escaped":            `{"userIDs":["a\u0000b"]}`,
		"half a surrogate":          `{"userIDs":["\ud800"]}`,
		"__proto__":                 `{"userIDs":["a"],"__proto__":{"userID":"imAdmin"}}`,
	} {
		n.each(t, "wide, "+name, func(t *testing.T) {
			g := NewWithT(t)
			began := time.Now()
			mark := n.mark()
			replies := n.send(t, n.users, post(usersInfo, body, "token: "+n.people["alice"].Token()))
			g.Expect(replies).To(HaveLen(1))
			g.Expect(time.Since(began)).To(BeNumerically("<", atMost), "work that grows with the square of the size takes minutes")
			if !replies[0].granted() {
				g.Expect(replies[0].code).To(Equal(1001), replies[0].String())
				g.Expect(n.since(mark)).To(BeEmpty())
			}
		})
	}
}

// endless writes chunks until the connection breaks, and returns how many bytes were accepted.
func (n *testEnv) endless(t *testing.T, address, head string) int {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(atMost))
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	chunk := []byte("4000\r\n" + strings.Repeat(" ", 0x4000) + "\r\n")
	for sent := 0; sent < 1<<30; {
		written, err := conn.Write(chunk)
		sent += written
		if err != nil {
			return sent
		}
	}
	return 1 << 30
}

func gzipped(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// drip opens a connection, sends a beginning and then single bytes, and returns the answer and how long the connection lasted.
func drip(t *testing.T, address, beginning string) (answer string, lasted time.Duration) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Error(err)
		return "", 0
	}
	defer func() { _ = conn.Close() }()
	began := time.Now()
	_ = conn.SetDeadline(began.Add(atMost))
	_, _ = io.WriteString(conn, beginning)
	ended := make(chan struct{})
	go func() {
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				_, _ = io.WriteString(conn, "a")
			}
		}
	}()
	data, _ := io.ReadAll(conn)
	close(ended)
	return string(data), time.Since(began)
}

func attackSlowness(t *testing.T, n *testEnv) {
	const clients = 100
	alice := n.people["alice"]
	n.openim.Set(func(f *openimtest.Fake) {
		f.Replies["/conversation/get_all_conversations"] = `{"errCode":0,"errMsg":"","errDlt":"","data":{"conversations":[` +
			`{"ownerUserID":"alice","conversationID":"sg_1","ex":"` + strings.Repeat("x", 7<<20) + `"}]}}`
	})
	type slow struct {
		name, address, beginning string
		until                    time.Duration
	}
	all := []slow{
		{"header, users", n.users, "POST " + usersInfo + " HTTP/1.1\r\nHost: x\r\nX-", 9 * time.Second},
		{"header, admins", n.admins, "POST " + adminUsersInfo + " HTTP/1.1\r\nHost: x\r\nX-", 9 * time.Second},
		{"request line", n.users, "PO", 9 * time.Second},
		{"body", n.users, message("POST "+usersInfo+" HTTP/1.1", "", "Connection: close", "token: "+alice.Token(), "Content-Type: "+
			"application/json", "Content-Length: 1000") + `{"`, 20 * time.Second},
		{"body of a login", n.users, message("POST "+wire.PathLoginStart+" HTTP/1.1", "", "Connection: close", "Content-Type: "+
			"application/json", "Content-Length: 1000") + `{"`, 20 * time.Second},
		{"chunk's size", n.users, message("POST "+usersInfo+" HTTP/1.1", "", "Connection: close", "token: "+alice.Token(), "Content-Type: "+
			"application/json", "Transfer-Encoding: chunked"), 20 * time.Second},
		{"body without a session", n.users, message("POST "+usersInfo+" HTTP/1.1", "", "Connection: close", "Content-Type: application/json", "Content-Length: 100000") + `{"`, 20 * time.Second},
	}
	lasted := make([][]time.Duration, len(all))
	n.watched(t, func() {
		var work sync.WaitGroup
		for i, s := range all {
			lasted[i] = make([]time.Duration, clients)
			for j := range clients {
				work.Go(func() {
					answer, took := drip(t, s.address, s.beginning)
					n.mu.Lock()
					n.replies.WriteString(answer)
					n.mu.Unlock()
					lasted[i][j] = took
				})
			}
		}
		work.Wait()
	})
	for i, s := range all {
		n.each(t, s.name, func(t *testing.T) {
			NewWithT(t).Expect(slices.Max(lasted[i])).To(BeNumerically("<", s.until), "a hundred slow ones")
		})
	}
	n.each(t, "readers", func(t *testing.T) {
		g := NewWithT(t)
		mark := n.mark()
		n.watched(t, func() {
			var readers []net.Conn
			for range 8 {
				conn, err := net.Dial("tcp", n.users)
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(conn.(*net.TCPConn).SetReadBuffer(4 << 10)).To(Succeed())
				_, err = io.WriteString(conn, post(wire.UserPrefix+"/conversation/get_all_conversations", `{"ownerUserID":"alice"}`,
					"token: "+alice.Token()))
				g.Expect(err).NotTo(HaveOccurred())
				readers = append(readers, conn)
			}
			g.Eventually(func() int { return len(n.since(mark)) }, patience).Should(Equal(len(readers)))
			for range 50 {
				g.Expect(n.otherUser(t)).To(BeEmpty())
			}
			for _, conn := range readers {
				_ = conn.Close()
			}
		})
	})
}
