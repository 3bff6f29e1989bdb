package accept_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/controllers/accept"
)

func TestWhatTheGatewayTakesIsAccepted(t *testing.T) {
	for _, text := range []string{
		"{}", `origins: ["https://chat.example.com", "*"]`, "trustedProxies: [10.0.0.0/8]",
		"limits: {classes: {message: {perSecond: 0.5, burst: 9, by: [user, ip]}}}",
		"multiLogin: {policy: Unlimited, maxPerPlatform: 1000}", "multiLogin: {policy: OnePerPlatform, enforcement: Report}",
		"multiLogin: {policy: OnePerClass, enforcement: Enforce}", "multiLogin: {policy: ComputerAndOne, enforcement: Enforce}",
		`rules: [{name: one, expression: 'identity.platformID != 5 || !has(body.contentType)', message: no}]`,
	} {
		NewWithT(t).Expect(accept.Hot([]byte(text))).To(BeEmpty(), text)
	}
}

// Each case is a part of hot.yaml, the field of the spec that it comes from, and the reason of the refusal.
func TestRefusalsNameTheFieldOfTheSpec(t *testing.T) {
	for _, c := range []struct{ text, field, why string }{
		{"rules: [{name: one, expression: 'identity.platformID == 1 || nobody', message: no}]", `spec.wrapper.policy.rules[0] "one"`,
			"expression, line 1, column 29: undeclared reference to 'nobody'"},
		{"rules: [{name: one, expression: 'true', message: no}, {name: two, expression: '1 +', message: no}]",
			`spec.wrapper.policy.rules[1] "two"`, "expression, line 1, column 4: "},
		{"rules: [{name: one, expression: '1 + 1', message: no}]", `spec.wrapper.policy.rules[0] "one"`, "it gives int, and must give bool"},
		{"limits: {classes: {frame: {perSecond: 1, burst: 9, by: [user]}}}", "spec.wrapper.limits.classes.frame", "there is no such class"},
		{"limits: {classes: {read: {perSecond: 1000000, burst: 9, by: [user]}}}", "spec.wrapper.limits.classes.read.perSecond",
			"write 0.0001 to 100000"},
		{"origins: ['https://a:b:c']", "spec.wrapper.auth.users.origins[0]", "write an origin as browsers send it"},
		{"trustedProxies: [10.0.0.0]", "spec.wrapper.auth.users.trustedProxies[0]", "a prefix length"},
		{"multiLogin: {policy: OnePerClass, maxPerPlatform: 5}", "spec.settings.multiLogin.maxPerPlatform", "it belongs to policy Unlimited"},
		{"multiLogin: {policy: all}", "spec.settings.multiLogin.policy", "write Unlimited, OnePerPlatform"},
		{"unheard: of", "spec.wrapper", "unheard"},
	} {
		g := NewWithT(t)
		refusals := accept.Hot([]byte(c.text))
		g.Expect(refusals).To(HaveLen(1), c.text)
		g.Expect(refusals[0].Field).To(Equal(c.field))
		g.Expect(refusals[0].Why).To(ContainSubstring(c.why))
	}
}

func TestAllThatIsRefusedIsToldAtOnceWithinBounds(t *testing.T) {
	g := NewWithT(t)
	var rules []string
	for i := range 40 {
		rules = append(rules, fmt.Sprintf("{name: r%d, expression: '%s', message: no}", i, strings.Repeat("x", 4000)))
	}
	refusals := accept.Hot([]byte("rules: [" + strings.Join(rules, ", ") + "]"))
	g.Expect(refusals).To(HaveLen(17))
	g.Expect(refusals[16].Why).To(HavePrefix("24 more settings are refused: fix these first"))
	for _, r := range refusals {
		g.Expect(len(r.Why)).To(BeNumerically("<", 600))
	}
}

// The gateway accepts every class name that the CRD accepts: the two lists are in two places.
func TestEveryClassOfTheCRDIsOneOfTheGateways(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("../../config/crd/bases/openimstack.dev_openimstacks.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	g.Expect(yaml.Unmarshal(content, &crd)).To(Succeed())
	at := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	for _, name := range []string{"spec", "wrapper", "limits", "classes"} {
		next := at.Properties[name]
		at = &next
	}
	names := at.Items.Schema.Properties["name"].Enum
	g.Expect(names).To(HaveLen(int(*at.MaxItems)))
	for _, name := range names {
		text := fmt.Sprintf("limits: {classes: {%s: {perSecond: 1, burst: 1, by: [user]}}}", strings.Trim(string(name.Raw), `"`))
		g.Expect(accept.Hot([]byte(text))).To(BeEmpty(), text)
	}
}
