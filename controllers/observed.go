package controllers

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// processes returns status.processes. A component without a Deployment is left out.
func (s *scope) processes() []v1alpha1.ProcessStatus {
	var all []v1alpha1.ProcessStatus
	for _, c := range s.state() {
		if s.deployments[c.Name] == nil {
			continue
		}
		p := v1alpha1.ProcessStatus{
			Name: c.Name, Ready: ptr.To(c.Ready), Updated: ptr.To(c.Updated), Desired: ptr.To(c.Desired), Restarts: ptr.To(c.Restarts),
			Reason: c.Reason, Message: c.Message, Revision: s.deployments[c.Name].Annotations[v1alpha1.AnnotationRevision],
		}
		if len(c.Versions) == 1 {
			p.Version = c.Versions[0]
		}
		all = append(all, p)
	}
	return all
}

// version returns the release that all of OpenIM's processes run. A process without a ready pod runs none: it neither changes the value nor
// confirms another one.
func (s *scope) version() string {
	var running []string
	whole := true
	for _, c := range s.state() {
		if known, _ := graph.Lookup(c.Name); known.App != v1alpha1.NameOpenIM {
			continue
		}
		whole = whole && len(c.Versions) > 0
		running = append(running, c.Versions...)
	}
	slices.Sort(running)
	running = slices.Compact(running)
	before := s.stack.Status.Version
	switch {
	case len(running) == 0:
		return before
	case len(running) == 1 && (whole || running[0] == before):
		return running[0]
	default:
		return ""
	}
}

// endpoints returns the URLs at which the stack serves now. While the pods of a component are not those of the spec, its URLs are the
// earlier ones.
func (s *scope) endpoints() *v1alpha1.Endpoints {
	wanted, before := manifests.Endpoints(s.stack), ptr.Deref(s.stack.Status.Endpoints, v1alpha1.Endpoints{})
	now := func(component, wanted, before string) string {
		c := s.component(component)
		built := s.applied && s.resolved() && s.isWanted(component) && !slices.Contains(s.keptBack, component)
		switch {
		case !c.Serving || !s.services[v1alpha1.ChildName(s.stack.Name, component)]:
			return ""
		case built && (c.Complete || before == "" && c.Ready > 0):
			return wanted
		default:
			return before
		}
	}
	const gateway = v1alpha1.ComponentGateway
	result := v1alpha1.Endpoints{
		Gateway:   now(gateway, wanted.Gateway, before.Gateway),
		Users:     now(gateway, wanted.Users, before.Users),
		Realtime:  now(gateway, wanted.Realtime, before.Realtime),
		WebSocket: now(string(openim.MsgGateway), wanted.WebSocket, before.WebSocket),
		API:       now(string(openim.API), wanted.API, before.API),
	}
	if result == (v1alpha1.Endpoints{}) {
		return nil
	}
	return &result
}

// unusableStores returns a sentence for each store that pods reported as unusable, with the components that wait for the store.
func (s *scope) unusableStores() []string {
	var problems []observe.StoreProblem
	waiting := map[observe.StoreProblem][]string{}
	for _, c := range s.state() {
		for _, p := range c.Stores {
			if waiting[p] == nil {
				problems = append(problems, p)
			}
			waiting[p] = append(waiting[p], c.Name)
		}
	}
	var sentences []string
	for _, p := range problems {
		sentences = append(sentences, fmt.Sprintf("%s (waiting: %s)", p, strings.Join(waiting[p], ", ")))
	}
	return sentences
}
