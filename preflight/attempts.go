package preflight

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// maxAttempt is where counting ends.
const maxAttempt = 1 << 20

// nextAttempt counts one more attempt in the file at path, and returns its number, from 1. The file is written before the attempt: one that
// is killed counts too. Content that is not a number is a first attempt.
func nextAttempt(path string) (int, error) {
	n := 0
	text, err := os.ReadFile(path)
	if err == nil {
		n, err = strconv.Atoi(strings.TrimSpace(string(text)))
	}
	if err != nil || n < 0 || n >= maxAttempt {
		n = 0
	}
	n++
	if err := os.WriteFile(path, []byte(strconv.Itoa(n)+"\n"), 0o600); err != nil {
		return n, fmt.Errorf("counting the attempts: %w: mount a writable volume", err)
	}
	return n, nil
}
