package frame

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

var encodings = []Encoding{{}, {Gzip: true}, {JSON: true}, {JSON: true, Gzip: true}}

func TestARequestSurvivesEveryEncoding(t *testing.T) {
	g := NewWithT(t)
	for _, e := range encodings {
		sizes := []int{0, 1, 900, 30000}
		if e.Gzip {
			sizes = append(sizes, storeUpTo-200, storeUpTo, 150000)
		}
		for _, size := range sizes {
			sent := Request{ID: 1005, SendID: "alice", OperationID: "op", MsgIncr: "m", Data: bytes.Repeat([]byte("x"), size)}
			out, err := e.EncodeRequest(sent)
			g.Expect(err).NotTo(HaveOccurred())
			got, err := e.DecodeRequest(out)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(bytes.Equal(got.Data, sent.Data)).To(BeTrue())
			got.Data, sent.Data = nil, nil
			g.Expect(got).To(Equal(sent))
		}
	}
}

func TestLongerFramesThanOpenIMReadsAreNotWritten(t *testing.T) {
	random := make([]byte, MaxRequest)
	state := uint32(1)
	for i := range random {
		state = state*1664525 + 1013904223
		random[i] = byte(state >> 24)
	}
	for _, e := range encodings {
		_, err := e.EncodeRequest(Request{ID: 1003, Data: random})
		NewWithT(t).Expect(err).To(MatchError(ErrTooLarge), e.String())
	}
}

func TestGzipIsBounded(t *testing.T) {
	g := NewWithT(t)
	var bomb bytes.Buffer
	w := gzip.NewWriter(&bomb)
	_, _ = w.Write(make([]byte, 40<<20))
	_ = w.Close()
	g.Expect(bomb.Len()).To(BeNumerically("<", MaxRequest), "the bomb passes the first limit")
	for _, e := range []Encoding{{Gzip: true}, {JSON: true, Gzip: true}} {
		_, err := e.DecodeRequest(bomb.Bytes())
		g.Expect(err).To(MatchError(ErrTooLarge))
	}
	_, err := Encoding{Gzip: true}.DecodeRequest(make([]byte, MaxClient+1))
	g.Expect(err).To(MatchError(ErrTooLarge))
}

func TestOneGzipMemberAndNothingAfterIt(t *testing.T) {
	g := NewWithT(t)
	inner := encodeGobRequest(Request{ID: 1, SendID: "a"})
	for _, whole := range [][]byte{stored(inner), gzipped(append(inner, make([]byte, MaxRequest)...))} {
		for _, tail := range [][]byte{{0}, whole, []byte("text")} {
			_, err := gunzip(append(bytes.Clone(whole), tail...), MaxRequestExpanded)
			g.Expect(err).To(MatchError(ErrMalformed))
		}
		broken := bytes.Clone(whole)
		broken[len(broken)-5] ^= 1 // the checksum
		_, err := gunzip(broken, MaxRequestExpanded)
		g.Expect(err).To(MatchError(ErrMalformed))
		g.Expect(gunzip(whole, MaxRequestExpanded)).NotTo(BeEmpty())
		for n := range len(whole) {
			_, err := gunzip(whole[:n], MaxRequestExpanded)
			g.Expect(err).To(HaveOccurred())
		}
	}
}

func TestGoDecompressesStoredFrames(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{"", "a", strings.Repeat("ab", 500)} {
		r, err := gzip.NewReader(bytes.NewReader(stored([]byte(text))))
		g.Expect(err).NotTo(HaveOccurred())
		var out bytes.Buffer
		_, err = out.ReadFrom(r)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(out.String()).To(Equal(text))
	}
}

func TestJSONIsReadStrictly(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		ok   bool
	}{
		"the client's own":        {`{"reqIdentifier":1001,"sendID":"alice","operationID":"o","msgIncr":"m","data":"AQI="}`, true},
		"null data":               {`{"reqIdentifier":1001,"sendID":"alice","data":null}`, true},
		"an unknown member":       {`{"reqIdentifier":1001,"other":{"a":[1]}}`, true},
		"a member twice":          {`{"reqIdentifier":1001,"sendID":"alice","sendID":"bob"}`, false},
		"an id that is a text":    {`{"reqIdentifier":"1001"}`, false},
		"no id":                   {`{"sendID":"alice"}`, false},
		"an id out of range":      {`{"reqIdentifier":4294968299}`, false},
		"a fractional id":         {`{"reqIdentifier":1001.5}`, false},
		"data that are a list":    {`{"reqIdentifier":1001,"data":[1,2]}`, false},
		"data that are no base64": {`{"reqIdentifier":1001,"data":"?"}`, false},
		"a sendID that is a list": {`{"reqIdentifier":1001,"sendID":["alice"]}`, false},
		"two objects":             {`{"reqIdentifier":1001}{"reqIdentifier":1003}`, false},
		"a list":                  {`[1]`, false},
		"null":                    {`null`, false},
		"invalid UTF-8":           {"{\"reqIdentifier\":1001,\"sendID\":\"\xff\"}", false},
		"a long name":             {`{"reqIdentifier":1001,"msgIncr":"` + strings.Repeat("m", MaxName+1) + `"}`, false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Encoding{JSON: true}.DecodeRequest([]byte(c.text))
			if c.ok {
				NewWithT(t).Expect(err).NotTo(HaveOccurred())
				return
			}
			NewWithT(t).Expect(err).To(MatchError(ErrMalformed))
		})
	}
}

func TestAnotherSpellingOfAMemberIsNotRead(t *testing.T) {
	g := NewWithT(t)
	got, err := Encoding{JSON: true}.DecodeRequest([]byte(`{"reqIdentifier":1001,"SENDID":"bob","SendID":"carol"}`))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(got.SendID).To(BeEmpty())
}

func TestTextsDoNotConfuseTheHeadOfAJSONReply(t *testing.T) {
	g := NewWithT(t)
	sent := Reply{ID: 1003, ErrCode: 9, ErrMsg: `x","data":"AAAA","errCode":0,"y":"`, Data: []byte(strings.Repeat("d", 9000))}
	out := encodeJSONReply(sent)
	g.Expect(json.Valid(out)).To(BeTrue())
	head, err := Encoding{JSON: true, Gzip: true}.ReplyHead(gzipped(out))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(head.ErrCode).To(Equal(9))
	g.Expect(head.ErrMsg).To(Equal(sent.ErrMsg))
}
