package rollout_test

import (
	"fmt"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/rollout"
	"github.com/openimstack/openim-operator/openim"
)

// The components of the tests: two in the first wave, one in each other.
var components = []rollout.Component{
	{Name: "auth", Wave: 1}, {Name: "user", Wave: 1}, {Name: "push", Wave: 2}, {Name: "api", Wave: 3},
	{Name: "backend", Wave: 4}, {Name: "gateway", Wave: 5},
}

var start = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// stack drives Next as the operator does, against Deployments that the test makes complete or not.
type stack struct {
	t *testing.T
	*WithT
	in   rollout.Input
	plan rollout.Plan
	// deadline is the time until which Requeue asks to come back.
}

func release(tag string) openim.Release {
	r, err := openim.ParseRelease(tag)
	if err != nil {
		panic(err)
	}
	return r
}

// hashes gives each component the value of the revision, or the one named for it.
func hashes(value string, others map[string]string) map[string]string {
	all := map[string]string{}
	for _, c := range components {
		all[c.Name] = value
		if other, ok := others[c.Name]; ok {
			all[c.Name] = other
		}
	}
	return all
}

func revision(name string, number int64, tag string, others map[string]string) rollout.Revision {
	return rollout.Revision{Name: name, Number: number, Release: release(tag), Hashes: hashes(name, others)}
}

// newStack returns a stack that runs revision a, at rest. b changes all components, to a newer release.
func newStack(t *testing.T) *stack {
	a, b := revision("a", 1, "v3.8.3", nil), revision("b", 2, "v3.8.3-patch.16", nil)
	a.RolledOut = true
	policy, err := rollout.PolicyOf(nil)
	if err != nil {
		t.Fatal(err)
	}
	s := &stack{t: t, WithT: NewWithT(t), in: rollout.Input{
		State: rollout.State{Current: "a"}, Wanted: "a", Revisions: []rollout.Revision{a, b}, Components: components,
		Observed: map[string]rollout.Observation{}, Policy: policy, Slot: true, Now: start,
	}}
	for _, c := range components {
		s.in.Observed[c.Name] = rollout.Observation{Revision: "a", Complete: true}
	}
	return s
}

// next plans, writes the state and the Deployments. A Deployment with another template is not complete until the test says so.
func (s *stack) next() rollout.Plan {
	s.t.Helper()
	s.decide()
	s.apply()
	return s.plan
}

func (s *stack) decide() {
	s.plan = rollout.Next(s.in)
	s.in.State = s.plan.State
}

func (s *stack) apply() {
	for name, assigned := range s.plan.Assignments {
		o := s.in.Observed[name]
		if o.Revision == assigned {
			continue
		}
		same := s.hash(name, o.Revision) == s.hash(name, assigned)
		o.Revision = assigned
		if !same {
			o = rollout.Observation{Revision: assigned, Since: s.in.Now}
		}
		s.in.Observed[name] = o
	}
}

func (s *stack) hash(component, name string) string {
	for _, r := range s.in.Revisions {
		if r.Name == name {
			return r.Hashes[component]
		}
	}
	return "unknown " + name
}

// ready makes components complete.
func (s *stack) ready(names ...string) {
	for _, name := range names {
		s.in.Observed[name] = rollout.Observation{Revision: s.in.Observed[name].Revision, Complete: true}
	}
}

// broken makes a component incomplete, for the reason.
func (s *stack) broken(name string, o rollout.Observation) {
	o.Revision, o.Complete = s.in.Observed[name].Revision, false
	if o.Since.IsZero() {
		o.Since = s.in.Now
	}
	s.in.Observed[name] = o
}

func (s *stack) wait(d time.Duration) { s.in.Now = s.in.Now.Add(d) }

// at returns the revisions of the Deployments, in the order of components.
func (s *stack) at() string {
	text := ""
	for _, c := range components {
		name := s.in.Observed[c.Name].Revision
		if name == "" {
			name = "-"
		}
		text += name
	}
	return text
}

// state returns the state and the wave, for example Progressing 2.
func (s *stack) state() string {
	r := s.in.State.Rollout
	if r == nil {
		return "Complete " + s.in.State.Current
	}
	return fmt.Sprintf("%s %d", r.State, r.Wave)
}

// rollTo makes a revision wanted and completes all waves.
func (s *stack) rollTo(name string) {
	s.t.Helper()
	s.in.Wanted = name
	for range 20 {
		s.next()
		for _, c := range components {
			s.ready(c.Name)
		}
	}
	s.Expect(s.state()).To(Equal("Complete " + name))
	s.Expect(s.in.State.Rollout).To(BeNil())
	for _, c := range components {
		s.Expect(s.in.Observed[c.Name].Revision).To(Equal(name))
	}
}

var held = v1alpha1.RolloutHeld
