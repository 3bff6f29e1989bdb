package exposure

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Condition returns the condition Exposed: True when every way is open, with the first warning as its reason.
func Condition(ways []Way, warnings []Warning) metav1.Condition {
	c := metav1.Condition{Type: v1alpha1.ConditionExposed, Status: metav1.ConditionTrue, Reason: v1alpha1.ReasonExposed}
	var waiting, open, sentences []string
	for _, w := range ways {
		if w.Reason == "" {
			open = append(open, w.String())
			continue
		}
		if len(waiting) == 0 {
			c.Status, c.Reason = metav1.ConditionFalse, w.Reason
		}
		waiting = append(waiting, w.String())
	}
	for _, w := range warnings {
		sentences = append(sentences, w.Text)
	}
	if len(waiting) == 0 && len(warnings) > 0 {
		c.Reason = warnings[0].Reason
	}
	c.Message = strings.Join(append(append(waiting, sentences...), open...), "; ")
	return c
}
