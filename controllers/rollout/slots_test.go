package rollout_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/controllers/rollout"
)

func name(s string) types.NamespacedName { return types.NamespacedName{Namespace: "im", Name: s} }

func TestSlotsAreBounded(t *testing.T) {
	g := NewWithT(t)
	s := rollout.NewSlots(2)
	g.Expect(s.Acquire(name("a"), nil)).To(BeTrue())
	g.Expect(s.Acquire(name("a"), nil)).To(BeTrue(), "once more is the same one")
	g.Expect(s.Acquire(name("b"), nil)).To(BeTrue())
	g.Expect(s.Acquire(name("c"), nil)).To(BeFalse())
	g.Expect(s.Holds(name("c"))).To(BeFalse())
	s.Release(name("a"))
	g.Expect(s.Acquire(name("c"), nil)).To(BeTrue())
	g.Expect(s.Holds(name("c"))).To(BeTrue())
}

func TestStacksUnderWayGetTheirSlotsFirst(t *testing.T) {
	g := NewWithT(t)
	s := rollout.NewSlots(2) // a new leader
	moving := []types.NamespacedName{name("a"), name("b")}
	g.Expect(s.Acquire(name("new"), moving)).To(BeFalse(), "both slots belong to stacks that were not reconciled yet")
	g.Expect(s.Acquire(name("b"), moving)).To(BeTrue())
	g.Expect(s.Acquire(name("a"), moving)).To(BeTrue())
	s.Release(name("a"))
	g.Expect(s.Acquire(name("new"), moving[1:])).To(BeTrue())
}
