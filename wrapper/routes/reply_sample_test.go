package routes

import (
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Tickets of OpenIM's for uploads of alice.
var (
	uploadInParts = base64.StdEncoding.EncodeToString([]byte(
		`{"a":1,"b":"id","c":"openim/data/hash/0cc175b9c0f1b6a831c399e269772661","d":9,"e":"0cc175b9c0f1b6a831c399e269772661"}`))
	formOfAlice = base64.RawStdEncoding.EncodeToString([]byte(
		`{"name":"alice/a.txt","size":1,"key":"openim/direct/20260102/alice/0cc175b9c0f1b6a831c399e269772661.txt"}`))
)

// unsealed passes tickets on as they are.
type unsealed struct{}

func (unsealed) Seal(_ Ticket, _, ticket string) (string, error) { return ticket, nil }
func (unsealed) Open(_ Ticket, _, sealed string) (string, error) { return sealed, nil }

// sample builds a complete reply of a shape, with all members and one element in each list and map. alice may receive all of it if the
// request names the ids of asked, except for change: a text or key at a path.
type sample struct{ change map[string]string }

// honest has the values of texts, by the last part of their path.
var honest = map[string]string{
	"ownerUserID": "alice", "fromUserID": "alice", "toUserID": "alice", "userID": "alice", "sendID": "alice", "recvID": "alice",
	"groupID": "4711", "respList{}": "4711", "notificationMsgs{}": "n_4711", "content": "aGVsbG8=",
	"conversationID": "sg_4711", "conversationIDs[]": "sg_4711", "pinnedConversationIDs[]": "sg_4711", "delete[]": "sg_4711",
	"uploadID": uploadInParts, "id": formOfAlice,
	"msgs{}": "sg_4711", "seqs{}": "sg_4711", "maxSeqs{}": "sg_4711", "minSeqs{}": "sg_4711",
}

// asked is alice's call to which the sample is the reply.
func askedBy(r *Route, protobuf bool) Asked {
	text := strings.NewReplacer(
		"{self}", "alice", "{peer}", "alice", "{group}", "4711", "{pair}", "si_alice_alice", "{sg}", "sg_4711", "{form}", formOfAlice,
		"{upload}", uploadInParts,
	).Replace(r.Example)
	body, err := Decode([]byte(text))
	if err != nil {
		panic(err)
	}
	return Asked{
		Caller: Caller{UserID: "alice", PlatformID: 5, Tickets: unsealed{}}, Body: body, Protobuf: protobuf,
		Member: map[string]bool{"sg_4711": true, "n_4711": true, "sg_815": false},
	}
}

func (s sample) text(path string) string {
	if v, there := s.change[path]; there {
		return v
	}
	last := path[strings.LastIndexByte(path, '.')+1:]
	if v, there := honest[last]; there {
		return v
	}
	return "t"
}

func number(scalar string) string {
	switch scalar {
	case "int32":
		return "-2147483648"
	case "int64":
		return "-9223372036854775807"
	case "uint32":
		return "4294967295"
	}
	return "18446744073709551615"
}

// names returns the members of an object in a fixed order.
func names(n *node) []string { return slices.Sorted(maps.Keys(n.fields)) }

// json returns the sample as OpenIM's API encodes it.
func (s sample) json(n *node, path string) string {
	switch n.kind {
	case kindObject:
		var members []string
		for _, name := range names(n) {
			members = append(members, `"`+name+`":`+s.json(n.fields[name].node, join(path, name)))
		}
		return "{" + strings.Join(members, ",") + "}"
	case kindList:
		return "[" + s.json(n.inner, path+"[]") + "]"
	case kindMap:
		return `{"` + s.text(path+"{}") + `":` + s.json(n.inner, path+"{}") + "}"
	case kindBool:
		return "true"
	case kindInteger:
		return number(n.scalar)
	}
	return `"` + s.text(path) + `"`
}

// protobuf returns the sample as the official web SDK receives it: the message in base64 as a JSON text.
func (s sample) protobuf(n *node) string {
	return `"` + base64.StdEncoding.EncodeToString(s.message(n, "")) + `"`
}

func (s sample) message(n *node, path string) (out []byte) {
	for _, name := range names(n) {
		f := n.fields[name]
		at, inner := join(path, name), f.node
		switch inner.kind {
		case kindList:
			out = s.value(out, f.number, inner.inner, at+"[]")
		case kindMap:
			pair := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), s.text(at+"{}"))
			out = protowire.AppendTag(out, f.number, protowire.BytesType)
			out = protowire.AppendBytes(out, s.value(pair, 2, inner.inner, at+"{}"))
		default:
			out = s.value(out, f.number, inner, at)
		}
	}
	return out
}

func (s sample) value(out []byte, tag protowire.Number, n *node, path string) []byte {
	out = protowire.AppendTag(out, tag, wireType(n.kind))
	switch n.kind {
	case kindObject:
		return protowire.AppendBytes(out, s.message(n, path))
	case kindBool:
		return protowire.AppendVarint(out, 1)
	case kindInteger:
		if v, err := strconv.ParseInt(number(n.scalar), 10, 64); err == nil {
			return protowire.AppendVarint(out, uint64(v))
		}
		return protowire.AppendVarint(out, 1<<64-1)
	}
	return protowire.AppendString(out, s.text(path))
}
