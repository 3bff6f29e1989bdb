package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

func document(t *testing.T, doc bson.D) bson.Raw {
	t.Helper()
	raw, err := bson.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAMessageIsReadAsItWasWritten(t *testing.T) {
	doc := document(t, bson.D{{Key: "ping", Value: int32(1)}})
	stream := bytes.NewReader(append(Msg(7, 3, doc), Msg(8, 0, doc)...))
	begun := false
	m, err := Read(stream, func() { begun = true })
	if err != nil {
		t.Fatal(err)
	}
	if m.RequestID != 7 || m.ResponseTo != 3 || m.Op != wiremessage.OpMsg || !begun {
		t.Errorf("message = %+v, begun %v", m, begun)
	}
	cmd, err := ParseMsg(m.Body())
	if err != nil || !bytes.Equal(cmd.Body, doc) {
		t.Errorf("command = %v, %v", cmd.Body, err)
	}
	if m, err = Read(stream, nil); err != nil || m.RequestID != 8 {
		t.Errorf("second message = %+v, %v", m, err)
	}
	if _, err = Read(stream, nil); !errors.Is(err, io.EOF) {
		t.Errorf("after the last message: %v, want io.EOF", err)
	}
}

func TestDocumentSequencesAreRead(t *testing.T) {
	insert := document(t, bson.D{{Key: "insert", Value: "users"}})
	one, two := document(t, bson.D{{Key: "a", Value: int32(1)}}), document(t, bson.D{{Key: "a", Value: int32(2)}})
	cmd, err := ParseMsg(body(0, single(insert), sequenceOf("documents", one, two)))
	if err != nil {
		t.Fatal(err)
	}
	if docs := cmd.Sequences["documents"]; len(docs) != 2 || !bytes.Equal(docs[0], one) || !bytes.Equal(docs[1], two) {
		t.Errorf("documents = %v", docs)
	}
}

func body(flags uint32, sections ...[]byte) []byte {
	return append(binary.LittleEndian.AppendUint32(nil, flags), bytes.Join(sections, nil)...)
}

func single(doc []byte) []byte { return append([]byte{0}, doc...) }

func sequenceOf(name string, docs ...bson.Raw) []byte {
	content := append([]byte(name), 0)
	for _, doc := range docs {
		content = append(content, doc...)
	}
	return append(binary.LittleEndian.AppendUint32([]byte{1}, uint32(len(content)+4)), content...)
}

func TestWhatIsTooLargeOrCutShortIsRefused(t *testing.T) {
	header := func(length uint32) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, length), make([]byte, 12)...)
	}
	for name, stream := range map[string][]byte{
		"claims more than a message may have": header(MaxMessage + 1),
		"claims less than its own header":     header(15),
		"claims a negative size":              header(1 << 31),
		"ends within its header":              {1, 2, 3},
		"ends before its claimed size":        append(header(1000), "short"...),
	} {
		if _, err := Read(bytes.NewReader(stream), nil); err == nil || errors.Is(err, io.EOF) && !strings.Contains(err.Error(), "reading a message") {
			t.Errorf("a message that %s: error = %v", name, err)
		}
	}
}

func TestMemoryFollowsWhatHasArrived(t *testing.T) {
	claim := append(binary.LittleEndian.AppendUint32(nil, MaxMessage), make([]byte, 12+100)...)
	grown := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = Read(bytes.NewReader(claim), nil)
		}
	}).AllocedBytesPerOp()
	if grown > 1<<20 {
		t.Errorf("100 bytes of a message that claims %d took %d bytes of memory", MaxMessage, grown)
	}
}

func TestMalformedCommandsAreRefused(t *testing.T) {
	good := document(t, bson.D{{Key: "ping", Value: int32(1)}})
	deep := bson.D{}
	for range maxDepth {
		deep = bson.D{{Key: "d", Value: deep}}
	}
	long := bytes.Clone(good)
	binary.LittleEndian.PutUint32(long, uint32(len(good)+1))
	nested := document(t, bson.D{{Key: "d", Value: bson.D{{Key: "a", Value: int32(1)}}}})
	nested[7]++ // the inner document's length
	for name, b := range map[string][]byte{
		"nothing":                      {},
		"flags only":                   body(0),
		"unknown required flag":        body(1<<3, single(good)),
		"checksum":                     body(1, single(good)),
		"unknown section":              body(0, append([]byte{9}, good...)),
		"two bodies":                   body(0, single(good), single(good)),
		"sequence without a body":      body(0, sequenceOf("documents", good)),
		"one sequence twice":           body(0, single(good), sequenceOf("d", good), sequenceOf("d", good)),
		"sequence of no size":          body(0, single(good), []byte{1, 0, 0, 0, 0}),
		"sequence of negative size":    body(0, single(good), []byte{1, 255, 255, 255, 255, 0}),
		"sequence beyond the message":  body(0, single(good), []byte{1, 99, 0, 0, 0, 'd', 0}),
		"document longer than it is":   body(0, single(long)),
		"inner document of wrong size": body(0, single(nested)),
		"document that nests too deep": body(0, single(document(t, deep))),
		"JavaScript with a scope":      body(0, single(document(t, bson.D{{Key: "f", Value: bson.CodeWithScope{Code: "x", Scope: bson.D{}}}}))),
	} {
		if _, err := ParseMsg(b); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func FuzzParseMsg(f *testing.F) {
	raw, _ := bson.Marshal(bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "a", Value: bson.A{int32(1), "x"}}}}})
	f.Add(body(0, single(raw), sequenceOf("documents", raw)))
	f.Add([]byte{0, 0, 0, 0, 1, 5, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		cmd, err := ParseMsg(b)
		if err != nil {
			return
		}
		var doc bson.D
		if err := bson.Unmarshal(cmd.Body, &doc); err != nil {
			t.Errorf("a document passed the check but cannot be read: %v", err)
		}
	})
}

func TestHelloByQueryIsRead(t *testing.T) {
	hello := document(t, bson.D{{Key: "isMaster", Value: int32(1)}})
	q := wiremessage.AppendQueryFlags(nil, 0)
	q = wiremessage.AppendQueryFullCollectionName(q, "admin.$cmd")
	q = wiremessage.AppendQueryNumberToSkip(q, 0)
	q = wiremessage.AppendQueryNumberToReturn(q, -1)
	coll, doc, err := Query(append(q, hello...))
	if err != nil || coll != "admin.$cmd" || !bytes.Equal(doc, hello) {
		t.Errorf("query = %q, %v, %v", coll, doc, err)
	}
	for i := range q {
		if _, _, err := Query(q[:i]); err == nil {
			t.Errorf("the first %d bytes of a query: no error", i)
		}
	}
}
