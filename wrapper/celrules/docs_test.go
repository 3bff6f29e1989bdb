package celrules_test

import (
	"os"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/wrapper/celrules"
)

func TestThePageListsTheWholeVocabularyAndItsExamplesCompile(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/cel-rules.md")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(ContainSubstring(celrules.Vocabulary()))

	_, example, _ := strings.Cut(string(page), "```yaml\n")
	example, _, found := strings.Cut(example, "```")
	g.Expect(found).To(BeTrue())
	var hot struct {
		Rules []celrules.Rule `json:"rules"`
	}
	g.Expect(yaml.UnmarshalStrict([]byte(example), &hot)).To(Succeed())
	set, err := celrules.Compile(hot.Rules)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Len()).To(Equal(3))
	g.Expect(set.Check(t.Context(), call())).To(BeNil())
	g.Expect(set.Check(t.Context(), call(func(c *celrules.Call) { c.Body["GroupID"] = "announcements" }))).To(HaveField("Rule",
		"announcements-are-read-only"))
	g.Expect(set.Check(t.Context(), call(func(c *celrules.Call) { c.Identity.Role = "admin" }))).To(HaveField("Rule",
		"administrators-by-vpn"))
}
