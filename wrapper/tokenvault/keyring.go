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
	// maxKeys bounds the keys of one file.
	maxKeys = 4
	// previousKeyLasts is how long a key that is no longer in the file still opens: the kubelet brings a new file to each
	// pod at its own time, and the pod that has it first seals with it.
	previousKeyLasts = 10 * time.Minute
	sealedVersion    = 1
	keyIDBytes       = 8
	sealedHeader     = 1 + keyIDBytes
	maxSealedBytes   = 64 << 10
)

// Errors of opening. They name no content.
var (
	// ErrUnknownKey: it was sealed under a key that this replica does not have, or not yet.
	ErrUnknownKey = errors.New("it is sealed under a custody key that is not in the mounted file")
	// ErrNotSealed: it was changed, cut off, or sealed for another purpose or place.
	ErrNotSealed = errors.New("it was not sealed here, or was changed since")
)

// Keys are the custody keys of a mounted file.
type Keys [][]byte

// KeyFile is a mounted file of one to four keys, one a line, each 32 to 1024 bytes. The first one seals, all of them open. To change the
// key, put the new one below the old one, move it to the first line when every replica has read it, and take the old one out when the
// longest-lived token has been made anew and the last session has ended.
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
			return nil, fmt.Errorf("holds more than %d keys: take out those that are no longer needed", maxKeys)
		}
	}
	if len(keys) == 0 {
		return nil, fmt.Errorf("is empty: write a key of %d bytes", minKeyBytes)
	}
	return keys, nil
}

// KeySource gives the present keys.
type KeySource interface {
	Get() (Keys, error)
}

// Keyring seals and opens for one purpose: AES-256-GCM under a key derived from the custody key by HKDF-SHA256 (RFC 5869)
// with the purpose as info. It is safe for concurrent use.
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
	gone time.Time // when it left the file; zero while it is there
}

// NewKeyring derives from the source. Two keyrings of different purposes cannot open each other's content.
func NewKeyring(source KeySource, purpose string, now func() time.Time) *Keyring {
	return &Keyring{source: source, purpose: purpose, now: now, known: map[keyID]*knownKey{}}
}

// Seal encrypts content for a place: only Open with the same place gives it back.
func (k *Keyring) Seal(content, place []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.look(); err != nil {
		return nil, err
	}
	aead := k.known[k.primary].aead
	sealed := make([]byte, sealedHeader+aead.NonceSize(), sealedHeader+aead.NonceSize()+len(content)+aead.Overhead())
	sealed[0] = sealedVersion
	copy(sealed[1:], k.primary[:])
	nonce := sealed[sealedHeader:]
	if _, err := rand.Read(nonce); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return aead.Seal(sealed, nonce, content, associated(sealed[:sealedHeader], place)), nil //nolint:gosec // the nonce is random, see above
}

// Open gives back what Seal was given. Its errors are ErrUnknownKey, ErrNotSealed, or that there are no keys at all.
func (k *Keyring) Open(sealed, place []byte) ([]byte, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.look(); err != nil {
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
	content, err := key.aead.Open(nil, sealed[sealedHeader:sealedHeader+size], sealed[sealedHeader+size:], associated(sealed[:sealedHeader], place))
	if err != nil {
		return nil, ErrNotSealed
	}
	return content, nil
}

// Primary names the key that seals now, for a log.
func (k *Keyring) Primary() (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if err := k.look(); err != nil {
		return "", err
	}
	return k.primary.String(), nil
}

// look takes over what the file holds now. Keys that left it are kept for a while.
func (k *Keyring) look() error {
	keys, err := k.source.Get()
	if err != nil {
		return fmt.Errorf("the custody key cannot be read: %w", err)
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
		case now.Sub(key.gone) >= previousKeyLasts:
			delete(k.known, id)
		}
	}
	return nil
}

// idOf names a key without telling anything of it: a hash under a label of its own, and for each purpose another.
func (k *Keyring) idOf(key []byte) keyID {
	h := sha256.New()
	h.Write([]byte("openim-wrapper custody key id\x00" + k.purpose + "\x00"))
	h.Write(key)
	return keyID(h.Sum(nil)[:keyIDBytes])
}

func (k *Keyring) derive(key []byte) (cipher.AEAD, error) {
	derived, err := hkdf.Key(sha256.New, key, nil, "openim-wrapper custody 1: "+k.purpose, 32)
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, fmt.Errorf("derive the key: %w", err)
	}
	return cipher.NewGCM(block)
}

// associated is what is sealed along: version, key and place.
func associated(header, place []byte) []byte {
	return append(bytes.Clone(header), place...)
}

// Place joins parts so that no two lists of parts give the same bytes.
func Place(parts ...string) []byte {
	var out []byte
	for _, part := range parts {
		out = binary.BigEndian.AppendUint32(out, uint32(len(part))) //nolint:gosec // no part is 4 GiB long
		out = append(out, part...)
	}
	return out
}
