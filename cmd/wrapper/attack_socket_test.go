package main

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/websocket/msggatewaytest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// pb writes protobuf.
type pb []byte

func (p pb) str(field protowire.Number, v string) pb {
	return protowire.AppendString(protowire.AppendTag(p, field, protowire.BytesType), v)
}

func (p pb) num(field protowire.Number, v int64) pb {
	return protowire.AppendVarint(protowire.AppendTag(p, field, protowire.VarintType), uint64(v))
}

func (p pb) in(field protowire.Number, v pb) pb { return p.str(field, string(v)) }

func attackSocket(t *testing.T, n *testEnv) {
	n.attackOpening(t)
	n.attackFrames(t)
	n.attackProtocol(t)
}

// opening is an attempt to open a socket: its query, and header lines.
type opening struct {
	query   string
	headers []string
}

func (n *testEnv) attackOpening(t *testing.T) {
	alice, bob := n.people["alice"], n.people["bob"]
	gone := n.login(t, "mallory")
	NewWithT(t).Expect(gone.Revoke(t.Context(), client.ThisSession)).To(Succeed())
	used := n.ticket(t, alice.Session)
	ws := n.mustDial(t, opening{headers: []string{offer(used)}})
	_ = ws.Close()
	protocol := func(names ...string) []string {
		return []string{"Sec-WebSocket-Protocol: " + strings.Join(names, ", ")}
	}
	query := func(user, token string, platform any) string {
		return fmt.Sprintf("?sendID=%s&token=%s&platformID=%v&operationID=o&isBackground=false", user, token, platform)
	}
	good := query("alice", alice.Token(), 1)
	packed := func(text string) string { return "?v=" + base64.RawURLEncoding.EncodeToString([]byte(text)) }
	ticket := func(s *client.Session) string { return "ticket." + n.ticket(t, s).Text }
	for name, c := range map[string]opening{
		"nothing":                       {},
		"a ticket twice":                {headers: []string{offer(used)}},
		"bob's ticket for alice":        {"?sendID=alice", protocol("openim.v1", ticket(bob.Session))},
		"a ticket for another platform": {"?platformID=5", protocol("openim.v1", ticket(alice.Session))},
		"a ticket and a token":          {good, protocol("openim.v1", ticket(alice.Session))},
		"a ticket without its protocol": {headers: protocol(ticket(alice.Session))},
		"a ticket of another protocol":  {headers: protocol("openim.v2", ticket(alice.Session))},
		"two tickets":                   {headers: protocol("openim.v1", ticket(alice.Session), ticket(bob.Session))},
		"an empty ticket":               {headers: protocol("openim.v1", "ticket.")},
		"a ticket in the query":         {query: "?ticket=" + n.ticket(t, alice.Session).Text},
		"a ticket as the token":         {query: query("alice", n.ticket(t, alice.Session).Text, 1)},
		"a token as the ticket":         {headers: protocol("openim.v1", "ticket."+alice.Token())},
		"a guessed ticket":              {headers: protocol("openim.v1", "ticket."+strings.Repeat("A", 43))},
		"a very long ticket":            {headers: protocol("openim.v1", "ticket."+strings.Repeat("A", 5000))},
		"the protocol alone":            {headers: protocol("openim.v1")},
		"a revoked session":             {query: query("mallory", gone.Token(), 3)},
		"bob's token for alice":         {query: query("alice", bob.Token(), 1)},
		"bob's token for alice's platf": {query: query("bob", bob.Token(), 1)},
		"the administrator's platform":  {query: query("alice", alice.Token(), 10)},
		"the administrator's name":      {query: query("imAdmin", alice.Token(), 1)},
		"the check's user":              {query: query("openimstack_check_b", alice.Token(), 1)},
		"platform 257":                  {query: query("alice", alice.Token(), 257)},
		"platform -1":                   {query: query("alice", alice.Token(), -1)},
		"platform +1, with a blank":     {query: query("alice", alice.Token(), "%201")},
		"platform 1e0":                  {query: query("alice", alice.Token(), "1e0")},
		"no platform":                   {query: "?sendID=alice&token=" + alice.Token()},
		"no user":                       {query: "?platformID=1&token=" + alice.Token()},
		"a user in capitals":            {query: query("ALICE", alice.Token(), 1)},
		"a user with a NUL":             {query: query("alice%00", alice.Token(), 1)},
		"OpenIM's token":                {query: query("alice", alice.openim, 1)},
		"an administrator's JWT":        {query: query("alice", n.token(nil), 1)},
		"the session's id":              {query: query("alice", alice.ID, 1)},
		"a token twice":                 {query: good + "&token=" + alice.Token()},
		"a user twice":                  {query: good + "&sendID=bob"},
		"a platform twice":              {query: good + "&platformID=1"},
		"a parameter of one's own":      {query: good + "&opUserID=imAdmin"},
		"a parameter of other letters":  {query: good + "&SendID=bob"},
		"semicolons":                    {query: strings.ReplaceAll(good, "&", ";")},
		"a broken percent":              {query: good + "%"},
		"a line in the operation":       {query: strings.Replace(good, "operationID=o", "operationID=o%0aX", 1)},
		"another compression":           {query: good + "&compression=deflate"},
		"another SDK":                   {query: good + "&sdkType=py"},
		"a long query":                  {query: good + "&sdkVersion=" + strings.Repeat("a", 9000)},
		"the token in a header alone": {"?sendID=alice&platformID=1", []string{"token: " + alice.Token(),
			"Authorization: Bearer " + alice.Token()}},
		"v and more":                     {query: packed(`{"token":"`+alice.Token()+`","userID":"alice","platformID":1}`) + "&sendID=bob"},
		"v of another user":              {query: packed(`{"token":"` + alice.Token() + `","userID":"bob","platformID":1}`)},
		"v with a member twice":          {query: packed(`{"token":"` + alice.Token() + `","userID":"bob","userID":"alice","platformID":1}`)},
		"v with a member of one's own":   {query: packed(`{"token":"` + alice.Token() + `","userID":"alice","platformID":1,"isAdmin":true}`)},
		"v with a platform as a text":    {query: packed(`{"token":"` + alice.Token() + `","userID":"alice","platformID":"1"}`)},
		"v that is no object":            {query: packed(`["alice"]`)},
		"v that is no base64":            {query: "?v=***"},
		"v within v":                     {query: packed(`{"v":"x"}`)},
		"a page of another origin":       {good, []string{"Origin: https://evil.example"}},
		"a page without an origin":       {good, []string{"Origin: null"}},
		"an old version of the protocol": {good, []string{"Sec-WebSocket-Version: 8"}},
		"an invalid key":                 {good, []string{"Sec-WebSocket-Key: x"}},
		"two keys": {good, []string{"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Key: " +
			"dGhlIHNhbXBsZSBub25jZQ=="}},
		"isMsgResp for a revoked session": {query: query("mallory", gone.Token(), 3) + "&isMsgResp=true"},
	} {
		n.each(t, "opening, "+name, func(t *testing.T) {
			g := NewWithT(t)
			before := len(n.openimWS.Queries())
			data := n.bytesOf(t, n.users, c.upgrade())
			if strings.Contains(c.query, "isMsgResp") { // the refusal is sent as the socket's only frame
				g.Expect(string(data)).To(And(ContainSubstring("101 Switching"), ContainSubstring(`"errCode":1506`)))
			} else {
				g.Expect(string(data)).NotTo(ContainSubstring("101 Switching"))
				g.Expect(n.read(t, data)).To(HaveLen(1))
			}
			// With alice's credential, OpenIM may be called before the upgrade fails for its form.
			if !strings.Contains(name, "version") && !strings.Contains(name, "key") {
				g.Expect(n.openimWS.Queries()).To(HaveLen(before))
			}
		})
	}
}

