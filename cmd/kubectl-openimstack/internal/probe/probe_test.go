package probe

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
)

func TestExitCodesOfAProbe(t *testing.T) {
	for outcome, code := range map[string]int{
		v1alpha1.ReasonEnforced: cli.ExitSealed, v1alpha1.ReasonBreached: cli.ExitFindings, v1alpha1.ReasonNotEnforcedByCNI: cli.ExitFindings,
		v1alpha1.ReasonNotVerified: cli.ExitUnknown, "": cli.ExitUnknown, "SomethingNew": cli.ExitUnknown,
	} {
		NewWithT(t).Expect(exitCode(outcome)).To(Equal(code), outcome)
	}
}
