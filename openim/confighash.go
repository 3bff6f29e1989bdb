package openim

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// ConfigHash returns the ten hexadecimal digits that end the name of the ConfigMap of these files, by name.
func ConfigHash(files map[string]string) string {
	content, err := json.Marshal(files) // in the order of the keys
	if err != nil {
		panic(err) // a map of strings is always encoded
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:5])
}
