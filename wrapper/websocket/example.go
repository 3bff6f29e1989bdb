package websocket

import "google.golang.org/protobuf/encoding/protowire"

// Names fills an Example.
type Names struct {
	User         string // the request's own user; empty: none
	Peer         string // the receiver of a message; the user of a presence subscription
	Group        string // the group that receives a message, instead of Peer
	Conversation string
}

// Example returns the protobuf message of a request as the official SDKs write it. The documentation, and the tests that send every
// request to OpenIM, use it.
func (r *Request) Example(n Names) []byte { return example(nil, r.Fields, n) }

func example(out []byte, list []Field, n Names) []byte {
	for i := range list {
		f := &list[i]
		switch f.Shape {
		case Text:
			out = appendText(out, f.Number, n.text(f))
		case Bytes:
			out = appendText(out, f.Number, `{"content":"hello"}`)
		case Number:
			out = appendNumber(out, f.Number, n.number(f))
		case Numbers:
			out = protowire.AppendBytes(protowire.AppendTag(out, f.Number, protowire.BytesType), []byte{1, 2, 3})
		case Message:
			out = protowire.AppendBytes(protowire.AppendTag(out, f.Number, protowire.BytesType), example(nil, f.Fields, n))
		}
	}
	return out
}

func (n Names) text(f *Field) string {
	switch {
	case f.Rule == Self:
		return n.User
	case f.Rule == Conversation:
		return n.Conversation
	case f.Rule == Group:
		return n.Group
	case f.Rule == Peer && n.Group != "":
		return ""
	case f.Rule == Peer, f.Repeated:
		return n.Peer
	case f.Rule == Server:
		return "theirs"
	}
	return f.Name
}

func (n Names) number(f *Field) int64 {
	switch {
	case f.Name == "sessionType" && n.Group != "":
		return sessionGroup
	case f.Name == "sessionType":
		return sessionSingle
	case f.Name == "contentType":
		return 101
	case f.Name == "end", f.Name == "num":
		return 10
	case f.Rule == Session:
		return 1
	}
	return 1
}
