package frame

import (
	"bytes"
	"encoding/gob"
	"testing"

	. "github.com/onsi/gomega"
)

// The structs of OpenIM's server and of its Go SDK: their names, orders and integer widths differ.
type (
	Req struct {
		ReqIdentifier                       int32
		Token, SendID, OperationID, MsgIncr string
		Data                                []byte
	}
	Resp struct {
		ReqIdentifier        int32
		MsgIncr, OperationID string
		ErrCode              int
		ErrMsg               string
		Data                 []byte
	}
	GeneralWsReq struct {
		ReqIdentifier                       int
		Token, SendID, OperationID, MsgIncr string
		Data                                []byte
	}
	GeneralWsResp struct {
		ReqIdentifier, ErrCode       int
		ErrMsg, MsgIncr, OperationID string
		Data                         []byte
	}
)

func goGob(t testing.TB, v any) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := gob.NewEncoder(&out).Encode(v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRequestsOfTheGoSDKAreDecoded(t *testing.T) {
	g := NewWithT(t)
	for _, data := range [][]byte{nil, {0}, bytes.Repeat([]byte{0xfe}, 127), bytes.Repeat([]byte{7}, 128), bytes.Repeat([]byte{9}, 45000)} {
		for _, id := range []int{0, 1, 63, 64, 1003, -1, 1<<31 - 1} {
			sent := GeneralWsReq{ReqIdentifier: id, SendID: "alice", OperationID: "op", MsgIncr: "m1", Token: "dropped", Data: data}
			got, err := Encoding{}.DecodeRequest(goGob(t, sent))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got.ID).To(BeEquivalentTo(id))
			g.Expect(got).To(Equal(Request{ID: got.ID, SendID: "alice", OperationID: "op", MsgIncr: "m1", Data: got.Data}))
			g.Expect(got.Data).To(HaveLen(len(data)))
			g.Expect(bytes.Equal(got.Data, data)).To(BeTrue())
		}
	}
}

func TestFieldsInAnotherOrderAreRead(t *testing.T) {
	g := NewWithT(t)
	type shuffled struct {
		Data                                []byte
		MsgIncr, OperationID, SendID, Token string
		ReqIdentifier                       int64
	}
	got, err := Encoding{}.DecodeRequest(goGob(t, shuffled{ReqIdentifier: 1001, SendID: "a", Data: []byte("d")}))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got).To(Equal(Request{ID: 1001, SendID: "a", Data: []byte("d")}))
}

func TestGoDecodesEncodedFrames(t *testing.T) {
	g := NewWithT(t)
	for _, size := range []int{0, 1, 127, 128, 40000} {
		data := bytes.Repeat([]byte{3}, size)
		var req Req
		g.Expect(gob.NewDecoder(bytes.NewReader(encodeGobRequest(Request{ID: 1003, SendID: "alice", OperationID: "op", MsgIncr: "m",
			Data: data}))).Decode(&req)).To(Succeed())
		g.Expect(req.Token).To(BeEmpty())
		g.Expect(bytes.Equal(req.Data, data)).To(BeTrue())
		req.Data = nil
		g.Expect(req).To(Equal(Req{ReqIdentifier: 1003, SendID: "alice", OperationID: "op", MsgIncr: "m"}))

		var rep GeneralWsResp
		sent := Reply{ID: 2001, ErrCode: -5, ErrMsg: "no", MsgIncr: "m", OperationID: "op", Data: data}
		g.Expect(gob.NewDecoder(bytes.NewReader(encodeGobReply(sent))).Decode(&rep)).To(Succeed())
		g.Expect(bytes.Equal(rep.Data, data)).To(BeTrue())
		rep.Data = nil
		g.Expect(rep).To(Equal(GeneralWsResp{ReqIdentifier: 2001, ErrCode: -5, ErrMsg: "no", MsgIncr: "m", OperationID: "op"}))
	}
}

