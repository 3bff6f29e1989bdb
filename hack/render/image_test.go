package render

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestParseImage(t *testing.T) {
	for reference, want := range map[string]image{
		"openim-wrapper":                       {NewName: "openim-wrapper", NewTag: "latest"},
		"openim-wrapper:v1":                    {NewName: "openim-wrapper", NewTag: "v1"},
		"registry.example.com:5000/im/wrapper": {NewName: "registry.example.com:5000/im/wrapper", NewTag: "latest"},
		"registry.example.com:5000/im/w:v1":    {NewName: "registry.example.com:5000/im/w", NewTag: "v1"},
		"im/wrapper@sha256:0a":                 {NewName: "im/wrapper", Digest: "sha256:0a"},
		"im/wrapper:v1@sha256:0a":              {NewName: "im/wrapper", Digest: "sha256:0a"},
	} {
		want.Name = WrapperImage
		NewWithT(t).Expect(parseImage(WrapperImage, reference)).To(Equal(want), reference)
	}
}
