package tokenvault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

const (
	minKeyBytes = 32
	maxKeyBytes = 1024
	// maxKeys is the largest number of keys in one file.
	maxKeys = 4
	// previousKeyTTL is how long a key that was removed from the file still opens content. The kubelet updates each pod's file at its
	// own time, and the first pod that has the new file seals with its key.
	previousKeyTTL = 10 * time.Minute
	sealedVersion  = 1
	keyIDBytes     = 8
	sealedHeader   = 1 + keyIDBytes
	maxSealedBytes = 64 << 10
)

// Errors of Open. They hold no content.
var (
	// ErrUnknownKey says that this replica does not have the key, or does not have it yet.
	ErrUnknownKey = errors.New("sealed under a custody key that is not in the mounted file")
	// ErrNotSealed says that the content was changed or truncated, or sealed for another purpose or place.
	ErrNotSealed = errors.New("not sealed by this wrapper, or changed since")
)

// Keys are the custody keys of a mounted file, the sealing key first.
type Keys [][]byte

// KeyFile watches a mounted file of one to four keys, one a line, each 32 to 1024 bytes. The first key seals. All keys open. To change the
// key: add the new key below the old one; move it to the first line when every replica has read it; remove the old key when the
// longest-lived token has been replaced and the last session has ended.
func KeyFile(path string) *filewatch.Source[Keys] {
	return filewatch.New("custody-key", parseKeys, path)
}

func parseKeys(contents [][]byte) (Keys, error) {
	var keys Keys
	for line := range bytes.Lines(contents[0]) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			continue
		}
		if len(line) < minKeyBytes || len(line) > maxKeyBytes {
			return nil, fmt.Errorf("line %d holds %d bytes: write a key of %d to %d", len(keys)+1, len(line), minKeyBytes, maxKeyBytes)
		}
		if keys = append(keys, line); len(keys) > maxKeys {
			return nil, fmt.Errorf("holds more than %d keys: remove those that are no longer needed", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("is empty: write a key of %d bytes", minKeyBytes)
	}
	return keys, nil
}

// KeySource returns the current keys.
type KeySource interface {
	Get() (Keys, error)
}

// Keyring seals and opens content for one purpose: AES-256-GCM under a key that HKDF-SHA256 (RFC 5869) derives from the custody key with
// the purpose as info. It is safe for concurrent use.
type Keyring struct {
	source  KeySource
	purpose string
	now     func() time.Time

	mu      sync.Mutex
	primary keyID
	known   map[keyID]*knownKey
}

type keyID [keyIDBytes]byte

func (id keyID) String() string { return hex.EncodeToString(id[:]) }

type knownKey struct {
	aead cipher.AEAD
	gone time.Time // when it was removed from the file; zero while it is there
}

// NewKeyring returns a keyring for a purpose. Keyrings of different purposes cannot open each other's content.
func NewKeyring(source KeySource, purpose string, now func() time.Time) *Keyring {
	return &Keyring{source: source, purpose: purpose, now: now, known: map[keyID]*knownKey{}}
}

// Seal encrypts content for a place. Only Open with the same place returns it.
func (k *Keyring) Seal(content, place []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reload(); err != nil {
		return nil, err
	}
	aead := k.known[k.primary].aead
	sealed := make([]byte, sealedHeader+aead.NonceSize(), sealedHeader+aead.NonceSize()+len(content)+aead.Overhead())
	sealed[0] = sealedVersion
	copy(sealed[1:], k.primary[:])
	nonce := sealed[sealedHeader:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return aead.Seal(sealed, nonce, content, associated(sealed[:sealedHeader], place)), nil //nolint:gosec // the nonce is random, see above
}

// Open decrypts what Seal returned. It fails with ErrUnknownKey, with ErrNotSealed, or when there are no keys.
func (k *Keyring) Open(sealed, place []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reload(); err != nil {
		return nil, err
	}
	if len(sealed) < sealedHeader || len(sealed) > maxSealedBytes || sealed[0] != sealedVersion {
		return nil, ErrNotSealed
	}
	key, there := k.known[keyID(sealed[1:sealedHeader])]
	if !there {
		return nil, ErrUnknownKey
	}
	size := key.aead.NonceSize()
	if len(sealed) < sealedHeader+size {
		return nil, ErrNotSealed
	}
	nonce, text := sealed[sealedHeader:sealedHeader+size], sealed[sealedHeader+size:]
	content, err := key.aead.Open(nil, nonce, text, associated(sealed[:sealedHeader], place))
	if err != nil {
		return nil, ErrNotSealed
	}
	return content, nil
}

// Primary returns the name of the sealing key, for logs.
func (k *Keyring) Primary() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.reload(); err != nil {
		return "", err
	}
	return k.primary.String(), nil
}

// reload takes over the file's current keys. Removed keys are kept for previousKeyTTL.
func (k *Keyring) reload() error {
	keys, err := k.source.Get()
	if err != nil {
		return fmt.Errorf("reading the custody key: %w", err)
	}
	now := k.now()
	inFile := make(map[keyID]bool, len(keys))
	for i, key := range keys {
		id := k.idOf(key)
		inFile[id] = true
		if i == 0 {
			k.primary = id
		}
		if there := k.known[id]; there != nil {
			there.gone = time.Time{}
			continue
		}
		aead, err := k.derive(key)
		if err != nil {
			return err
		}
		k.known[id] = &knownKey{aead: aead}
	}
	for id, key := range k.known {
		switch {
		case inFile[id]:
		case key.gone.IsZero():
			key.gone = now
		case now.Sub(key.gone) >= previousKeyTTL:
			delete(k.known, id)
		}
	}
	return nil
}

// idOf returns the name of a key: a hash with its own label for each purpose, which reveals nothing of the key.
func (k *Keyring) idOf(key []byte) keyID {
	h := sha256.New()
	h.Write([]byte("openim-wrapper custody key id\x00" + k.purpose + "\x00"))
	h.Write(key)
	return keyID(h.Sum(nil)[:keyIDBytes])
}

func (k *Keyring) derive(key []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "openim-wrapper custody 1: "+k.purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("deriving the key: %w", err)
	}
	return cipher.NewGCM(block)
}

// associated returns the data that is authenticated with the content: version, key and place.
func associated(header, place []byte) []byte {
	return append(bytes.Clone(header), place...)
}

// Place joins parts unambiguously: no two lists of parts give the same bytes.
func Place(parts ...string) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part))) //nolint:gosec // no part is 4 GiB long
		out = append(out, part...)
	}
	return out
}
