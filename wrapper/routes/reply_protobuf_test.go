package routes

import (
	"encoding/base64"
	"testing"

	. "github.com/onsi/gomega"
	"google.golang.org/protobuf/encoding/protowire"
)

// TestProjectionOfProtobufReplies: field 1 is unreadCount, field 2 the conversations.
func TestProjectionOfProtobufReplies(t *testing.T) {
	number := func(field protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(nil, field, protowire.VarintType), v)
	}
	text := func(field protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(nil, field, protowire.BytesType), s)
	}
	entry := func(more []byte) []byte {
		record := append(text(1, "alice"), text(2, "si_alice_bob")...)
		return text(2, string(append(text(1, string(record)), more...)))
	}
	good := append(number(1, 7), entry(nil)...)
	for _, c := range []struct {
		name     string
		in, want []byte // want nil: refused
		fields   int
	}{
		{"as it is", good, good, 0},
		{"nothing", nil, []byte{}, 0},
		{"unknown fields, also within", append(append(number(1, 7), number(99, 1)...), entry(text(50, "x"))...), good, 2},
		{"a field twice", append(number(1, 7), number(1, 8)...), nil, 0},
		{"a record twice", entry(text(1, string(text(1, "bob")))), nil, 0},
		{"a text where a number is", text(1, "7"), nil, 0},
		{"a number where a message is", number(2, 7), nil, 0},
		{"no UTF-8", entry(text(3, string(text(2, "\xff")))), nil, 0},
		{"an int32 that is none", entry(text(1, string(number(4, 1<<40)))), nil, 0},
		{"cut off", good[:len(good)-1], nil, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := Find("/jssdk/get_conversations")
			encode := func(message []byte) string { return `"` + base64.StdEncoding.EncodeToString(message) + `"` }
			got, err := r.ProjectReply([]byte(encode(c.in)), askedBy(r, true))
			if c.want == nil {
				g.Expect(err).To(HaveOccurred())
				return
			}
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(string(got.Data)).To(Equal(encode(c.want)))
			g.Expect(got.Fields).To(Equal(c.fields))
		})
	}
	for _, in := range []string{`{}`, `7`, `"%"`, `"CA`} {
		_, err := Find("/jssdk/get_conversations").ProjectReply([]byte(in), Asked{Caller: Caller{UserID: "alice"}, Protobuf: true})
		NewWithT(t).Expect(err).To(HaveOccurred(), in)
	}
}
