package controllers

import (
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/insight"
	"github.com/openimstack/openim-operator/controllers/outcome"
)

// toldApart is the number of objects of one kind up to which each has an event of its own. A new stack has dozens.
const toldApart = 3

// note is a write to a child that an event tells of.
type note struct {
	kind   eventkind.Kind
	object client.Object
}

// note notes a write to a child: Created, Repaired or Deleted.
func (s *scope) note(kind eventkind.Kind, object client.Object) {
	s.notes = append(s.notes, note{kind: kind, object: object})
	insight.Wrote(client.ObjectKeyFromObject(s.stack), kindOf(object), kind.Action())
}

// noteResult notes what an apply did, if somebody may want to know of it: what the spec changed is no news.
func (s *scope) noteResult(result apply.Result, object client.Object) {
	switch result {
	case apply.Created:
		s.note(eventkind.Created, object)
	case apply.Repaired:
		s.note(eventkind.Repaired, object)
	case apply.Configured, apply.Unchanged:
	}
}

// tell records the events of what a reconciliation wrote: one for each object, or one for each kind that has many.
func (r *Reconciler) tell(s *scope) {
	for len(s.notes) > 0 {
		first := s.notes[0]
		alike := func(n note) bool { return n.kind == first.kind && kindOf(n.object) == kindOf(first.object) }
		var objects []client.Object
		var names []string
		for _, n := range s.notes {
			if alike(n) {
				objects, names = append(objects, n.object), append(names, n.object.GetName())
			}
		}
		s.notes = slices.DeleteFunc(s.notes, alike)
		if len(objects) > toldApart {
			// Events about the same objects with the same reason and action are counted as one, whatever they say. So this one is about the first
			// object, and its action is another than that of an event about this object alone.
			r.event(s, first.object, first.kind.Several(), kindOf(first.object)+" "+strings.Join(names, ", "))
			continue
		}
		for _, object := range objects {
			r.event(s, object, first.kind, kindOf(object)+" "+object.GetName())
		}
	}
}

// event records an event about the stack and, if object is not nil, about that object too. It is the only place that records one.
func (r *Reconciler) event(s *scope, object runtime.Object, kind eventkind.Kind, text string) {
	r.events.Eventf(s.stack, object, kind.Type(), kind.Reason(), kind.Action(), "%s", outcome.Note(text))
}