func TestRepliesOfOpenIMAreDecoded(t *testing.T) {
	g := NewWithT(t)
	sent := Resp{ReqIdentifier: 1003, MsgIncr: "m", OperationID: "op", ErrCode: 1002, ErrMsg: "no", Data: bytes.Repeat([]byte{1}, 9000)}
	for _, e := range []Encoding{{}, {Gzip: true}, {JSON: true}, {JSON: true, Gzip: true}} {
		whole := goGob(t, sent)
		if e.JSON {
			whole = encodeJSONReply(Reply{ID: 1003, MsgIncr: "m", OperationID: "op", ErrCode: 1002, ErrMsg: "no", Data: sent.Data})
		}
		if e.Gzip {
			whole = gzipped(whole)
		}
		head, err := e.ReplyHead(whole)
		g.Expect(err).NotTo(HaveOccurred(), e.String())
		head.Data = nil
		g.Expect(head).To(Equal(Reply{ID: 1003, MsgIncr: "m", OperationID: "op", ErrCode: 1002, ErrMsg: "no"}), e.String())
		all, err := e.DecodeReply(whole)
		g.Expect(err).NotTo(HaveOccurred(), e.String())
		g.Expect(bytes.Equal(all.Data, sent.Data)).To(BeTrue(), e.String())
	}
}

func TestGobThatDescribesAnythingElseIsRefused(t *testing.T) {
	type nested struct{ A []string }
	for name, sent := range map[string]any{
		"a field too many": struct {
			ReqIdentifier int
			Role          string
		}{1, "admin"},
		"another type for a field": struct{ ReqIdentifier string }{"1"},
		"an unsigned field":        struct{ ReqIdentifier uint32 }{1},
		"a nested struct":          struct{ Data nested }{nested{[]string{"a"}}},
		"a map":                    map[string]string{"SendID": "alice"},
		"a list":                   []string{"a"},
		"a number":                 7,
		"a text":                   "hello",
		"an unknown name":          struct{ Sendid string }{"alice"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Encoding{}.DecodeRequest(goGob(t, sent))
			NewWithT(t).Expect(err).To(MatchError(ErrMalformed))
		})
	}
}

func TestTruncatedFramesAndTrailingDataAreRefused(t *testing.T) {
	g := NewWithT(t)
	whole := goGob(t, GeneralWsReq{ReqIdentifier: 1003, SendID: "alice", OperationID: "op", MsgIncr: "m", Data: []byte("data")})
	for n := range len(whole) {
		_, err := Encoding{}.DecodeRequest(whole[:n])
		g.Expect(err).To(HaveOccurred(), "the first %d bytes", n)
	}
	for _, tail := range [][]byte{{0}, whole, {1, 0}} {
		_, err := Encoding{}.DecodeRequest(append(bytes.Clone(whole), tail...))
		g.Expect(err).To(HaveOccurred())
	}
}

func TestALongIntegerIsRefused(t *testing.T) {
	for _, in := range [][]byte{{0xff, 0x7f}, {0xfe, 0x00, 0x80}, {0x80}, {0xf7, 1, 1, 1, 1, 1, 1, 1, 1, 1}, {0xf8, 1}, {}} {
		r := &gobReader{in: in}
		r.uint()
		NewWithT(t).Expect(r.failed).To(BeTrue(), "%x", in)
	}
}

func TestHugeLengthsAllocateNothing(t *testing.T) {
	value := appendInt(nil, ourType)
	value = append(value, 3)
	value = appendUint(value, 1<<40) // SendID
	frame := append(bytes.Clone(requestDescriptor), appendUint(nil, uint64(len(value)))...)
	frame = append(frame, value...)
	allocated := testing.AllocsPerRun(100, func() {
		if _, err := decodeGobRequest(frame); err == nil {
			t.Fatal("accepted")
		}
	})
	NewWithT(t).Expect(allocated).To(BeNumerically("<", 20))
}
