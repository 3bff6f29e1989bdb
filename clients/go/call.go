package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"unicode"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// maxReplyBytes limits the size of a reply.
const maxReplyBytes = 1 << 20

// post sends one request and decodes the data of the reply into out.
func (c *Client) post(ctx context.Context, path, token string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encoding the request: %w", err)
	}
	status, text, err := c.do(ctx, http.MethodPost, path, token, body)
	if err != nil {
		return err
	}
	return decodeReply(path, status, text, out)
}

// do sends one request and reads the whole reply.
func (c *Client) do(ctx context.Context, method, path, token string, body []byte) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, c.base.String()+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("making the request: %w", err)
	}
	if method == http.MethodPost {
		request.Header.Set(wire.HeaderContentType, wire.MediaTypeJSON)
	}
	if token != "" {
		request.Header.Set(wire.HeaderAuthorization, wire.SchemeBearer+" "+token)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer func() { _ = response.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(response.Body, maxReplyBytes+1))
	if err != nil {
		return 0, nil, fmt.Errorf("%w: reading the reply: %w", ErrUnavailable, err)
	}
	if len(text) > maxReplyBytes {
		return 0, nil, fmt.Errorf("calling %s: %w: the reply is larger than %d bytes", path, ErrReply, maxReplyBytes)
	}
	return response.StatusCode, text, nil
}

// decodeReply decodes OpenIM's envelope. The other side may not be a gateway, so that an error repeats at most a short text of
// the reply.
func decodeReply(path string, status int, text []byte, out any) error {
	var envelope wire.Envelope
	err := json.Unmarshal(text, &envelope)
	switch {
	case err != nil && status == http.StatusOK:
		return fmt.Errorf("calling %s: %w", path, ErrReply)
	case err != nil:
		return &Error{Path: path, Status: status, Text: http.StatusText(status)}
	case envelope.ErrCode != wire.CodeOK || status != http.StatusOK:
		return &Error{Path: path, Status: status, Code: envelope.ErrCode, Text: shorten(envelope.ErrMsg)}
	case out == nil:
		return nil
	case json.Unmarshal(envelope.Data, out) != nil:
		return fmt.Errorf("calling %s: %w", path, ErrReply)
	}
	return nil
}

// shorten returns a text of the other side for an error: at most wire.MaxErrMsgBytes, on one line, without characters that move a
// terminal's cursor or turn its direction.
func shorten(text string) string {
	if len(text) > wire.MaxErrMsgBytes {
		text = text[:wire.MaxErrMsgBytes]
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, strings.ToValidUTF8(text, ""))
}

// refused reports whether the gateway refused a login.
func refused(err error) bool { return errors.Is(err, ErrRefused) }
