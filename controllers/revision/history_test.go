package revision_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/revision"
)

func stored(name string, number int64) revision.Stored {
	return revision.Stored{Name: name, Number: number}
}

func TestARevisionIsNamedByItsContent(t *testing.T) {
	g := NewWithT(t)
	stack, _, _ := golden(t, "minimal")
	d, _ := proposal(t, "minimal")
	common := map[string]string{v1alpha1.LabelInstance: stack.Name}
	o, err := revision.New(stack, common, d, 3, map[string]string{v1alpha1.AnnotationRolledOut: "true"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(o.Name).To(MatchRegexp(`^chat-run-[0-9a-f]{10}$`))
	g.Expect(o.Revision).To(BeEquivalentTo(3))
	g.Expect(o.Labels).To(And(HaveKeyWithValue(v1alpha1.LabelRevision, "run"), HaveKeyWithValue(v1alpha1.LabelInstance, stack.Name)))
	g.Expect(common).To(HaveLen(1), "the argument is not changed")
	g.Expect(o.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationGeneration, "7"))
	g.Expect(o.Annotations).To(HaveKeyWithValue(v1alpha1.AnnotationRolledOut, "true"))
	g.Expect(o.Annotations[v1alpha1.AnnotationConfigMaps]).To(ContainSubstring("chat-api-"))
	g.Expect(metav1.IsControlledBy(o, stack)).To(BeTrue())
	read, err := revision.Read(o, stack.Name)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(read.Equal(d)).To(BeTrue())
	o.Name = "chat-run-0000000000"
	_, err = revision.Read(o, stack.Name)
	g.Expect(err).To(MatchError(ContainSubstring("chat-run-0000000000")), "another name than that of its content")
}

func TestAnEarlierStateGetsItsRevisionBack(t *testing.T) {
	h := newHistory(t)
	var all []revision.Stored
	adopt := func(d revision.Data) (revision.Action, int64) {
		action, number, err := revision.Adopt("chat", all, d)
		h.Expect(err).NotTo(HaveOccurred())
		return action, number
	}
	first := h.propose().Data
	action, number := adopt(first)
	h.Expect(action).To(Equal(revision.Create))
	h.Expect(number).To(BeEquivalentTo(1))
	hash, _ := first.Hash()
	all = []revision.Stored{{Name: revision.Name("chat", hash), Number: 1, Data: first}}
	action, _ = adopt(first)
	h.Expect(action).To(Equal(revision.Nothing))

	h.request.Inputs.Spec.Version = "v2"
	second := h.propose().Data
	action, number = adopt(second)
	h.Expect(action).To(Equal(revision.Create))
	h.Expect(number).To(BeEquivalentTo(2))
	hash, _ = second.Hash()
	all = append([]revision.Stored{{Name: revision.Name("chat", hash), Number: 2, Data: second}}, all...)
	action, number = adopt(first)
	h.Expect(action).To(Equal(revision.Raise))
	h.Expect(number).To(BeEquivalentTo(3))
}

func TestANameWithOtherContentIsAnError(t *testing.T) {
	h := newHistory(t)
	wanted := h.propose().Data
	hash, _ := wanted.Hash()
	for what, change := range map[string]func(*revision.Data){
		"other hashes": func(d *revision.Data) {
			c := d.Components["api"]
			c.Hash = "0000000000"
			d.Components["api"] = c
		},
		"fewer components": func(d *revision.Data) { delete(d.Components, "api") },
	} {
		other := newHistory(t).propose().Data
		change(&other)
		_, _, err := revision.Adopt("chat", []revision.Stored{{Name: revision.Name("chat", hash), Data: other}}, wanted)
		collision, ok := errors.AsType[*revision.CollisionError](err)
		h.Expect(ok).To(BeTrue(), what)
		h.Expect(collision.Name).To(Equal(revision.Name("chat", hash)))
	}
	// A revision that was made again from Deployments has the API server's defaults.
	again := newHistory(t).propose().Data
	c := again.Components["api"]
	c.Template.Spec.DNSPolicy = "ClusterFirst"
	again.Components["api"] = c
	action, _, err := revision.Adopt("chat", []revision.Stored{{Name: revision.Name("chat", hash), Number: 1, Data: again}}, wanted)
	h.Expect(err).NotTo(HaveOccurred())
	h.Expect(action).To(Equal(revision.Nothing))
}

func TestThoseInUseAndTwoMoreAreKept(t *testing.T) {
	g := NewWithT(t)
	all := []revision.Stored{stored("f", 6), stored("e", 5), stored("d", 4), stored("c", 3), stored("b", 2), stored("a", 1)}
	g.Expect(revision.Surplus(all, map[string]bool{"f": true, "a": true})).To(Equal([]string{"c", "b"}))
	g.Expect(revision.Surplus(all[:2], nil)).To(BeEmpty())
}
