package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/wiremessage"
)

const (
	headerSize = 16

	// MaxMessage is the limit of a message in bytes, as MongoDB's hello gives it (maxMessageSizeBytes).
	MaxMessage = 48_000_000
	// MaxDocument is the limit of a document in bytes (maxBsonObjectSize).
	MaxDocument = 16 * 1024 * 1024
	// maxDepth is how deep documents may nest: MongoDB stores 100 levels, commands and pipelines add some.
	maxDepth = 200
)

// Message is one received message, including its header.
type Message struct {
	RequestID  int32
	ResponseTo int32
	Op         wiremessage.OpCode
	Raw        []byte
}

// Body returns the bytes after the header.
func (m Message) Body() []byte { return m.Raw[headerSize:] }

// Read reads the next message. It returns io.EOF at the end of the stream, and another error for a message that is truncated or too large.
// begun, if not nil, is called once the first bytes have arrived: from then on the sender has no reason to pause.
func Read(r io.Reader, begun func()) (Message, error) {
	var header [headerSize]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return Message{}, err
	}
	if begun != nil {
		begun()
	}
	length, request, response, op, _, _ := wiremessage.ReadHeader(header[:])
	if length < headerSize || length > MaxMessage {
		return Message{}, fmt.Errorf("a message claims %d bytes: the limits are %d and %d", length, headerSize, MaxMessage)
	}

	raw := bytes.NewBuffer(append([]byte(nil), header[:]...))
	if _, err := io.CopyN(raw, r, int64(length-headerSize)); err != nil {
		return Message{}, fmt.Errorf("reading a message: %w", err)
	}
	return Message{RequestID: request, ResponseTo: response, Op: op, Raw: raw.Bytes()}, nil
}

// Command is a parsed OP_MSG: the command's document, and the document sequences beside it ("documents" of insert, "updates" of update) by
// name.
type Command struct {
	Flags     wiremessage.MsgFlag
	Body      bson.Raw
	Sequences map[string][]bson.Raw
}

var errMalformed = errors.New("malformed OP_MSG")

// ParseMsg parses an OP_MSG's body and checks every document in it.
func ParseMsg(body []byte) (Command, error) {
	flags, rest, ok := wiremessage.ReadMsgFlags(body)
	if !ok {
		return Command{}, errMalformed
	}
	// The lower 16 bits must be known. Checksums are not supported: drivers send none.
	if known := wiremessage.MoreToCome | wiremessage.ExhaustAllowed; uint32(flags)&0xffff&^uint32(known) != 0 {
		return Command{}, fmt.Errorf("OP_MSG with unknown flags %#x", uint32(flags))
	}

	cmd := Command{Flags: flags, Sequences: map[string][]bson.Raw{}}
	for len(rest) > 0 {
		var section wiremessage.SectionType
		if section, rest, ok = wiremessage.ReadMsgSectionType(rest); !ok {
			return Command{}, errMalformed
		}
		var docs []bsoncore.Document
		var name string
		switch section {
		case wiremessage.SingleDocument:
			var doc bsoncore.Document
			if doc, rest, ok = wiremessage.ReadMsgSectionSingleDocument(rest); !ok || cmd.Body != nil {
				return Command{}, errMalformed
			}
			docs, cmd.Body = []bsoncore.Document{doc}, bson.Raw(doc)
		case wiremessage.DocumentSequence:
			if name, docs, rest, ok = sequence(rest); !ok || cmd.Sequences[name] != nil {
				return Command{}, errMalformed
			}
			cmd.Sequences[name] = make([]bson.Raw, 0, len(docs))
		default:
			return Command{}, errMalformed
		}
		for _, doc := range docs {
			if err := check(doc, maxDepth); err != nil {
				return Command{}, err
			}
			if section == wiremessage.DocumentSequence {
				cmd.Sequences[name] = append(cmd.Sequences[name], bson.Raw(doc))
			}
		}
	}
	if cmd.Body == nil {
		return Command{}, errMalformed
	}
	return cmd, nil
}

// sequence checks the section's length before the driver's reader parses it.
func sequence(src []byte) (string, []bsoncore.Document, []byte, bool) {
	if len(src) < 4 {
		return "", nil, nil, false
	}
	size := binary.LittleEndian.Uint32(src)
	if size < 5 || uint64(size) > uint64(len(src)) {
		return "", nil, nil, false
	}
	return wiremessage.ReadMsgSectionDocumentSequence(src)
}

// readElement guards the library's function, which adds lengths in 32 bits (v2.8.0) and panics on a length of 2 GiB.
func readElement(src []byte) (e bsoncore.Element, rest []byte, ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	return bsoncore.ReadElement(src)
}

// check validates a document without recursing deeper than the limit.
func check(doc bsoncore.Document, depth int) error {
	if depth == 0 {
		return fmt.Errorf("a document nests deeper than %d levels", maxDepth)
	}
	length, rest, ok := bsoncore.ReadLength(doc)
	if !ok || int(length) != len(doc) || length < 5 || doc[length-1] != 0 {
		return errMalformed
	}
	for rest = rest[:length-5]; len(rest) > 0; {
		var e bsoncore.Element
		if e, rest, ok = readElement(rest); !ok {
			return errMalformed
		}
		v, err := e.ValueErr()
		if err != nil {
			return errMalformed
		}
		switch v.Type {
		case bsoncore.TypeEmbeddedDocument, bsoncore.TypeArray:
			if err := check(bsoncore.Document(v.Data), depth-1); err != nil {
				return err
			}
		case bsoncore.TypeString, bsoncore.TypeSymbol, bsoncore.TypeJavaScript: // Validate checks their length only
			if len(v.Data) < 5 || v.Data[len(v.Data)-1] != 0 {
				return errMalformed
			}
		case bsoncore.TypeBoolean: // Validate checks its length only
			if len(v.Data) != 1 || v.Data[0] > 1 {
				return errMalformed
			}
		case bsoncore.TypeCodeWithScope: // nests as well; nothing here stores or runs scripts
			return errors.New("JavaScript with a scope is not supported by this stand-in")
		default:
			if v.Validate() != nil {
				return errMalformed
			}
		}
	}
	return nil
}

// Msg returns an OP_MSG with one document.
func Msg(requestID, responseTo int32, doc bson.Raw) []byte {
	msg := wiremessage.AppendHeader(nil, int32(headerSize+4+1+len(doc)), requestID, responseTo, wiremessage.OpMsg)
	msg = wiremessage.AppendMsgFlags(msg, 0)
	msg = wiremessage.AppendMsgSectionType(msg, wiremessage.SingleDocument)
	return append(msg, doc...)
}

// Query parses an OP_QUERY as far as needed: the collection and the document.
func Query(body []byte) (collection string, doc bson.Raw, err error) {
	_, rest, ok := wiremessage.ReadQueryFlags(body)
	if ok {
		collection, rest, ok = wiremessage.ReadQueryFullCollectionName(rest)
	}
	if ok {
		_, rest, ok = wiremessage.ReadQueryNumberToSkip(rest)
	}
	if ok {
		_, rest, ok = wiremessage.ReadQueryNumberToReturn(rest)
	}
	var query bsoncore.Document
	if ok {
		query, _, ok = wiremessage.ReadQueryQuery(rest)
	}
	if !ok || check(query, maxDepth) != nil {
		return "", nil, errors.New("malformed OP_QUERY")
	}
	return collection, bson.Raw(query), nil
}
