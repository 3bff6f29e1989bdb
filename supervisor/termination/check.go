package termination

import (
	"errors"
	"fmt"
)

// maxCheck bounds the message of a check, in bytes.
const maxCheck = 1000

// Check is the message of a container whose check of OpenIM failed (wrapper check).
type Check struct {
	// V is the version of the format. Encode sets it.
	V int `json:"v"`
	// Failed is what failed: text of at most 1,000 bytes, without secrets. Encode and DecodeCheck remove control characters and cut it.
	Failed string `json:"checkFailed"`
}

// Encode returns the message as JSON of at most MaxBytes.
func (c Check) Encode() ([]byte, error) {
	c.V, c.Failed = version, clean(c.Failed, maxCheck)
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("encoding the termination message: %w", err)
	}
	return encode(c)
}

// DecodeCheck parses a message that Encode returned.
func DecodeCheck(message string) (Check, error) {
	var c Check
	if err := decode(message, &c); err != nil {
		return Check{}, err
	}
	c.Failed = clean(c.Failed, maxCheck)
	if err := c.validate(); err != nil {
		return Check{}, fmt.Errorf("decoding the termination message: %w", err)
	}
	return c, nil
}

func (c Check) validate() error {
	switch {
	case c.V != version:
		return fmt.Errorf("unknown version %d", c.V)
	case c.Failed == "":
		return errors.New("checkFailed is empty: write what failed")
	}
	return nil
}
