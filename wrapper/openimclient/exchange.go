package openimclient

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// codeNoProcess is gRPC's code Unavailable. OpenIM's API returns it as errCode if one of its processes is missing in etcd ("produced zero
// addresses").
const codeNoProcess = 14

// headerRequestAPI is the header with the URL that OpenIM puts before the paths of objects, instead of the request's host.
const headerRequestAPI = "X-Request-Api"

// StatusError is an HTTP status with which OpenIM's API answers no call that succeeds or fails: its envelopes have status 200.
type StatusError int

func (s StatusError) Error() string { return fmt.Sprintf("HTTP status %d", int(s)) }

// exchange sends one POST and decodes the reply's envelope. token is empty for the two routes that need none. The reply is unmodified and
// still contains errDlt.
func (c *Client) exchange(ctx context.Context, r Request, token string) (wire.Envelope, error) {
	header := http.Header{
		wire.HeaderContentType: {cmp.Or(r.ContentType, wire.MediaTypeJSON)},
		wire.HeaderOperationID: {r.RequestID},
	}
	if c.externalURL != "" {
		header[headerRequestAPI] = []string{c.externalURL}
	}
	if token != "" {
		header[wire.HeaderToken] = []string{token}
	}
	reply, err := c.up.Do(ctx, http.MethodPost, r.Path, header, r.Body)
	switch {
	case errors.Is(err, upstream.ErrNotSent):
		return wire.Envelope{}, ErrUnavailable
	case errors.Is(err, upstream.ErrTimeout):
		return wire.Envelope{}, ErrTimeout
	case errors.Is(err, upstream.ErrBroken):
		return wire.Envelope{}, ErrBroken
	case err != nil:
		return wire.Envelope{}, fmt.Errorf("%w: %w", ErrBadReply, err)
	case reply.Status == http.StatusNotFound:
		return wire.Envelope{}, ErrNoRoute
	case reply.Status != http.StatusOK:
		return wire.Envelope{}, fmt.Errorf("%w: %w", ErrBadReply, StatusError(reply.Status))
	}
	return decodeEnvelope(reply.Body)
}

// beforeData is how OpenIM's reply to a successful call begins, byte for byte: its API encodes apiresp.ApiResponse of OpenIM's tools.
var beforeData = []byte(`{"errCode":0,"errMsg":"","errDlt":"","data":`)

// plainData returns the data of a successful reply that is exactly one value between beforeData and a brace. Such a reply needs one pass
// over its bytes, where the decoder needs two and copies them. ok is false for any other reply, which is decoded.
func plainData(reply []byte) (data json.RawMessage, ok bool) {
	data, begins := bytes.CutPrefix(reply, beforeData)
	data, ends := bytes.CutSuffix(data, []byte("}"))
	return data, begins && ends && len(bytes.TrimSpace(data)) == len(data) && json.Valid(data)
}

// decodeEnvelope decodes an envelope. It requires errCode: JSON without it is not from OpenIM.
func decodeEnvelope(data []byte) (wire.Envelope, error) {
	if inner, ok := plainData(data); ok {
		return wire.Envelope{Data: inner}, nil
	}
	return decodeAny(data)
}

func decodeAny(data []byte) (wire.Envelope, error) {
	var probe struct {
		ErrCode *int `json:"errCode"`
		wire.Envelope
	}
	if err := json.Unmarshal(data, &probe); err != nil || probe.ErrCode == nil {
		return wire.Envelope{}, fmt.Errorf("%w: not an envelope", ErrBadReply)
	}
	probe.Envelope.ErrCode = *probe.ErrCode
	return probe.Envelope, nil
}
