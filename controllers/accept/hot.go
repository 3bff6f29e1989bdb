package accept

import (
	"fmt"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/gateway"
)

// Refusal is a field that the gateway refuses, and the reason.
type Refusal struct{ Field, Why string }

// Bounds of the refusals.
const (
	maxRefusals = 16
	maxBytes    = 512
)

// Hot returns what the gateway would refuse of its hot.yaml, with each field named as in the spec.
func Hot(text []byte) []Refusal {
	_, err := gateway.ParseHot(text)
	if err == nil {
		return nil
	}
	var refusals []Refusal
	more := 0
	for line := range strings.SplitSeq(err.Error(), "\n") {
		if len(refusals) == maxRefusals {
			more++
			continue
		}
		refusals = append(refusals, refusal(line))
	}
	if more > 0 {
		refusals = append(refusals, Refusal{"spec.wrapper", fmt.Sprintf("%d more settings are refused: fix these first", more)})
	}
	return refusals
}

// specFields maps parts of hot.yaml to fields of the spec.
var specFields = []struct{ part, field string }{
	{"origins", "spec.wrapper.auth.users."}, {"trustedProxies", "spec.wrapper.auth.users."},
	{"multiLogin", "spec.settings."}, {"limits", "spec.wrapper."}, {"rules", "spec.wrapper.policy."},
}

// refusal parses a line of the form "field: reason". The line of a rule has the rule's name behind its field.
func refusal(line string) Refusal {
	line = strings.TrimPrefix(line, "rules: ")
	field, why, found := strings.Cut(line, ": ")
	if !found {
		field, why = "", line
	}
	if len(why) > maxBytes {
		why = strings.ToValidUTF8(why[:maxBytes], "") + "..."
	}
	for _, p := range specFields {
		if strings.HasPrefix(field, p.part) {
			return Refusal{p.field + field, why}
		}
	}
	return Refusal{"spec.wrapper", strings.TrimPrefix(field+": "+why, ": ")}
}
