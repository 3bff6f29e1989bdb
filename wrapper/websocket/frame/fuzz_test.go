package frame

import (
	"bytes"
	"encoding/gob"
	"testing"
)

func FuzzGobRequest(f *testing.F) {
	f.Add(goGob(f, GeneralWsReq{ReqIdentifier: 1003, SendID: "alice", Data: []byte("d")}))
	f.Add(goGob(f, Req{}))
	f.Add(encodeGobRequest(Request{ID: -1, MsgIncr: "m"}))
	f.Add(goGob(f, map[string]int{"a": 1}))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) > MaxRequest {
			return
		}
		got, err := decodeGobRequest(in)
		if err != nil {
			return
		}
		// What we accept, Go's own decoder reads in the same way.
		var theirs Req
		if err := gob.NewDecoder(bytes.NewReader(in)).Decode(&theirs); err != nil {
			t.Fatalf("accepted what encoding/gob refuses: %v", err)
		}
		if theirs.ReqIdentifier != got.ID || theirs.SendID != got.SendID || theirs.OperationID != got.OperationID ||
			theirs.MsgIncr != got.MsgIncr || !bytes.Equal(theirs.Data, got.Data) {
			t.Fatalf("read %+v, encoding/gob reads %+v", got, theirs)
		}
	})
}

func FuzzRequest(f *testing.F) {
	for _, e := range encodings {
		out, _ := e.EncodeRequest(Request{ID: 1003, SendID: "alice", OperationID: "o", MsgIncr: "m", Data: []byte("d")})
		f.Add(out, e.JSON, e.Gzip)
	}
	f.Fuzz(func(t *testing.T, in []byte, asJSON, zipped bool) {
		e := Encoding{JSON: asJSON, Gzip: zipped}
		got, err := e.DecodeRequest(in)
		if err != nil {
			return
		}
		out, err := e.EncodeRequest(got)
		if err != nil {
			return // it fits no longer
		}
		again, err := e.DecodeRequest(out)
		if err != nil {
			t.Fatal("our own frame is not read")
		}
		if again.ID != got.ID || again.SendID != got.SendID || again.MsgIncr != got.MsgIncr || again.OperationID != got.OperationID ||
			!bytes.Equal(again.Data, got.Data) {
			t.Fatalf("%+v came back as %+v", got, again)
		}
	})
}

func FuzzReplyHead(f *testing.F) {
	for _, e := range encodings {
		f.Add(e.EncodeReply(Reply{ID: 2001, ErrMsg: "x", Data: []byte("d")}), e.JSON, e.Gzip)
	}
	f.Fuzz(func(_ *testing.T, in []byte, asJSON, zipped bool) {
		e := Encoding{JSON: asJSON, Gzip: zipped}
		_, _ = e.ReplyHead(in)
		_, _ = e.DecodeReply(in)
	})
}
