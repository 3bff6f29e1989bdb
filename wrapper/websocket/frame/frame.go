package frame

import (
	"errors"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Encoding is the encoding of a socket's frames. OpenIM selects it by the query parameters sdkType and compression.
type Encoding struct {
	JSON bool // sdkType=js; otherwise encoding/gob
	Gzip bool // compression=gzip: each frame is one gzip member
}

// String returns the name of an encoding in logs and metrics.
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
	// MaxRequest is the largest frame that OpenIM reads, compressed or not (maxMessageSize of internal/msggateway, in every supported
	// release). The relay never sends a longer one.
	MaxRequest = 51200
	// MaxClient is the largest frame that is read from a client, compressed or not. It is more than MaxRequest, because the newest SDKs
	// send an operationID of tens of kilobytes, which the relay shortens.
	MaxClient = 128 << 10
	// MaxRequestExpanded limits a request after decompression: the largest content in base64, the longest operationID, and the rest.
	MaxRequestExpanded = 256 << 10
	// MaxReply limits one frame from OpenIM. The Go SDK reads up to 1 MiB.
	MaxReply = 4 << 20
	// shortReplyHead and maxReplyHead are how much of a reply is decompressed to read all but its data, which comes last. A push contains
	// the operationID of the message's sender, which may be long.
	shortReplyHead = 4 << 10
	maxReplyHead   = wire.MaxOperationIDBytes + 8<<10
	// maxError limits a reply with an error, after decompression.
	maxError = 64 << 10
	// maxWhole limits a reply with messages or seqs, after decompression.
	maxWhole = MaxReply
	// MaxName limits sendID and msgIncr. The SDKs use some forty bytes.
	MaxName = 256
)

// Request is a client's request (Req of internal/msggateway).
type Request struct {
	ID          int32
	SendID      string
	OperationID string
	MsgIncr     string
	Data        []byte // protobuf
}

// Reply is a frame to a client (Resp of internal/msggateway): a reply, a push or a kick.
type Reply struct {
	ID          int32
	MsgIncr     string
	OperationID string
	ErrCode     int
	ErrMsg      string
	Data        []byte
}

// Errors of malformed frames. They contain nothing of the frame.
var (
	ErrTooLarge  = errors.New("the frame is larger than OpenIM accepts: send less at a time")
	ErrMalformed = errors.New("the frame is not a request in the socket's encoding: see sdkType and compression")
)

// DecodeRequest decodes a client's frame. A name longer than MaxName, an operationID longer than wire.MaxOperationIDBytes and an id out
// of range are malformed.
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

// EncodeRequest encodes a frame for OpenIM, of at most MaxRequest bytes.
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

// EncodeReply encodes a frame for a client.
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

// ReplyHead decodes all of a reply but its data. It decompresses the first kilobytes only.
func (e Encoding) ReplyHead(data []byte) (Reply, error) {
	if !e.Gzip {
		return e.replyHead(data, true)
	}
	// Almost all heads fit the short limit.
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

// DecodeReply decodes a reply of at most 64 KiB, such as one with an error.
func (e Encoding) DecodeReply(data []byte) (Reply, error) { return e.decodeReply(data, maxError) }

// DecodePushed decodes a reply of at most MaxReply bytes, such as one with messages or seqs.
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
