package web

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/katzenpost/nyquist"
	"github.com/katzenpost/nyquist/dh"
)

// foreignGateway is the gateway's side of the login by nyquist, for one client at a time.
type foreignGateway struct {
	static dh.Keypair
	psk    []byte

	mu     sync.Mutex
	hs     *nyquist.HandshakeState
	hellos []object
	keys   [][]byte
	url    string
}

func newForeignGateway(t *testing.T, psk []byte) *foreignGateway {
	t.Helper()
	static, err := newPair()
	if err != nil {
		t.Fatal(err)
	}
	f := &foreignGateway{static: static, psk: psk}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openim-gateway", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).
			Encode(object{"version": 1, "audience": f.url, "protocols": []string{xk, xkpsk3}, "keys": []object{{"id": f.id(), "key": f.key()}}})
	})
	for path, step := range map[string]func(object) (object, error){"POST /auth/v1/dh/start": f.start, "POST /auth/v1/dh/finish": f.finish} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			f.mu.Lock()
			defer f.mu.Unlock()
			var body object
			err := json.NewDecoder(r.Body).Decode(&body)
			var data object
			if err == nil {
				data, err = step(body)
			}
			if err != nil {
				t.Log(err)
				_ = json.NewEncoder(w).Encode(object{"errCode": 1502, "errMsg": "the login failed: start again"})
				return
			}
			_ = json.NewEncoder(w).Encode(object{"errCode": 0, "data": data})
		})
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	f.url = server.URL
	return f
}

func (f *foreignGateway) key() string { return b64.EncodeToString(publicBytes(f.static)) }
func (f *foreignGateway) id() string  { return keyName(publicBytes(f.static)) }

func (f *foreignGateway) start(body object) (object, error) {
	protocol, _ := body["protocol"].(string)
	purpose, _ := body["purpose"].(string)
	var psk []byte
	if protocol == xkpsk3 {
		psk = f.psk
	}
	var err error
	if f.hs, err = shake(protocol, prologue("openim-gateway/1", f.url, f.id(), purpose, protocol), false, f.static, nil, psk); err != nil {
		return nil, err
	}
	m1, err := message(body)
	if err != nil {
		return nil, err
	}
	if _, err := f.hs.ReadMessage(nil, m1); err != nil {
		return nil, err
	}
	greeting, err := padded(object{"serverTime": 1}, 128)
	if err != nil {
		return nil, err
	}
	m2, err := f.hs.WriteMessage(nil, greeting)
	return object{"handshakeID": b64.EncodeToString(make([]byte, 16)), "message": b64.EncodeToString(m2), "expiresInSeconds": 30}, err
}

func (f *foreignGateway) finish(body object) (object, error) {
	m3, err := message(body)
	if err != nil {
		return nil, err
	}
	hello, err := finished(f.hs.ReadMessage(nil, m3))
	if err != nil {
		return nil, err
	}
	said, err := unpadded(hello, 512)
	if err != nil {
		return nil, err
	}
	status := f.hs.GetStatus()
	f.hellos, f.keys = append(f.hellos, said), append(f.keys, status.RemoteStatic.Bytes())
	reply, err := padded(object{
		"token": "token", "sessionID": "s", "userID": "alice", "deviceID": "d", "platformID": said["platformID"], "expires": 2000000000,
		"idleSeconds": 60, "serverKeys": []string{f.key()},
	}, 1024)
	if err != nil {
		return nil, err
	}
	m4, err := status.CipherStates[1].EncryptWithAd(nil, nil, reply)
	return object{"message": b64.EncodeToString(m4)}, err
}
