package proof

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/openimstack/openim-operator/controllers/openim"
)

// api speaks OpenIM's REST API.
type api struct {
	url   string
	token string
}

type object = map[string]any

// call posts a request and gives the reply's data. Anything but errCode 0 is an error.
func (a api) call(path string, body object) (object, error) {
	payload, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(http.MethodPost, a.url+path, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	req.Header.Set("operationID", "proof-"+strings.ReplaceAll(path, "/", "-"))
	req.Header.Set("token", a.token)
	resp, err := (&http.Client{Timeout: 30 * time.Second}).Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var reply struct {
		ErrCode int
		ErrMsg  string
		ErrDlt  string
		Data    object
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", path, resp.Status, err)
	}
	if reply.ErrCode != 0 {
		return nil, fmt.Errorf("%s: errCode %d %s: %.300s", path, reply.ErrCode, reply.ErrMsg, reply.ErrDlt)
	}
	return reply.Data, nil
}

// must is call for what has to work at once.
func (a api) must(t *testing.T, path string, body object) object {
	t.Helper()
	data, err := a.call(path, body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// login gets the administrator's token.
func login(t *testing.T) api {
	t.Helper()
	server, _ := openim.Lookup(openim.API)
	port, _ := server.Port(openim.HTTP)
	a := api{url: fmt.Sprintf("http://127.0.0.1:%d", port.Number)}
	a.token = a.must(t, "/auth/get_admin_token", object{"secret": shareSecret, "userID": openim.AdminUserID})["token"].(string)
	return a
}

// at follows a path of field names and indexes through a reply; nil if it leads nowhere.
func at(v any, path ...any) any {
	for _, step := range path {
		switch s := step.(type) {
		case string:
			o, _ := v.(object)
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

// each collects a field of all elements of a list.
func each(list any, field string) []any {
	var values []any
	elements, _ := list.([]any)
	for _, e := range elements {
		values = append(values, at(e, field))
	}
	return values
}

// redis runs commands of Debian's redis-cli.
func (s *stack) redisCLI(t *testing.T, args ...string) string {
	t.Helper()
	host, port := split(t, s.redis)
	cmd := exec.Command("redis-cli", append([]string{"-h", host, "-p", port, "--no-auth-warning", "-a", redisPassword}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %s: %v\n%s", args[0], err, out)
	}
	return strings.TrimSpace(string(out))
}

func split(t *testing.T, address string) (host, port string) {
	t.Helper()
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return host, port
}
