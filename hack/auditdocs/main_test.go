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

func TestTheDocsHaveTheCurrentSchema(t *testing.T) {
	g := NewWithT(t)
	files, err := schema()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files).To(And(HaveLen(1), HaveKey(schemaFile)))
	shown, err := os.ReadFile(filepath.Join(root, "docs", schemaFile))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(bytes.Equal(shown, files[schemaFile])).To(BeTrue(), "docs/%s is stale: run `make generate`", schemaFile)
	g.Expect(json.Valid(shown)).To(BeTrue())
}

func TestTheSameProjectMakesTheSameBytes(t *testing.T) {
	g := NewWithT(t)
	once, err := demo(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(slices.Sorted(maps.Keys(once))).To(Equal([]string{"audit-demo.html", "audit-demo.svg"}))
	again, err := demo(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again).To(Equal(once))
	for name, content := range once {
		g.Expect(string(content)).NotTo(ContainSubstring("auditdocs-"), "%s names a folder of this machine", name)
	}
}

// The audit evaluates the demo's objects: the stack is sealed, and not sealed without its default denial.
func TestTheDemoIsSealedByItsDefaultDenial(t *testing.T) {
	g := NewWithT(t)
	loaded, err := load(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	run := func() audit.Report {
		return audit.Run(audit.Input{Stack: loaded.stack, Graph: graph.New(loaded.stack, loaded.facts), Snapshot: loaded.snapshot})
	}
	found := run()
	g.Expect(found.Verdict).To(Equal(audit.VerdictSealed))
	g.Expect(found.Counts.Pods).To(BeNumerically(">=", 14), "the pods of the stack are in the snapshot")
	g.Expect(found.Counts.Unexpected).To(BeZero())
	g.Expect(found.Counts.Open).To(BeNumerically(">", 50))

	before := len(loaded.snapshot.Policies)
	loaded.snapshot.Policies = slices.DeleteFunc(
		loaded.snapshot.Policies,
		func(p networkingv1.NetworkPolicy) bool { return strings.HasSuffix(p.Name, graph.DefaultDeny) },
	)
	g.Expect(loaded.snapshot.Policies).To(HaveLen(before - 1))
	opened := run()
	g.Expect(opened.Verdict).To(Equal(audit.VerdictFindings))
	g.Expect(opened.Digest).NotTo(Equal(found.Digest))
}

// A policy that opens the demo's stack is in every format, and drawn in red.
func TestAnOpeningOfTheDemoIsInEveryFormat(t *testing.T) {
	g := NewWithT(t)
	loaded, err := load(t.Context(), root)
	g.Expect(err).NotTo(HaveOccurred())
	loaded.snapshot.Policies = append(loaded.snapshot.Policies, networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: loaded.stack.Namespace, Name: "debug-open"},
		Spec: networkingv1.NetworkPolicySpec{
			PodSelector: metav1.LabelSelector{MatchLabels: map[string]string{v1alpha1.LabelComponent: string(openim.API)}},
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{}},
		},
	})
	found := audit.Run(audit.Input{Stack: loaded.stack, Graph: graph.New(loaded.stack, loaded.facts), Snapshot: loaded.snapshot})
	g.Expect(found.Verdict).To(Equal(audit.VerdictFindings))
	g.Expect(found.Counts.Unexpected).To(BeNumerically(">", 0))
	for _, format := range report.Formats() {
		var out bytes.Buffer
		g.Expect(report.Write(&out, format, found, report.Options{})).To(Succeed())
		switch format {
		case report.DOT: // edges have no policies
			g.Expect(out.String()).To(MatchRegexp(`"intruder" -> "api" \[label="10002 12002 12900", color="#c0281c", penwidth=2.5`))
		case report.SVG:
			g.Expect(out.String()).To(And(ContainSubstring("debug-open"), ContainSubstring(`<rect class="gap"`)))
		default:
			g.Expect(out.String()).To(ContainSubstring("debug-open"), string(format))
		}
	}
}

func TestItWritesToTheGivenFolder(t *testing.T) {
	g := NewWithT(t)
	g.Expect(run(t.Context(), nil)).To(MatchError(ContainSubstring("usage: auditdocs schema FOLDER")))
	g.Expect(run(t.Context(), []string{"page", t.TempDir()})).To(MatchError(ContainSubstring(`unknown command "page"`)))
	folder := filepath.Join(t.TempDir(), "dist")
	g.Expect(run(t.Context(), []string{"demo", folder})).To(MatchError(ContainSubstring(sample)), "not in the project's folder")
	g.Expect(folder).NotTo(BeADirectory())
	g.Expect(run(t.Context(), []string{"schema", folder})).To(Succeed())
	g.Expect(filepath.Join(folder, schemaFile)).To(BeARegularFile())
}
