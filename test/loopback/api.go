package loopback

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// maxReply bounds a reply of OpenIM, in bytes.
const maxReply = 16 << 20

// API calls OpenIM's REST API, directly or through the wrapper.
type API struct {
	// URL has no trailing slash; the routes' paths are appended to it.
	URL string
	// Token is sent in OpenIM's own header, Bearer in HTTP's. Either may be empty.
	Token, Bearer string
}

// Object is JSON.
type Object = map[string]any

// Reply is OpenIM's envelope.
type Reply struct {
	Status  int             `json:"-"` // HTTP's
	Code    int             `json:"errCode"`
	Message string          `json:"errMsg"`
	Detail  string          `json:"errDlt"`
	Data    json.RawMessage `json:"data"`
}

// OK reports whether the call succeeded.
func (r Reply) OK() bool { return r.Status == http.StatusOK && r.Code == 0 }

func (r Reply) String() string {
	return fmt.Sprintf("HTTP %d, errCode %d %s: %.300s", r.Status, r.Code, r.Message, r.Detail)
}

// As returns the API with another token.
func (a API) As(token string) API {
	a.Token = token
	return a
}

var caller = &http.Client{Timeout: 30 * time.Second}

// Post sends a request and returns the envelope, also of a refusal.
func (a API) Post(ctx context.Context, path string, body any) (Reply, error) {
	var reply Reply
	payload, err := json.Marshal(body)
	if err != nil {
		return reply, fmt.Errorf("%s: %w", path, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.URL+path, bytes.NewReader(payload))
	if err != nil {
		return reply, fmt.Errorf("%s: %w", path, err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("operationID", "loopback"+strings.ReplaceAll(path, "/", "-"))
	if a.Token != "" {
		req.Header.Set("token", a.Token)
	}
	if a.Bearer != "" {
		req.Header.Set("Authorization", "Bearer "+a.Bearer)
	}
	resp, err := caller.Do(req)
	if err != nil {
		return reply, fmt.Errorf("%s: %w", path, err)
	}
	defer func() { _ = resp.Body.Close() }()
	reply.Status = resp.StatusCode
	content, err := io.ReadAll(io.LimitReader(resp.Body, maxReply))
	if err != nil {
		return reply, fmt.Errorf("%s: %w", path, err)
	}
	if err := json.Unmarshal(content, &reply); err != nil {
		return reply, fmt.Errorf("%s: HTTP %d without OpenIM's envelope: %.200q", path, resp.StatusCode, content)
	}
	return reply, nil
}

// Call posts a request and returns the reply's data. A refusal is an error.
func (a API) Call(ctx context.Context, path string, body any) (Object, error) {
	reply, err := a.Post(ctx, path, body)
	if err != nil {
		return nil, err
	}
	if !reply.OK() {
		return nil, fmt.Errorf("%s: %s", path, reply)
	}
	if len(reply.Data) == 0 {
		return nil, nil
	}
	var data Object
	if err := json.Unmarshal(reply.Data, &data); err != nil {
		return nil, fmt.Errorf("%s: data of another shape: %w", path, err)
	}
	return data, nil
}

// Register creates users whose names are their IDs. Existing users are not an error.
func (a API) Register(ctx context.Context, ids ...string) error {
	const there = 1102
	users := make([]Object, len(ids))
	for i, id := range ids {
		users[i] = Object{"userID": id, "nickname": id, "faceURL": ""}
	}
	reply, err := a.Post(ctx, "/user/user_register", Object{"users": users})
	if err == nil && !reply.OK() && reply.Code != there {
		err = fmt.Errorf("/user/user_register: %s", reply)
	}
	return err
}

// UserToken returns an OpenIM token of a user on a platform (OpenIM's numbers, 1 to 9). Under OpenIM's usual policy the
// user's earlier token for that platform is void from then on.
func (a API) UserToken(ctx context.Context, id string, platform int) (string, error) {
	data, err := a.Call(ctx, "/auth/get_user_token", Object{"userID": id, "platformID": platform})
	if err != nil {
		return "", err
	}
	token, _ := data["token"].(string)
	return token, nil
}

// Must is Call for requests that must succeed.
func (a API) Must(t testing.TB, path string, body any) Object {
	t.Helper()
	data, err := a.Call(t.Context(), path, body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// At follows a path of field names and indexes through a reply. It returns nil if the path does not exist.
func At(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			o, _ := v.(Object)
			v = o[s]
		case int:
			list, _ := v.([]any)
			if s >= len(list) {
				return nil
			}
			v = list[s]
		}
	}
	return v
}

// Each collects a field of all elements of a list.
func Each(list any, field string) []any {
	var values []any
	elements, _ := list.([]any)
	for _, e := range elements {
		values = append(values, At(e, field))
	}
	return values
}
