package controllers

import (
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/exposure"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/prober"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/controllers/rollout"
	"github.com/openimstack/openim-operator/controllers/seal"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// scope holds what the phases of one reconciliation have found so far.
type scope struct {
	stack *v1alpha1.OpenIMStack
	// facts that the references resolved to. A component's are valid when the component is not held.
	facts openim.Facts
	// read has the versions of what the facts were made of.
	read *readVersions
	// referencesRead is true when all references could be read and the checks could be made; unread holds the errors otherwise.
	referencesRead bool
	unread         error
	// podsUnread is true when it could not be read which Secrets the templates of spec.pods must not.
	podsUnread bool
	// problems of references, and settings that the gateway refuses.
	problems, refusals []dependencies.Problem
	// postponed are the fields of the spec that wait for an update of images, and keptBack the components whose templates do. unsure are the
	// fields by component that the recorded images may not read, although nothing waits.
	postponed []dependencies.Problem
	keptBack  []string
	unsure    map[string][]string
	// unexposed are the entries of spec.wrapper.gateway.expose that are refused. They hold nothing but their own objects.
	unexposed []dependencies.Problem
	// wantsRoute is true when an entry of spec.wrapper.gateway.expose has an httpRoute, and routing says whether routes can be made.
	wantsRoute bool
	routing    routing
	// routeLacks is true when the cluster serves routes and one that the spec wants is not there.
	routeLacks bool
	// templatesInvalid is true when the API server refuses the Deployments with the templates of spec.pods.
	templatesInvalid bool
	// autoscaled are the components that an autoscaler of an earlier spec scales while it is not deleted, by the names of their children.
	autoscaled map[string]bool
	// warnings about references that work for now.
	warnings []dependencies.Warning
	// generated are the generated Secrets as the status will list them. Lost ones that are not generated again are problems.
	generated []v1alpha1.GeneratedSecret
	lost      []dependencies.Problem
	// loginKeysGivenUp is true when the user has accepted other keys of the login than those of the status.
	loginKeysGivenUp bool
	// liveDeployments are the Deployments as the API server has them. Nil unless they were needed.
	liveDeployments *appsv1.DeploymentList
	// places are what the policies open for egress, and graph what the policies say. undecided is why they are not known.
	places    seal.Record
	graph     graph.Graph
	undecided string
	// policies and workloads are the desired children; objects are both, policies first.
	policies, workloads, objects []client.Object
	// history holds the run revisions that exist, the newest first; wanted is the name of the revision of the spec, "" when there is none
	// yet. outdated are the components that the present operator would render otherwise.
	history []runRevision
	// runs are the data of run revisions that were needed so far, by name. They must not be changed.
	runs     map[string]revision.Data
	wanted   string
	outdated []string
	// proposed is true when wanted was computed from the present spec, and revised when all that the spec refers to resolves, too. foreign is
	// true when a newer operator wrote the history.
	proposed, revised, foreign bool
	// planned are the revisions of the components, nil when nothing could be decided. refused are the faults of Deployments that the API
	// server refused, by component.
	planned *rollout.Plan
	refused map[string]*outcome.Fault
	// policiesInPlace is true when all policies are as desired. missing names those that could not be written.
	policiesInPlace bool
	missing         []string
	// sealed is true when the places are recorded and the policies in place: Deployments may be written.
	sealed bool
	// applied is true when all objects are as desired.
	applied bool
	// pending changes of a suspended stack.
	pending []string
	// generations of the objects as applied, by kind/name.
	generations map[string]int64
	// deployments that were observed, by component, and the pods of all components, reduced by observe.Pod.
	deployments map[string]*appsv1.Deployment
	// urgent is true when a message must not wait for its turn.
	urgent bool
	// checking is the Deployment of the check of OpenIM, nil without one.
	checking *appsv1.Deployment
	// shareSuffix is that of the generated share.secret, and rotated is the request for another one that it answers.
	shareSuffix, rotated string
	// shareIsNew is true when the request asks for another value than the stack has.
	shareIsNew bool
	// secretMetadata are the generated Secrets that exist, nil before they are listed.
	secretMetadata *metav1.PartialObjectMetadataList
	// unusedSecrets are generated Secrets that the spec no longer uses. Valid when secretsListed is true.
	unusedSecrets []string
	secretsListed bool
	// copies are the names of what this reconciliation's references lead to. undeletable are copies that are not used and that the operator
	// may not delete. keepsForeign is true while a copy of another namespace stays, whose consent is asked for again.
	copies, undeletable []string
	keepsForeign        bool
	pods                []corev1.Pod
	// services are the names of the Services that exist.
	services map[string]bool
	// routePolicies are the names of the BackendTLSPolicies that exist, as far as entries of the spec name them.
	routePolicies []string
	// ways are what brings the gateway out of the cluster, with their addresses.
	ways []exposure.Way
	// components is the state of each component, in the order of the catalogue. Computed when first asked for.
	components []observe.Component
	// lagging is true when the cache does not show yet what this reconciliation wrote.
	lagging bool
	// assessment of the lockdown, and when it was read from the prober.
	assessment prober.Assessment
	now        time.Time
	// notes are the writes that events tell of.
	notes []note
	// faults are the errors of the phases, in order.
	faults []*outcome.Fault
}

func (s *scope) suspended() bool { return s.stack.Spec.Suspend != nil && *s.stack.Spec.Suspend }

// resolved reports whether the spec can be built: all references resolve, and all settings are accepted that the components are built from.
func (s *scope) resolved() bool {
	return s.referencesRead && len(s.problems) == 0 && len(s.refusals) == 0
}

// held reports whether a component cannot be built from the newest spec: a reference that it reads does not resolve or could not be read,
// or a setting of it is refused.
func (s *scope) held(component string) bool {
	concerns := func(p dependencies.Problem) bool { return p.Concerns(component) }
	return dependencies.Unread(s.unread, component) || slices.ContainsFunc(s.problems, concerns) || slices.ContainsFunc(s.refusals, concerns)
}

// heldHot reports whether the gateway's hot file stays as it is: the gateway is held, and not by refused settings of OpenIM or templates
// alone. Those concern every component, but no process that reads them reads this file, and limits and rules must follow the spec in an
// emergency. Nor does what waits for an update of images (hotStack).
func (s *scope) heldHot() bool {
	const gateway = v1alpha1.ComponentGateway
	concerns := func(p dependencies.Problem) bool { return p.Concerns(gateway) }
	own := func(p dependencies.Problem) bool { return slices.Contains(p.Components, gateway) }
	return dependencies.Unread(s.unread, gateway) || slices.ContainsFunc(s.problems, concerns) || slices.ContainsFunc(s.refusals, own)
}

// podsField starts the fields of what is refused of spec.pods.
const podsField = "spec.pods"

// settingsHeld reports whether a refusal holds every component: settings of OpenIM, or templates of pods.
func (s *scope) settingsHeld() bool {
	return slices.ContainsFunc(s.refusals, func(p dependencies.Problem) bool { return len(p.Components) == 0 })
}

// podsRefused reports whether a part of spec.pods is refused, here or by the API server, or could not be judged.
func (s *scope) podsRefused() bool {
	return s.podsUnread || s.templatesInvalid ||
		slices.ContainsFunc(s.refusals, func(p dependencies.Problem) bool { return strings.HasPrefix(p.Field, podsField) })
}

// stalled returns the first problem that only a change by the user solves.
func (s *scope) stalled() *dependencies.Problem {
	for _, list := range [][]dependencies.Problem{s.problems, s.refusals, s.postponed, s.unexposed} {
		for i := range list {
			if list[i].Stalled {
				return &list[i]
			}
		}
	}
	return nil
}

func (s *scope) fail(err error) { s.faults = append(s.faults, outcome.Of(err)...) }

// terminal returns the worst fault when only a change by the user solves it, else nil.
func (s *scope) terminal() *outcome.Fault {
	if worst := outcome.Worst(s.faults); worst != nil && worst.Kind == outcome.Terminal {
		return worst
	}
	return nil
}

// decided reports whether the spec of this generation was applied, or refused for a reason that only a change by the user solves. A
// suspended stack is done when it was compared.
func (s *scope) decided() bool {
	if s.terminal() != nil || s.stalled() != nil {
		return true
	}
	return len(s.faults) == 0 && s.resolved()
}
