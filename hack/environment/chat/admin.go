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
	// prefix precedes OpenIM's own paths on the gateway's administrators' listener.
	prefix = "/admin/v1"
	// maxReply bounds a reply, in bytes.
	maxReply = 1 << 20
	// callTimeout bounds one call. It exceeds the gateway's longest deadline.
	callTimeout = 30 * time.Second
)

// httpClient makes the calls to forwarded ports.
var httpClient = &http.Client{Timeout: callTimeout}

// GetUsers is a route that changes nothing. OpenIM's api process calls two rpc services to answer it.
const GetUsers = "/user/get_users"

// Admin calls OpenIM through the gateway.
type Admin struct {
	// Address is host:port of the gateway's administrators' listener.
	Address string
	// Token is the caller's bearer token. Empty: the request carries no Authorization header.
	Token string
}

// Reply is the gateway's answer.
type Reply struct {
	// Status is the HTTP status.
	Status int
	// Code, Message, Detail and Data are OpenIM's envelope. Code 0 is success.
	Code    int             `json:"errCode"`
	Message string          `json:"errMsg"`
	Detail  string          `json:"errDlt"`
	Data    json.RawMessage `json:"data"`
}

func (r Reply) String() string {
	return fmt.Sprintf("HTTP %d, errCode %d, %q", r.Status, r.Code, r.Message)
}

// OK reports whether the call succeeded.
func (r Reply) OK() bool { return r.Status == http.StatusOK && r.Code == 0 }

// Post sends a body to a route of OpenIM, such as /user/user_register. A refusal is a Reply, not an error.
func (a Admin) Post(ctx context.Context, route string, body any) (Reply, error) {
	header := http.Header{}
	if a.Token != "" {
		header.Set("Authorization", "Bearer "+a.Token)
	}
	return post(ctx, httpClient, "http://"+a.Address+prefix+route, header, body)
}

// FirstUser requests a page of one user.
func (a Admin) FirstUser(ctx context.Context) (Reply, error) {
	return a.Post(ctx, GetUsers, map[string]any{"pagination": map[string]int{"pageNumber": 1, "showNumber": 1}})
}

// post sends JSON and reads OpenIM's envelope.
func post(ctx context.Context, client *http.Client, url string, header http.Header, body any) (Reply, error) {
	var reply Reply
	content, err := json.Marshal(body)
	if err != nil {
		return reply, fmt.Errorf("encoding the body for %s: %w", url, err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return reply, fmt.Errorf("calling %s: %w", url, err)
	}
	request.Header = header
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return reply, fmt.Errorf("calling %s: %w", url, err)
	}
	defer func() { _ = response.Body.Close() }()
	reply.Status = response.StatusCode
	if content, err = io.ReadAll(io.LimitReader(response.Body, maxReply)); err != nil {
		return reply, fmt.Errorf("reading the reply of %s: %w", url, err)
	}
	if err := json.Unmarshal(content, &reply); err != nil {
		return reply, fmt.Errorf("decoding the reply of %s: HTTP %d without OpenIM's envelope: %.200q", url, response.StatusCode, content)
	}
	return reply, nil
}

// call posts a body and expects success; the data is decoded into out unless out is nil.
func (a Admin) call(ctx context.Context, route string, body, out any) error {
	reply, err := a.Post(ctx, route, body)
	if err != nil {
		return err
	}
	if !reply.OK() {
		return fmt.Errorf("calling %s: %s", route, reply)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply.Data, out); err != nil {
		return fmt.Errorf("decoding the data of %s: %w: %.200q", route, err, reply.Data)
	}
	return nil
}

// maxListed bounds the users that UserIDs lists.
const maxListed = 1000

// UserIDs lists the IDs of OpenIM's users, at most maxListed.
func (a Admin) UserIDs(ctx context.Context) ([]string, error) {
	var data struct {
		Users []struct {
			UserID string `json:"userID"`
		} `json:"users"`
	}
	err := a.call(ctx, GetUsers, map[string]any{"pagination": map[string]int{"pageNumber": 1, "showNumber": maxListed}}, &data)
	var ids []string
	for _, user := range data.Users {
		ids = append(ids, user.UserID)
	}
	return ids, err
}

// Conversations lists the IDs of a user's conversations.
func (a Admin) Conversations(ctx context.Context, user string) ([]string, error) {
	var data struct {
		Conversations []struct {
			ConversationID string `json:"conversationID"`
		} `json:"conversations"`
	}
	err := a.call(ctx, "/conversation/get_all_conversations", map[string]string{"ownerUserID": user}, &data)
	var ids []string
	for _, conversation := range data.Conversations {
		ids = append(ids, conversation.ConversationID)
	}
	return ids, err
}
