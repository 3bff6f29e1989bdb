package auditlog

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestTheEncodingIsJSON checks that encoding/json decodes what encode wrote to the same event, for random texts.
func TestTheEncodingIsJSON(t *testing.T) {
	special := []string{"", `"`, `\`, `\"`, "\xff\xfe", "é\u2028", "\x00\x1b", `","role":"admin`, "\u007f\u0085"}
	text := rapid.OneOf(rapid.String(), rapid.SampledFrom(special))
	rapid.Check(t, func(t *rapid.T) {
		e := Event{
			Time: time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "s"),
				rapid.Int64Range(0, 1e9).Draw(t, "ns")), Kind: Kind(text.Draw(t, "kind")),
			Actor: Actor{
				Role: text.Draw(t, "role"), Subject: text.Draw(t, "subject"), Issuer: text.Draw(t, "issuer"), UserID: text.Draw(t, "user"),
				DeviceID: text.Draw(t, "device"), PlatformID: rapid.Int32().Draw(t, "platform"), Session: text.Draw(t, "session"),
			},
			Action: Action{
				Route: text.Draw(t, "route"), Identifier: rapid.Int32().Draw(t, "identifier"), Class: text.Draw(t, "class"),
				RequestID: text.Draw(t, "request"),
				Users:     rapid.SliceOf(text).Draw(t, "users"), Groups: rapid.SliceOf(text).Draw(t, "groups"),
				Conversations: rapid.SliceOf(text).Draw(t, "conversations"), UserCount: rapid.Int().Draw(t, "count"),
				Sessions: rapid.SliceOf(text).Draw(t, "sessions"), SessionCount: rapid.Int().Draw(t, "sessionCount"),
			},
			Outcome: Outcome{
				Verdict: Verdict(text.Draw(t, "verdict")), Reason: text.Draw(t, "reason"), Rule: text.Draw(t, "rule"),
				Status: rapid.Int().Draw(t, "status"), ErrCode: rapid.Int().Draw(t,
					"code"), Took: time.Duration(rapid.Int64().Draw(t, "took")),
			},
		}
		want := e.record()
		want.Program = clip(text.Draw(t, "program"), 9)
		want.Lost, want.PreviousSeq = rapid.Uint64().Draw(t, "lost"), rapid.Uint64().Draw(t, "seq")
		var got record
		if err := json.Unmarshal([]byte("{"+string(want.encode())+"}"), &got); err != nil {
			t.Fatalf("%v: %s", err, want.encode())
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v is read as %+v", want, got)
		}
	})
}

// TestNoMemberIsForgotten checks that encode writes every field of a record.
func TestNoMemberIsForgotten(t *testing.T) {
	var full record
	v := reflect.ValueOf(&full).Elem()
	for _, f := range v.Fields() {
		switch f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Slice:
			f.Set(reflect.ValueOf([]string{"x"}))
		case reflect.Float64:
			f.SetFloat(1)
		case reflect.Uint64:
			f.SetUint(1)
		default:
			f.SetInt(1)
		}
	}
	want, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	if got := "{" + string(full.encode()) + "}"; got != string(want) {
		t.Fatalf("%s\nwant %s", got, want)
	}
}
