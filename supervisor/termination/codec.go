package termination

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// MaxBytes is the longest message that the kubelet keeps. Longer ones are cut by the kubelet and cannot be decoded.
	MaxBytes = 4096
	// Path is where the kubelet reads the message of a container, unless the pod sets another path.
	Path = "/dev/termination-log"

	version    = 1
	maxMessage = 256
	maxName    = 64
)

func encode(value any) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(value); err != nil {
		return nil, fmt.Errorf("encoding the termination message: %w", err)
	}
	text := bytes.TrimSpace(out.Bytes())
	if len(text) > MaxBytes {
		return nil, fmt.Errorf("encoding the termination message: %d bytes are more than %d", len(text), MaxBytes)
	}
	return text, nil
}

// decode reads one JSON object with known fields alone. Its errors never quote the message.
func decode(message string, value any) error {
	if len(message) > MaxBytes {
		return fmt.Errorf("decoding the termination message: %d bytes are more than %d", len(message), MaxBytes)
	}
	decoder := json.NewDecoder(strings.NewReader(message))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(value); err != nil {
		return errors.New("decoding the termination message: it is not a JSON object of the expected format")
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decoding the termination message: text follows the JSON object")
	}
	return nil
}

// clean returns a text on one line of at most longest bytes: characters that are not printable become spaces.
func clean(text string, longest int) string {
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	for len(text) > longest {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimSpace(text)
}
