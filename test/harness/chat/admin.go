package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	// prefix stands before OpenIM's own paths on the gateway's administrators' port.
	prefix = "/admin/v1"
	// maxReply bounds a reply, in bytes.
	maxReply = 1 << 20
	// callTimeout bounds one call: longer than the gateway's own longest deadline.
	callTimeout = 30 * time.Second
)

// Admin calls OpenIM through the gateway.
type Admin struct {
	// Address of the gateway's administrators' port, host:port.
	Address string
	// Token of the caller. Empty: the request carries no Authorization.
	Token string
}

// Reply is what the gateway answered.
type Reply struct {
	// Status is HTTP's.
	Status int
	// Code, Message and Data are OpenIM's envelope. Code 0 is success.
	Code    int             `json:"errCode"`
	Message string          `json:"errMsg"`
	Detail  string          `json:"errDlt"`
	Data    json.RawMessage `json:"data"`
}

func (r Reply) String() string {
	return fmt.Sprintf("HTTP %d, errCode %d, %q", r.Status, r.Code, r.Message)
}

// OK tells whether the call was carried out.
func (r Reply) OK() bool { return r.Status == http.StatusOK && r.Code == 0 }

// Post sends a body to a route of OpenIM's, such as /user/user_register. A refusal is a Reply, not an error.
func (a Admin) Post(ctx context.Context, route string, body any) (Reply, error) {
	var reply Reply
	content, err := json.Marshal(body)
	if err != nil {
		return reply, fmt.Errorf("encoding the body of %s: %w", route, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+a.Address+prefix+route, bytes.NewReader(content))
	if err != nil {
		return reply, fmt.Errorf("calling %s: %w", route, err)
	}
	request.Header.Set("Content-Type", "application/json")
	if a.Token != "" {
		request.Header.Set("Authorization", "Bearer "+a.Token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return reply, fmt.Errorf("calling %s: %w", route, err)
	}
	defer func() { _ = response.Body.Close() }()
	reply.Status = response.StatusCode
	if content, err = io.ReadAll(io.LimitReader(response.Body, maxReply)); err != nil {
		return reply, fmt.Errorf("reading the reply of %s: %w", route, err)
	}
	if err := json.Unmarshal(content, &reply); err != nil {
		return reply, fmt.Errorf("%s answered HTTP %d without OpenIM's envelope: %.200q", route, response.StatusCode, content)
	}
	return reply, nil
}

// call posts and wants success; out, if given, takes the data.
func (a Admin) call(ctx context.Context, route string, body, out any) error {
	reply, err := a.Post(ctx, route, body)
	if err != nil {
		return err
	}
	if !reply.OK() {
		return fmt.Errorf("%s was not carried out: %s", route, reply)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Data, out); err != nil {
		return fmt.Errorf("%s answered data of another shape: %w: %.200q", route, err, reply.Data)
	}
	return nil
}