func offer(ticket client.Ticket) string {
	return "Sec-WebSocket-Protocol: " + strings.Join(ticket.Subprotocols(), ", ")
}

// upgrade returns the request's text. The opening's own lines replace the usual ones.
func (o opening) upgrade() string {
	lines := []string{"GET " + wire.SocketPath + o.query + " HTTP/1.1", "Host: im.example.com", "Connection: Upgrade", "Upgrade: websocket"}
	own := strings.Join(o.headers, "\n")
	for _, usual := range []string{"Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="} {
		if name, _, _ := strings.Cut(usual, ":"); !strings.Contains(own, name) {
			lines = append(lines, usual)
		}
	}
	return strings.Join(append(lines, o.headers...), "\r\n") + "\r\n\r\n"
}

// mustDial opens a socket as a byte stream.
func (n *testEnv) mustDial(t *testing.T, o opening) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", n.users)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(atMost))
	if _, err := io.WriteString(conn, o.upgrade()); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(conn)
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("not opened: %d", resp.StatusCode)
	}
	return conn
}

// alices returns the query of alice's socket in one encoding.
func (n *testEnv) alices(more string) opening {
	return opening{query: fmt.Sprintf("?sendID=alice&token=%s&platformID=1&operationID=o&isBackground=false%s",
		n.people["alice"].Token(), more)}
}

