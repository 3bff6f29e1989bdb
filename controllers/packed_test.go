package controllers

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/client-go/tools/events"

	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// What is made from the data of a revision is the same before and after they were packed: else each Deployment would be written again.
func TestTheDataOfARevisionArePackedWithoutLoss(t *testing.T) {
	for _, name := range []string{"minimal", "users"} {
		g := NewWithT(t)
		d := revisionOf(t, name)
		text, err := revision.Encode(d)
		g.Expect(err).NotTo(HaveOccurred())
		packed := packedRuns{}
		packed.put("chat-run-1", d)
		again, ok := packed.get("chat-run-1")
		g.Expect(ok).To(BeTrue(), name)
		g.Expect(revision.Encode(again)).To(MatchJSON(text), name)
		g.Expect(again.Hashes()).To(Equal(d.Hashes()), name)
		g.Expect(len(packed["chat-run-1"])).To(BeNumerically("<", len(text)/5), "%s: %d bytes of %d", name, len(packed["chat-run-1"]), len(text))
		t.Logf("%s: %d bytes of %d", name, len(packed["chat-run-1"]), len(text))

		packed["chat-run-1"] = packed["chat-run-1"][:100]
		_, ok = packed.get("chat-run-1")
		g.Expect(ok).To(BeFalse(), "damaged data are read from the API server")
		_, ok = packed.get("chat-run-2")
		g.Expect(ok).To(BeFalse())
		d.Files = map[string]string{"x": strings.Repeat("x", 2<<20)}
		packed.put("chat-run-1", d)
		g.Expect(packed).To(BeEmpty(), "no ControllerRevision could hold them")
	}
}

// revisionOf returns the data of the first revision of a golden case.
func revisionOf(t *testing.T, name string) revision.Data {
	t.Helper()
	g := NewWithT(t)
	stack, cluster := manifeststest.Read(t, "manifests/testdata/"+name)
	facts := manifeststest.Facts(t, stack, cluster)
	r := NewReconciler(nil, nil, events.NewFakeRecorder(1), nil, manifests.Options{WrapperImage: manifeststest.WrapperImage,
		SupervisorImage: manifeststest.WrapperImage}, dependencies.Access{})
	request := revision.Request{Inputs: revision.Inputs{Spec: stack.Spec, Facts: facts.ForTemplates()}, Images: r.images()}
	for _, c := range graph.DeploymentsOf(stack) {
		request.Components = append(request.Components, c.Name)
	}
	proposal, err := revision.Propose(request, func(in revision.Inputs) (map[string]revision.Rendering, error) { return r.render(stack, in) })
	g.Expect(err).NotTo(HaveOccurred())
	return proposal.Data
}
