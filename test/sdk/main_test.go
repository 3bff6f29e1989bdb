package sdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/openimsdk/openim-sdk-core/v3/pkg/sdk_params_callback"
	"github.com/openimsdk/tools/log"

	"github.com/openimstack/openim-operator/test/loopback/endpoints"
)

var (
	// where holds the endpoints.
	where endpoints.Endpoints
	// tape is a proxy between the SDK and OpenIM in runs without the wrapper. It is nil with the wrapper.
	tape *recorder
)

func TestMain(m *testing.M) {
	var err error
	if where, err = endpoints.FromEnvironment(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// The SDK uploads with http.DefaultClient.
	transport, err := where.Transport()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	http.DefaultTransport = transport
	if !where.HasGateway() {
		if tape, err = newRecorder(where.API, where.Socket); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	logs, err := quiet()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	if code == 0 {
		_ = os.RemoveAll(logs)
	} else {
		fmt.Fprintln(os.Stderr, "the SDK's log is in", logs)
	}
	tape.close()
	os.Exit(code)
}

// quiet writes the SDK's log, one for all users of a process, to a file.
func quiet() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "openim-sdk-log-"); err != nil {
		return "", err
	}
	return dir, log.InitLoggerFromConfig("sdk", "", "loopback", "", logErrors, false, false, dir, 1, 24, "", true)
}

func api() string {
	if tape != nil {
		return tape.api.URL
	}
	return where.API
}

func socket() string {
	if tape != nil {
		return strings.Replace(tape.socket.URL, "http", "ws", 1)
	}
	return where.Socket
}

// run is part of all names, so that a second run on the same OpenIM uses new users. OpenIM accepts letters, digits and underscores in user
// IDs.
var run = strings.ToLower(rand.Text()[:6])

func named(name string) string { return name + run }

// admin calls OpenIM as an administrator.
func admin(t *testing.T, path string, body, reply any) {
	t.Helper()
	if err := call(t.Context(), path, body, reply); err != nil {
		t.Fatal(err)
	}
}

func call(ctx context.Context, path string, body, reply any) error {
	token, err := where.AdminToken(ctx)
	if err != nil {
		return err
	}
	payload, err := json.Marshal(body)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, where.Admin+path, bytes.NewReader(payload))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("operationID", "sdk-admin")
	if where.HasGateway() {
		request.Header.Set("Authorization", "Bearer "+token)
	} else {
		request.Header.Set("token", token)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return err
	}
	var envelope struct {
		ErrCode int             `json:"errCode"`
		ErrMsg  string          `json:"errMsg"`
		Data    json.RawMessage `json:"data"`
	}
	if err := json.Unmarshal(content, &envelope); err != nil || envelope.ErrCode != 0 {
		return fmt.Errorf("%s: HTTP %d: %.300s", path, response.StatusCode, content)
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(envelope.Data, reply)
}

func historyOf(conversation string, count int) sdk_params_callback.GetAdvancedHistoryMessageListParams {
	return sdk_params_callback.GetAdvancedHistoryMessageListParams{ConversationID: conversation, Count: count}
}
