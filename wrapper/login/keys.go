package login

import (
	"bytes"
	"crypto/ecdh"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
	"github.com/openimstack/openim-operator/wrapper/handshake"
)

// keysName is the label of the server keys in logs and metrics.
const keysName = "login-keys"

// ServerKeys holds the current static keys, in the order in which they are published.
type ServerKeys struct{ keys []serverKey }

type serverKey struct {
	private *ecdh.PrivateKey
	public  handshake.PublicKey
	id      string
}

// NewKeys watches a mounted folder with the wrapper's static keys: one to four files, each with one X25519 private key, 32 bytes as
// base64url or as 64 hexadecimal digits. The key of the lexically first file is published first. Logins work with each key.
func NewKeys(dir string) *filewatch.Source[*ServerKeys] {
	return filewatch.NewFolder(keysName, dir, handshake.MaxServerKeys, parseServerKeys)
}

func parseServerKeys(names []string, contents [][]byte) (*ServerKeys, error) {
	if len(names) == 0 {
		return nil, errors.New("holds no key: put a file with 32 random bytes in base64url into it")
	}
	keys := &ServerKeys{}
	for i, name := range names {
		key, err := parseKey(contents[i])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if _, there := keys.find(key.id); there {
			return nil, fmt.Errorf("%s: holds the same key as another file: remove one of them", name)
		}
		keys.keys = append(keys.keys, key)
	}
	return keys, nil
}

// parseKey parses one key file. Its errors never hold the content.
func parseKey(text []byte) (serverKey, error) {
	raw, err := parseScalar(bytes.TrimRight(text, "\r\n"))
	if err != nil {
		return serverKey{}, err
	}
	private, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return serverKey{}, errors.New("not an X25519 private key")
	}
	public := handshake.PublicOf(private)
	if err = public.Check(); err != nil {
		return serverKey{}, err
	}
	return serverKey{private: private, public: public, id: public.ID()}, nil
}

func parseScalar(text []byte) ([]byte, error) {
	form := errors.New("not a key: write 32 random bytes as base64url without padding (43 characters) or as 64 hexadecimal digits")
	var raw []byte
	var err error
	switch len(text) {
	case base64.RawURLEncoding.EncodedLen(handshake.KeyBytes):
		raw, err = base64.RawURLEncoding.Strict().DecodeString(string(text))
	case hex.EncodedLen(handshake.KeyBytes):
		raw, err = hex.DecodeString(string(text))
	default:
		return nil, form
	}
	if err != nil || len(raw) != handshake.KeyBytes {
		return nil, form
	}
	// X25519 accepts any 32 bytes, so a placeholder must be detected here.
	if bytes.Count(raw, raw[:1]) == len(raw) {
		return nil, errors.New("a placeholder: all its bytes are equal: write 32 random bytes")
	}
	return raw, nil
}

func (r *ServerKeys) find(id string) (serverKey, bool) {
	for _, key := range r.keys {
		if key.id == id {
			return key, true
		}
	}
	return serverKey{}, false
}

// Published returns the public keys.
func (r *ServerKeys) Published() []handshake.ServerKey {
	list := make([]handshake.ServerKey, len(r.keys))
	for i, key := range r.keys {
		list[i] = handshake.ServerKey{ID: key.id, Key: key.public.String()}
	}
	return list
}

// String keeps the keys out of logs and error texts.
func (r *ServerKeys) String() string { return fmt.Sprintf("%d login keys", len(r.keys)) }

// GoString does the same for %#v.
func (r *ServerKeys) GoString() string { return r.String() }
