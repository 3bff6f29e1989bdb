package render

import "strings"

// image is an entry of a kustomization that replaces an image.
type image struct {
	Name    string `json:"name"`
	NewName string `json:"newName"`
	NewTag  string `json:"newTag,omitempty"`
	Digest  string `json:"digest,omitempty"`
}

// parseImage splits a reference such as registry.example.com:5000/im/openim-wrapper:v1 for the image called name. A digest takes precedence
// over a tag, as for the kubelet.
func parseImage(name, reference string) image {
	repository, digest, _ := strings.Cut(reference, "@")
	tag := ""
	if colon := strings.LastIndex(repository, ":"); colon > strings.LastIndex(repository, "/") {
		repository, tag = repository[:colon], repository[colon+1:]
	}
	switch {
	case digest != "":
		return image{Name: name, NewName: repository, Digest: digest}
	case tag != "":
		return image{Name: name, NewName: repository, NewTag: tag}
	default:
		return image{Name: name, NewName: repository, NewTag: "latest"}
	}
}
