package web

import (
	"bytes"
	"context"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/katzenpost/nyquist"
	"github.com/katzenpost/nyquist/dh"
)

// This file implements the login with nyquist's Noise, and prologue and payloads independently from docs/login.md. It shares no code with
// package handshake.

const (
	xk     = "Noise_XK_25519_AESGCM_SHA256"
	xkpsk3 = "Noise_XKpsk3_25519_AESGCM_SHA256"
)

var b64 = base64.RawURLEncoding

type object = map[string]any

func prologue(fields ...string) []byte {
	var out []byte
	for _, field := range fields {
		out = binary.BigEndian.AppendUint16(out, uint16(len(field))) //nolint:gosec // short
		out = append(out, field...)
	}
	return out
}

func padded(value any, size int) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	out := append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...) //nolint:gosec // short
	return append(out, make([]byte, size-len(out))...), nil
}

func unpadded(payload []byte, size int) (object, error) {
	if len(payload) != size {
		return nil, fmt.Errorf("a payload of %d bytes, not %d", len(payload), size)
	}
	end := 2 + int(binary.BigEndian.Uint16(payload))
	if rest := payload[end:]; !bytes.Equal(rest, make([]byte, len(rest))) {
		return nil, fmt.Errorf("padding that is not zero")
	}
	var value object
	return value, json.Unmarshal(payload[2:end], &value)
}

func keyName(public []byte) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

func pskOf(code string) (id string, psk []byte, err error) {
	parts := strings.Split(code, ".")
	salt, err := b64.DecodeString(parts[1])
	if err != nil {
		return "", nil, err
	}
	secret, err := b64.DecodeString(parts[2])
	if err != nil {
		return "", nil, err
	}
	psk, err = hkdf.Key(sha256.New, secret, salt, "openim-gateway enrolment", 32)
	return parts[1], psk, err
}

func newPair() (dh.Keypair, error) { return dh.X25519.GenerateKeypair(rand.Reader) }

func publicBytes(pair dh.Keypair) []byte { return pair.Public().Bytes() }

// shake is a handshake with nyquist.
func shake(protocol string, prologue []byte, initiator bool, static dh.Keypair, remote dh.PublicKey, psk []byte) (*nyquist.HandshakeState, error) {
	p, err := nyquist.NewProtocol(protocol)
	if err != nil {
		return nil, err
	}
	config := &nyquist.HandshakeConfig{Protocol: p, Prologue: prologue, LocalStatic: static, RemoteStatic: remote, IsInitiator: initiator}
	if psk != nil {
		config.PreSharedKeys = [][]byte{psk}
	}
	return nyquist.NewHandshake(config)
}

// finished maps nyquist's error for a completed handshake to nil.
func finished(message []byte, err error) ([]byte, error) {
	if err == nyquist.ErrDone { //nolint:errorlint // never wrapped
		err = nil
	}
	return message, err
}

func ask(ctx context.Context, url string, body object) (object, error) {
	content, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	var envelope struct {
		ErrCode int    `json:"errCode"`
		ErrMsg  string `json:"errMsg"`
		Data    object `json:"data"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&envelope); err != nil {
		return nil, err
	}
	if envelope.ErrCode != 0 {
		return nil, fmt.Errorf("errCode %d: %s", envelope.ErrCode, envelope.ErrMsg)
	}
	return envelope.Data, nil
}

func message(data object) ([]byte, error) {
	text, _ := data["message"].(string)
	return b64.DecodeString(text)
}

// foreignLogin enrols with a code, or logs in without a code. It returns the gateway's reply.
func foreignLogin(ctx context.Context, url, serverKey, code string, static dh.Keypair, platform int) (object, error) {
	raw, err := b64.DecodeString(serverKey)
	if err != nil {
		return nil, err
	}
	remote, err := dh.X25519.ParsePublicKey(raw)
	if err != nil {
		return nil, err
	}
	start := object{"protocol": xk, "keyID": keyName(raw), "purpose": "login"}
	var psk []byte
	if code != "" {
		start["protocol"], start["purpose"] = xkpsk3, "enrol"
		if start["codeID"], psk, err = pskOf(code); err != nil {
			return nil, err
		}
	}
	hs, err := shake(start["protocol"].(string), prologue("openim-gateway/1", url, keyName(raw), start["purpose"].(string), start["protocol"].(string)), true, static, remote, psk)
	if err != nil {
		return nil, err
	}
	m1, err := hs.WriteMessage(nil, nil)
	if err != nil {
		return nil, err
	}
	start["message"] = b64.EncodeToString(m1)
	started, err := ask(ctx, url+"/auth/v1/dh/start", start)
	if err != nil {
		return nil, err
	}
	m2, err := message(started)
	if err != nil {
		return nil, err
	}
	greeting, err := hs.ReadMessage(nil, m2)
	if err != nil {
		return nil, err
	}
	if _, err := unpadded(greeting, 128); err != nil {
		return nil, err
	}
	hello, err := padded(object{"platformID": platform, "deviceName": "foreign", "clientVersion": "nyquist", "clientTime": 1}, 512)
	if err != nil {
		return nil, err
	}
	m3, err := finished(hs.WriteMessage(nil, hello))
	if err != nil {
		return nil, err
	}
	replied, err := ask(ctx, url+"/auth/v1/dh/finish", object{"handshakeID": started["handshakeID"], "message": b64.EncodeToString(m3)})
	if err != nil {
		return nil, err
	}
	m4, err := message(replied)
	if err != nil {
		return nil, err
	}
	reply, err := hs.GetStatus().CipherStates[1].DecryptWithAd(nil, nil, m4)
	if err != nil {
		return nil, err
	}
	return unpadded(reply, 1024)
}
