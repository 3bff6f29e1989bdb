package celrules_test

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// readByEncodingJSON reports whether OpenIM's decoder reads a member of this name as contentType.
func readByEncodingJSON(t *testing.T, name string) bool {
	t.Helper()
	if !utf8.ValidString(name) {
		t.Skip("such a body is refused before the rules see it")
	}
	text, err := json.Marshal(map[string]int{name: 1})
	if err != nil {
		t.Fatal(err)
	}
	var request struct {
		ContentType int `json:"contentType"`
	}
	if err := json.Unmarshal(text, &request); err != nil {
		t.Fatal(err)
	}
	return request.ContentType == 1
}
