package identity

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/go-jose/go-jose/v4"
)

// Provider signs tokens.
type Provider struct {
	key jose.JSONWebKey
}

// Open reads the provider's key from a file. If the file does not exist, Open generates a key and writes it there.
func Open(path string) (*Provider, error) {
	content, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return create(path)
	case err != nil:
		return nil, fmt.Errorf("reading the identity provider's key: %w", err)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(content, &key); err != nil || !key.Valid() || key.IsPublic() {
		return nil, fmt.Errorf("reading the identity provider's key: %s holds no private key: delete the file to have a new key generated", path)
	}
	return &Provider{key: key}, nil
}

// New returns a provider with a new key in memory only.
func New() (*Provider, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generating a key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.ES256), Use: "sig"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("computing the key's thumbprint: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint) // RFC 7638
	return &Provider{key: key}, nil
}

func create(path string) (*Provider, error) {
	provider, err := New()
	if err != nil {
		return nil, err
	}
	content, err := json.Marshal(provider.key)
	if err != nil {
		return nil, fmt.Errorf("encoding the key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("creating the folder of the identity provider's key: %w", err)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		return nil, fmt.Errorf("writing the identity provider's key: %w", err)
	}
	return provider, nil
}
