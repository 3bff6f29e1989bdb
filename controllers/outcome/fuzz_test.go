package outcome

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FuzzOf: whatever the API server answers, there is one fault, whose text is one bounded line of UTF-8, and which does not repeat the
// message of a transient answer.
func FuzzOf(f *testing.F) {
	f.Add(int32(403), "Forbidden",
		`User "u" cannot patch resource "services" in API group "" in the namespace "im"`, "services", "x", "spec.a", "no")
	f.Add(int32(422), "Invalid", `ValidatingAdmissionPolicy 'p' with binding 'b' denied request: x`, "deployments", "x", "", "")
	f.Add(int32(400), "", "admission webhook \"w\" denied the request: \xff\n", "", "", "", "")
	f.Add(int32(500), "InternalError", `failed calling webhook "w": Post`, "pods", "x", "", "")
	f.Add(int32(404), "NotFound", "the server could not find the requested resource", "", "", "", "")
	f.Fuzz(func(t *testing.T, code int32, reason, message, kind, name, at, cause string) {
		status := metav1.Status{Code: code, Reason: metav1.StatusReason(reason), Message: message}
		if kind != "" {
			status.Details = &metav1.StatusDetails{Kind: kind, Name: name, Causes: []metav1.StatusCause{{Field: at, Message: cause}}}
		}
		faults := Of(fmt.Errorf("applying: %w", errors.Join(&apierrors.StatusError{ErrStatus: status})))
		if len(faults) != 1 {
			t.Fatalf("%d faults", len(faults))
		}
		text, note := faults[0].Message, Note(faults[0].Message)
		switch {
		case len(text) > maxMessage, len(note) > maxNote:
			t.Errorf("%d bytes", len(text))
		case !utf8.ValidString(text), !utf8.ValidString(note):
			t.Errorf("not UTF-8: %q", text)
		case strings.ContainsAny(text, "\n\r\x00"):
			t.Errorf("more than a line: %q", text)
		case !strings.HasPrefix(text, "applying: "):
			t.Errorf("without what was done: %q", text)
		case faults[0].Reason == "" || faults[0].Kind == Waiting && faults[0].After == 0:
			t.Errorf("incomplete: %+v", faults[0])
		}
	})
}
