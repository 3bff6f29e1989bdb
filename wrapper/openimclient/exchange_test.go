package openimclient

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

const success = `{"errCode":0,"errMsg":"","errDlt":"","data":`

// envelopes are replies, and whether they are decoded in one pass.
var envelopes = []struct {
	reply string
	plain bool
}{
	{success + `{"a":[1,"x"]}}`, true}, {success + `null}`, true}, {success + `[]}`, true}, {success + `"x"}`, true},
	{success + `"\u003c\ud800"}`, true}, {success + "\"\xff\"}", true},
	{success + `{"a":1},"errCode":1001}`, false}, {success + `1,"errCode":1501}`, false}, {success + `1,"data":2}`, false},
	{success + `1,"ERRCODE":1501}`, false}, {success + ` {} }`, false}, {success + "{}}\n", false}, {success + `}`, false},
	{success + `{}`, false}, {success + `{}}}`, false}, {success + `{}} {}`, false}, {success + "\u00a01}", false},
	{`{"errCode":0,"errMsg":"","errDlt":""}`, false}, {`{"errCode":1,"errMsg":"","errDlt":"","data":{}}`, false},
	{`{"errcode":0,"errMsg":"","errDlt":"","data":{}}`, false}, {``, false}, {`{}`, false}, {`null`, false},
}

func TestRepliesThatAreDecodedInOnePass(t *testing.T) {
	for _, e := range envelopes {
		if _, plain := plainData([]byte(e.reply)); plain != e.plain {
			t.Errorf("%q: %v", e.reply, plain)
		}
		sameEnvelope(t, []byte(e.reply))
	}
}

// FuzzEnvelopesAreDecodedAlike: one pass gives what the decoder gives.
func FuzzEnvelopesAreDecodedAlike(f *testing.F) {
	for _, e := range envelopes {
		f.Add([]byte(e.reply))
		f.Add([]byte(strings.TrimPrefix(e.reply, success)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		sameEnvelope(t, b)
		sameEnvelope(t, append([]byte(success), b...))
	})
}

func sameEnvelope(t *testing.T, reply []byte) {
	t.Helper()
	want, wantErr := decodeAny(reply)
	got, err := decodeEnvelope(reply)
	if diff := cmp.Diff(want, got); diff != "" || (err == nil) != (wantErr == nil) {
		t.Errorf("%q: %v, not %v: %s", reply, err, wantErr, diff)
	}
}

func BenchmarkDecodeEnvelope(b *testing.B) {
	reply, err := json.Marshal(wire.Envelope{Data: json.RawMessage(`{"users":[` + strings.Repeat(`{"userID":"alice","ex":""},`, 40) + `1]}`)})
	if err != nil {
		b.Fatal(err)
	}
	for name, decode := range map[string]func([]byte) (wire.Envelope, error){"one-pass": decodeEnvelope, "decoder": decodeAny} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := decode(reply); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