// attackFrames sends well-formed frames that name other users as the sender.
func (n *testEnv) attackFrames(t *testing.T) {
	text := func(p pb) pb { return p.str(4, "c1").num(10, 100).num(6, 1).str(12, messageText) }
	ranges := func(conversation string) pb {
		return pb{}.str(1, "alice").in(2, pb{}.str(1, conversation).num(2, 1).num(3, 2).num(4, 10))
	}
	seqs := func(conversation string) pb { return pb{}.str(1, "alice").in(2, pb{}.str(2, conversation).num(3, 1)) }
	type attack struct {
		id   int64
		data pb
	}
	attacks := map[string]attack{
		"1001 for bob":               {1001, pb{}.str(1, "bob")},
		"1001 for alice and bob":     {1001, pb{}.str(1, "alice").str(1, "bob")},
		"1003 as bob":                {1003, text(pb{}.str(1, "bob").str(2, "mallory").num(9, 1).num(11, 101))},
		"1003 as alice and bob":      {1003, text(pb{}.str(1, "alice").str(1, "bob").str(2, "mallory").num(9, 1).num(11, 101))},
		"1003 to a group of bob's":   {1003, text(pb{}.str(1, "alice").str(3, "chess").num(9, 3).num(11, 101))},
		"1003 to a user and a group": {1003, text(pb{}.str(1, "alice").str(2, "bob").str(3, "chess").num(9, 1).num(11, 101))},
		"1003 to the check's user":   {1003, text(pb{}.str(1, "alice").str(2, "openimstack_check_b").num(9, 1).num(11, 101))},
		"1003 as the check's user":   {1003, text(pb{}.str(1, "openimstack_check_a").str(2, "bob").num(9, 1).num(11, 101))},
		"2005 for the check's user":  {2005, pb{}.str(1, "bob").str(1, "openimstack_check_b")},
		"1003 of session type 4":     {1003, text(pb{}.str(1, "alice").str(2, "bob").num(9, 4).num(11, 101))},
		"1003 of session type 2":     {1003, text(pb{}.str(1, "alice").str(3, "chess").num(9, 2).num(11, 101))},
		"1003 of no session type":    {1003, text(pb{}.str(1, "alice").str(2, "bob").num(11, 101))},
		"1003 to nobody":             {1003, text(pb{}.str(1, "alice").num(9, 1).num(11, 101))},
		"1003 with a strange option": {
			1003,
			text(pb{}.str(1, "alice").str(2, "bob").num(9, 1).num(11, 101).in(19, pb{}.str(1, "notification").num(2, 1))),
		},
		"1003 that is no protobuf":    {1003, pb("\xff\xff\xff")},
		"1003 without an end":         {1003, pb{0x0a, 0x7f, 'a'}},
		"1003 that goes round a size": {1003, pb{0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
		"2003 for bob":                {2003, pb{}.str(1, "bob").num(2, 1)},
		"2004 for bob":                {2004, pb{}.str(1, "bob").num(2, 1)},
		"1003 to a pattern of groups": {1003, text(pb{}.str(1, "alice").str(3, "$|^sg_chess").num(9, 3).num(11, 101))},
		"2005 for a pattern of users": {2005, pb{}.str(1, "^.*")},
		"1004":                        {1004, text(pb{}.str(1, "alice").str(2, "bob"))},
	}
	for _, kind := range []int64{0, -1, 1200, 1201, 1400, 1501, 1509, 1521, 1701, 2000, 2001, 2101, 2102, 2150, 2200, 5000} {
		attacks[fmt.Sprintf("1003 of content type %d", kind)] = attack{1003, text(pb{}.str(1, "alice").str(2, "bob").num(9, 1).num(11, kind))}
	}
	for _, id := range []int64{0, -1, 1, 1000, 1008, 2001, 2002, 2006, 3001, 9999, 1<<31 - 1} {
		attacks[fmt.Sprintf("request %d", id)] = attack{id, pb{}.str(1, "alice")}
	}
	for _, conversation := range []string{"si_bob_mallory", "sg_chess", "n_bob", "sn_bob_imAdmin", "si_alice",
		"si_openimstack_check_a_openimstack_check_b", "si_alice_openimstack_check_b",
		"si_bob_mallory\x00alice", "", "*",
		"sg_$|^si.bob.mallory:", "si_alice_.*"} {
		name := fmt.Sprintf("%q", conversation)
		attacks["1002 "+name] = attack{1002, ranges(conversation)}
		attacks["1005 "+name] = attack{1005, seqs(conversation)}
		attacks["1006 "+name] = attack{1006, pb{}.str(1, "alice").str(2, conversation)}
		attacks["1007 "+name] = attack{1007, pb{}.str(1, "alice").str(2, conversation)}
	}
	for name, a := range attacks {
		n.each(t, "frame, "+name, func(t *testing.T) {
			g := NewWithT(t)
			canary := n.canary()
			ws := n.gorilla(t, "&sdkType=js")
			request := map[string]any{"reqIdentifier": a.id, "sendID": "alice", "operationID": canary, "msgIncr": "1", "data": []byte(a.data)}
			g.Expect(ws.send(request)).To(Succeed())
			resp, err := ws.next()
			if err == nil {
				g.Expect(resp.ErrCode).NotTo(BeZero(), "%+v", resp)
			}
			g.Expect(n.frames(canary)).To(BeEmpty())
		})
	}
	for name, change := range map[string]map[string]any{
		"an outer sendID of bob's":   {"sendID": "bob"},
		"an outer sendID, imAdmin":   {"sendID": "imAdmin"},
		"an outer sendID, a check's": {"sendID": "openimstack_check_a"},
		"no outer sendID":            {"sendID": ""},
		"a token beside":             {"token": n.people["bob"].openim},
		"members of other letters":   {"SendID": "bob"},
		"a member of one's own":      {"opUserID": "imAdmin"},
		"a platform":                 {"platformID": 10},
		"a number as a text":         {"reqIdentifier": "1001"},
		"a number with a fraction":   {"reqIdentifier": 1001.5},
		"data as a list":             {"data": []int{10, 3}},
		"a long operation":           {"msgIncr": strings.Repeat("x", 300)},
		"an operation as an object":  {"msgIncr": map[string]any{"a": 1}},
		"a request beyond 32 bits":   {"reqIdentifier": 4294968297},
		"a request that is negative": {"reqIdentifier": -4294966295},
	} {
		n.each(t, "frame, "+name, func(t *testing.T) {
			g := NewWithT(t)
			canary := n.canary()
			ws := n.gorilla(t, "&sdkType=js")
			request := map[string]any{"reqIdentifier": 1001, "sendID": "alice", "operationID": canary, "msgIncr": "1",
				"data": []byte(pb{}.str(1, "alice"))}
			maps.Copy(request, change)
			g.Expect(ws.send(request)).To(Succeed())
			resp, err := ws.next()
			for _, f := range n.frames(canary) {
				g.Expect(f.SendID).To(Equal("alice"))
				g.Expect(f.Token).To(BeEmpty())
				g.Expect(f.ReqIdentifier).To(BeEquivalentTo(1001))
				g.Expect(err).NotTo(HaveOccurred())
				g.Expect(resp.ErrCode).To(BeZero())
			}
		})
	}
}

// frames returns the frames of an operation that msggateway received.
func (n *testEnv) frames(operation string) (found []msggatewaytest.Req) {
	for _, r := range n.openimWS.Received() {
		if r.OperationID == operation {
			found = append(found, r)
		}
	}
	return found
}

// peer is a client whose frames are JSON.
type peer struct{ *websocket.Conn }

func (n *testEnv) gorilla(t *testing.T, more string) *peer {
	t.Helper()
	ws, resp, err := websocket.DefaultDialer.Dial("ws://"+n.users+wire.SocketPath+n.alices(more).query, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	t.Cleanup(func() { _ = ws.Close() })
	return &peer{ws}
}

// send writes a binary frame of JSON.
func (p *peer) send(v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return p.WriteMessage(websocket.BinaryMessage, data)
}

// next reads the next frame. An error means that the socket has ended.
func (p *peer) next() (resp msggatewaytest.Resp, err error) {
	_ = p.SetReadDeadline(time.Now().Add(atMost))
	_, data, err := p.ReadMessage()
	if err != nil {
		return resp, err
	}
	return resp, json.Unmarshal(data, &resp)
}

// Opcodes of RFC 6455 section 11.8, with FIN.
const (
	fin    = 0x80
	binOp  = 0x2
	masked = 0x80
)

// frameOf writes one frame as a client does, with a mask of zeroes.
func frameOf(first byte, payload string) string {
	var head []byte
	switch {
	case len(payload) < 126:
		head = []byte{first, masked | byte(len(payload))}
	case len(payload) < 1<<16:
		head = binary.BigEndian.AppendUint16([]byte{first, masked | 126}, uint16(len(payload)))
	default:
		head = binary.BigEndian.AppendUint64([]byte{first, masked | 127}, uint64(len(payload)))
	}
	return string(head) + "\x00\x00\x00\x00" + payload
}

// attackProtocol sends invalid frames. The socket must end, and msggateway must receive nothing.
func (n *testEnv) attackProtocol(t *testing.T) {
	bin := byte(fin | binOp)
	deep := strings.Repeat("[", 25000)
	bomb := gzipped(t, strings.Repeat("\x00", 40<<20))
	for name, c := range map[string]struct{ encoding, bytes string }{
		"a reserved bit":                {"", frameOf(bin|0x40, "x")},
		"another reserved bit":          {"", frameOf(bin|0x10, "x")},
		"opcode 3":                      {"", frameOf(fin|3, "x")},
		"opcode 11":                     {"", frameOf(fin|11, "x")},
		"no mask":                       {"", "\x82\x01x"},
		"a fragmented ping":             {"", frameOf(9, "x")},
		"a ping of 126 bytes":           {"", frameOf(fin|9, strings.Repeat("x", 126))},
		"a continuation of nothing":     {"", frameOf(fin, "x")},
		"a message within a message":    {"", frameOf(binOp, "x") + frameOf(bin, "y")},
		"2^63 bytes announced":          {"", "\x82\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00x"},
		"a frame too large":             {"", frameOf(bin, strings.Repeat("x", 128<<10+1))},
		"fragments without an end":      {"", frameOf(binOp, "x") + strings.Repeat(frameOf(0, strings.Repeat("x", 1000)), 200)},
		"empty fragments, many":         {"&sdkType=js", frameOf(binOp, "") + strings.Repeat(frameOf(0, ""), 5000) + frameOf(fin, "x")},
		"frames after close":            {"", frameOf(fin|8, "\x03\xe8") + frameOf(bin, "x")},
		"close with one byte":           {"", frameOf(fin|8, "x")},
		"close with a reserved code":    {"", frameOf(fin|8, "\x03\xed")},
		"close with a code of nobody's": {"", frameOf(fin|8, "\xff\xff")},
		"text that is no UTF-8":         {"", frameOf(fin|1, "\xff")},
		"text that is no ping":          {"", frameOf(fin|1, `{"type":"send"}`)},
		"text as a request":             {"&sdkType=js", frameOf(fin|1, `{"reqIdentifier":1001,"sendID":"alice"}`)},
		"a large ping in text":          {"", frameOf(fin|1, `{"type":"ping","body":"`+strings.Repeat("x", 2000)+`"}`)},
		"an empty frame":                {"", frameOf(bin, "")},
		"JSON to gob":                   {"", frameOf(bin, `{"reqIdentifier":1001}`)},
		"gob to JSON":                   {"&sdkType=js", frameOf(bin, "\x10\xff\x81\x03\x01\x01")},
		"no gzip":                       {"&compression=gzip", frameOf(bin, "x")},
		"half a gzip":                   {"&compression=gzip", frameOf(bin, bomb[:1000])},
		"a gzip bomb":                   {"&compression=gzip", frameOf(bin, bomb)},
		"a gzip bomb, JSON":             {"&compression=gzip&sdkType=js", frameOf(bin, bomb)},
		"a gzip with a wrong sum": {"&compression=gzip&sdkType=js", frameOf(bin, strings.Replace(gzipped(t, "{}"), "\x02\x00\x00\x00",
			"\x09\x00\x00\x00", 1))},
		"two gzips":        {"&compression=gzip&sdkType=js", frameOf(bin, gzipped(t, "{}")+gzipped(t, "{}"))},
		"JSON, deep":       {"&sdkType=js", frameOf(bin, `{"data":`+deep)},
		"JSON, deep, gzip": {"&sdkType=js&compression=gzip", frameOf(bin, gzipped(t, `{"data":`+strings.Repeat("[", 500000)))},
		"JSON, a member twice": {"&sdkType=js", frameOf(bin,
			`{"reqIdentifier":1001,"reqIdentifier":1003,"sendID":"alice","operationID":"twice"}`)},
		"JSON, two":                   {"&sdkType=js", frameOf(bin, `{"reqIdentifier":1001}{"reqIdentifier":1001}`)},
		"JSON, no UTF-8":              {"&sdkType=js", frameOf(bin, "{\"operationID\":\"\xff\"}")},
		"JSON, a list":                {"&sdkType=js", frameOf(bin, `[1001]`)},
		"gob, a huge length":          {"", frameOf(bin, "\xf8\x7f\xff\xff\xff\xff\xff\xff\xff")},
		"gob, a length of a gigabyte": {"", frameOf(bin, "\xfc\x40\x00\x00\x00\x01")},
		"gob, a type that has itself": {"", frameOf(bin,
			"\x1d\xff\x81\x03\x01\x01\x03Req\x01\xff\x82\x00\x01\x01\x01\x01A\x01\xff\x82\x00\x00\x00")},
		"gob, a type of many fields": {"", frameOf(bin,
			"\xfe\x40\x00\xff\x81\x03\x01\x01\x03Req\x01\xff\x82\x00\x01\xff\xff"+strings.Repeat("\x01\x01A\x01\x04\x00", 2700))},
		"gob, a type of one's own":        {"", frameOf(bin, "\x0c\xff\x81\x02\x01\x02\xff\x82\x00\x01\x0c\x00\x00")},
		"gob, a value of no type":         {"", frameOf(bin, "\x05\xff\x90\x01\x02\x00")},
		"gob, a slice of 2^60":            {"", frameOf(bin, "\x0c\xff\x82\x01\xf8\x10\x00\x00\x00\x00\x00\x00\x00")},
		"gob, types alone, many":          {"", frameOf(bin, strings.Repeat("\x0c\xff\x81\x02\x01\x02\xff\x82\x00\x01\x0c\x00\x00", 3000))},
		"HTTP":                            {"", post(usersInfo, whois("x"), "token: "+n.people["alice"].Token())},
		"a second upgrade":                {"", n.alices("").upgrade()},
		"TLS":                             {"", "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03"},
		"random bytes":                    {"", strings.Repeat("\x9d\x41\xf0\x13", 100)},
		"nothing but zeroes":              {"", strings.Repeat("\x00", 4096)},
		"a length that is longer than it": {"&sdkType=js", "\x82\xfe\x00\x01\x00\x00\x00\x00x"},
	} {
		n.each(t, "bytes, "+name, func(t *testing.T) {
			g := NewWithT(t)
			received := len(n.openimWS.Received())
			conn := n.mustDial(t, n.alices(c.encoding))
			go func() { _, _ = io.WriteString(conn, c.bytes) }()
			rest, err := io.ReadAll(conn)
			if timeout, ok := err.(net.Error); ok { //nolint:errorlint // the connection returns it unwrapped; a reset connection was cut off too
				g.Expect(timeout.Timeout()).To(BeFalse())
			}
			n.mu.Lock()
			n.replies.Write(rest)
			n.mu.Unlock()
			g.Expect(n.openimWS.Received()).To(HaveLen(received))
		})
	}
	n.each(t, "bytes, a thousand pings", func(t *testing.T) {
		g := NewWithT(t)
		conn := n.mustDial(t, n.alices("&sdkType=js"))
		pongs := make(chan int)
		go func() {
			data := make([]byte, 3*1000)
			read, _ := io.ReadFull(conn, data)
			pongs <- bytes.Count(data[:read], []byte("\x8a\x01p"))
		}()
		_, err := io.WriteString(conn, strings.Repeat(frameOf(fin|9, "p"), 1000))
		g.Expect(err).NotTo(HaveOccurred())
		g.Eventually(pongs, patience).Should(Receive(Equal(1000)), "each is answered, and the socket stays open")
	})
	n.each(t, "sockets of all attacks are gone", func(t *testing.T) {
		NewWithT(t).Eventually(n.openimWS.Connections, patience).Should(BeZero())
	})
}
