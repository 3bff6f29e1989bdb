package render_test

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/render"
)

const account = `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: openim-operator
  namespace: openim-operator-system
  labels: {app.kubernetes.io/name: openim-operator}
`

func TestCompare(t *testing.T) {
	for _, c := range []struct {
		name               string
		kustomized, helmed string
		findings           []string
	}{
		{
			name:       "the same objects in another order and with comments are the same",
			kustomized: account + "---\nkind: Role\napiVersion: v1\nmetadata: {name: a, namespace: b}\n",
			helmed:     "# a comment\n---\nmetadata: {namespace: b, name: a}\napiVersion: v1\nkind: Role\n---\n# Source: x\n" + account,
		},
		{
			name:       "the marks of a release are allowed",
			kustomized: account,
			helmed: `
apiVersion: v1
kind: ServiceAccount
metadata:
  name: openim-operator
  namespace: openim-operator-system
  annotations: {helm.sh/resource-policy: keep}
  labels:
    app.kubernetes.io/name: openim-operator
    app.kubernetes.io/instance: chat
    app.kubernetes.io/managed-by: Helm
    app.kubernetes.io/version: v0.1.0
    helm.sh/chart: openim-operator-0.1.0
`,
		},
		{
			name:       "Helm leaves the release's namespace to its user",
			kustomized: account + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: openim-operator-system}\n",
			helmed:     account,
		},
		{
			name:       "any other namespace counts",
			kustomized: account + "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: im}\n",
			helmed:     account,
			findings:   []string{"Namespace//im is in config and not in the chart"},
		},
		{
			name:       "a label that is not Helm's counts",
			kustomized: account,
			helmed: "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: openim-operator, namespace: openim-operator-system, labels: " +
				"{team: x}}\n",
			findings: []string{"ServiceAccount/openim-operator-system/openim-operator differs (-config +chart):"},
		},
		{
			name:       "an object too many counts",
			kustomized: account,
			helmed:     account + "---\napiVersion: v1\nkind: Secret\nmetadata: {name: x}\n",
			findings:   []string{"Secret//x is in the chart and not in config"},
		},
		{
			name:       "a change of type counts",
			kustomized: "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: 80}\n",
			helmed:     "apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: \"80\"}\n",
			findings:   []string{"Service//x differs"},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			findings, err := render.Compare([]byte(c.kustomized), []byte(c.helmed))
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(findings).To(HaveLen(len(c.findings)), "%v", findings)
			for i, finding := range c.findings {
				g.Expect(findings[i]).To(HavePrefix(finding))
			}
		})
	}
}

func TestCompareRefusesWhatItCannotTell(t *testing.T) {
	g := NewWithT(t)
	_, err := render.Compare([]byte(account), []byte(account+"---"+account))
	g.Expect(err).To(MatchError("reading Helm's output: ServiceAccount/openim-operator-system/openim-operator appears twice"))

	_, err = render.Compare([]byte("kind: [unclosed"), []byte(account))
	g.Expect(err).To(MatchError(HavePrefix("reading kustomize's output: ")))
}
