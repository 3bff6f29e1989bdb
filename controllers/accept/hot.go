package accept

import (
	"fmt"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/gateway"
)

// Refusal is a field that the gateway does not take, and why.
type Refusal struct{ Field, Why string }

// Bounds of what is told.
const (
	maxRefusals = 16
	maxBytes    = 512
)

// Hot says what the gateway would not take of its hot.yaml. Every field is named as the spec names it.
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
		refusals = append(refusals, Refusal{"spec.wrapper", fmt.Sprintf("%d more are refused: mend these first", more)})
	}
	return refusals
}

// places are where parts of hot.yaml come from.
var places = []struct{ part, field string }{
	{"origins", "spec.wrapper.auth.users."}, {"trustedProxies", "spec.wrapper.auth.users."},
	{"limits", "spec.wrapper."}, {"rules", "spec.wrapper.policy."},
}

// refusal splits a line of the form field: why. A rule's line has the rule's name behind its field.
func refusal(line string) Refusal {
	line = strings.TrimPrefix(line, "rules: ")
	field, why, found := strings.Cut(line, ": ")
	if !found {
		field, why = "", line
	}
	if len(why) > maxBytes {
		why = strings.ToValidUTF8(why[:maxBytes], "") + "..."
	}
	for _, p := range places {
		if strings.HasPrefix(field, p.part) {
			return Refusal{p.field + field, why}
		}
	}
	return Refusal{"spec.wrapper", strings.TrimPrefix(field+": "+why, ": ")}
}
