package frame

import (
	"errors"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Encoding is how a socket's frames are written. OpenIM takes it from the query parameters sdkType and compression.
type Encoding struct {
	JSON bool // sdkType=js; otherwise encoding/gob
	Gzip bool // compression=gzip: each frame by itself
}

// String names an encoding in logs and metrics.
func (e Encoding) String() string {
	name := "gob"
	if e.JSON {
		name = "json"
	}
	if e.Gzip {
		name += "+gzip"
	}
	return name
}

// Limits in bytes.
const (
	// MaxRequest is what OpenIM reads of one frame, compressed or not (maxMessageSize of internal/msggateway, at every
	// supported release). What is sent to it is never longer.
	MaxRequest = 51200
	// MaxClient is what is read of one frame of a client's, compressed or not. It is more than OpenIM reads, because operationID, which
	// the newest SDKs fill with tens of kilobytes, is shortened before the frame goes on.
	MaxClient = 128 << 10
	// MaxRequestExpanded bounds a request after gunzip: the largest content as base64, the longest operationID, and the rest.
	MaxRequestExpanded = 256 << 10
	// MaxReply bounds one frame from OpenIM. The Go SDK gives up beyond 1 MiB.
	MaxReply = 4 << 20
	// maxReplyHead is how much of a reply is unpacked to see what it is: all but its data, which comes last. Pushes carry the operationID
	// of whoever sent the message, which may be long.
	shortReplyHead = 4 << 10
	maxReplyHead   = wire.MaxOperationIDBytes + 8<<10
	// maxError bounds a reply that carries an error, after gunzip.
	maxError = 64 << 10
	// maxWhole bounds a reply that is read whole, after gunzip: what carries messages or seqs.
	maxWhole = MaxReply
	// MaxName bounds sendID and msgIncr. The SDKs use some forty bytes.
	MaxName = 256
)

// Request is what a client sends (Req of internal/msggateway).
type Request struct {
	ID          int32
	SendID      string
	OperationID string
	MsgIncr     string
	Data        []byte // protobuf
}

// Reply is what a client gets (Resp of internal/msggateway): an answer, a push or a kick.
type Reply struct {
	ID          int32
	MsgIncr     string
	OperationID string
	ErrCode     int
	ErrMsg      string
	Data        []byte
}

// Errors tell the kinds of malformed frames apart. They never repeat what was in the frame.
var (
	ErrTooLarge  = errors.New("the frame is larger than OpenIM takes: send less at a time")
	ErrMalformed = errors.New("the frame is not a request in the socket's encoding: see sdkType and compression")
)

// DecodeRequest reads a client's frame. Names longer than MaxName, an operationID longer than wire.MaxOperationIDBytes and ids out of
// range make it malformed.
func (e Encoding) DecodeRequest(data []byte) (Request, error) {
	if len(data) > MaxClient {
		return Request{}, ErrTooLarge
	}
	if e.Gzip {
		var err error
		if data, err = gunzip(data, MaxRequestExpanded); err != nil {
			return Request{}, err
		}
	}
	var req Request
	var err error
	if e.JSON {
		req, err = decodeJSONRequest(data)
	} else {
		req, err = decodeGobRequest(data)
	}
	if err != nil {
		return Request{}, err
	}
	if len(req.OperationID) > wire.MaxOperationIDBytes || len(req.MsgIncr) > MaxName || len(req.SendID) > MaxName {
		return Request{}, ErrMalformed
	}
	return req, nil
}

// EncodeRequest writes a frame for OpenIM, at most MaxRequest long.
func (e Encoding) EncodeRequest(req Request) ([]byte, error) {
	var out []byte
	if e.JSON {
		out = encodeJSONRequest(req)
	} else {
		out = encodeGobRequest(req)
	}
	if e.Gzip {
		out = gzipped(out)
	}
	if len(out) > MaxRequest {
		return nil, ErrTooLarge
	}
	return out, nil
}

// EncodeReply writes a frame for a client.
func (e Encoding) EncodeReply(rep Reply) []byte {
	var out []byte
	if e.JSON {
		out = encodeJSONReply(rep)
	} else {
		out = encodeGobReply(rep)
	}
	if e.Gzip {
		out = gzipped(out)
	}
	return out
}

// ReplyHead reads all of a reply but its data, of which only the first kilobytes are unpacked.
func (e Encoding) ReplyHead(data []byte) (Reply, error) {
	if !e.Gzip {
		return e.replyHead(data, true)
	}
	// Nearly always the names are short.
	var rep Reply
	var err error
	for _, limit := range [...]int{min(shortReplyHead, 4*len(data)+512), maxReplyHead} {
		head, whole, unpacked := gunzipHead(data, limit)
		if unpacked != nil {
			return Reply{}, unpacked
		}
		if rep, err = e.replyHead(head, whole); err == nil || whole {
			break
		}
	}
	return rep, err
}

func (e Encoding) replyHead(head []byte, whole bool) (Reply, error) {
	if e.JSON {
		return decodeJSONReplyHead(head, whole)
	}
	return decodeGobReply(head, true)
}

// DecodeReply reads a whole reply of at most 64 KiB: what carries an error.
func (e Encoding) DecodeReply(data []byte) (Reply, error) { return e.decodeReply(data, maxError) }

// DecodePushed reads a whole reply of at most MaxReply bytes: what carries messages or seqs.
func (e Encoding) DecodePushed(data []byte) (Reply, error) { return e.decodeReply(data, maxWhole) }

func (e Encoding) decodeReply(data []byte, limit int) (Reply, error) {
	if e.Gzip {
		var err error
		if data, err = gunzip(data, limit); err != nil {
			return Reply{}, err
		}
	}
	if len(data) > limit {
		return Reply{}, ErrTooLarge
	}
	if e.JSON {
		return decodeJSONReply(data)
	}
	return decodeGobReply(data, false)
}
