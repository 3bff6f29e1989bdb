package main

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/report"
	"github.com/openimstack/openim-operator/openim"
)

// root of the project.
const root = "../.."

func TestTheDocsShowTheDemoAsItIs(t *testing.T) {
	g := NewWithT(t)
	files, err := render(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(slices.Sorted(maps.Keys(files))).To(Equal([]string{"audit-demo.html", "audit-demo.svg", "audit-v1.schema.json"}))
	for name, content := range files {
		shown, err := os.ReadFile(filepath.Join(root, "docs", name))
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(bytes.Compare(shown, content)).To(BeZero(), "docs/%s is stale: run `make generate`", name)
	}
}

func TestTheSameProjectMakesTheSameBytes(t *testing.T) {
	g := NewWithT(t)
	once, err := render(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	again, err := render(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(once))
	for name, content := range once {
		g.Expect(string(content)).NotTo(ContainSubstring("auditdocs-"), "%s names a folder of this machine", name)
	}
	g.Expect(json.Valid(once["audit-v1.schema.json"])).To(BeTrue())
}

// The page is no painting: the stack of the demo is sealed by what the audit evaluates, and opened by one policy more.
func TestTheDemoIsSealedUntilSomebodyOpensIt(t *testing.T) {
	g := NewWithT(t)
	demo, err := load(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	run := func() audit.Report {
		return audit.Run(audit.Input{Stack: demo.stack, Graph: graph.NewGraph(demo.stack, demo.facts), World: demo.world})
	}
	found := run()
	g.Expect(found.Verdict).To(Equal(audit.Sealed))
	g.Expect(found.Counts.Pods).To(BeNumerically(">=", 14), "the pods of the stack are in the snapshot")
	g.Expect(found.Counts.Unexpected).To(BeZero())
	g.Expect(found.Counts.Open).To(BeNumerically(">", 50))

	before := len(demo.world.Policies)
	demo.world.Policies = slices.DeleteFunc(demo.world.Policies, func(p networkingv1.NetworkPolicy) bool { return strings.HasSuffix(p.Name, graph.DefaultDeny) })
	g.Expect(demo.world.Policies).To(HaveLen(before - 1))
	opened := run()
	g.Expect(opened.Verdict).To(Equal(audit.Open))
	g.Expect(opened.Digest).NotTo(Equal(found.Digest))
}

// A hole in the demo is named in every format, and drawn in red.
func TestAHoleInTheDemoIsNamedInEveryFormat(t *testing.T) {
	g := NewWithT(t)
	demo, err := load(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	demo.world.Policies = append(demo.world.Policies, networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: demo.stack.Namespace, Name: "debug-open"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: string(openim.API)}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{}},
		},
	})
	found := audit.Run(audit.Input{Stack: demo.stack, Graph: graph.NewGraph(demo.stack, demo.facts), World: demo.world})
	g.Expect(found.Verdict).To(Equal(audit.Open))
	g.Expect(found.Counts.Unexpected).To(BeNumerically(">", 0))
	for _, format := range report.Formats() {
		var out bytes.Buffer
		g.Expect(report.Write(&out, format, found, report.Options{})).To(Succeed())
		switch format {
		case report.DOT: // edges have no policies
			g.Expect(out.String()).To(MatchRegexp(`"intruder" -> "api" \[label="10002 12002", color="#c0281c", penwidth=2.5`))
		case report.SVG:
			g.Expect(out.String()).To(And(ContainSubstring("debug-open"), ContainSubstring(`<rect class="gap"`)))
		default:
			g.Expect(out.String()).To(ContainSubstring("debug-open"), string(format))
		}
	}
}

func TestItWritesIntoTheFolderThatItIsGiven(t *testing.T) {
	g := NewWithT(t)
	g.Expect(run(t.Context(), nil)).To(MatchError(ContainSubstring("usage: auditdocs FOLDER")))
	g.Expect(run(t.Context(), []string{filepath.Join(t.TempDir(), "docs")})).To(MatchError(ContainSubstring(sample)))
}
