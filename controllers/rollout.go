package controllers

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/apply"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/observe"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// componentOf returns the component that a child belongs to.
func componentOf(child client.Object) string { return child.GetLabels()[v1alpha1.LabelComponent] }

// observe reads the Deployments, the pods and the Services of a stack from the cache.
func (r *Reconciler) observe(ctx context.Context, s *scope) error {
	in, labels := client.InNamespace(s.stack.Namespace), client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	var deployments appsv1.DeploymentList
	if err := r.client.List(ctx, &deployments, in, labels, apply.Shared); err != nil {
		return fmt.Errorf("listing Deployments: %w", err)
	}
	var pods corev1.PodList
	if err := r.client.List(ctx, &pods, in, client.MatchingLabels{v1alpha1.LabelInstance: s.stack.Name}, apply.Shared); err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	s.pods, s.components = pods.Items, nil
	s.deployments, s.checking = map[string]*appsv1.Deployment{}, nil
	for i, d := range deployments.Items {
		if !metav1.IsControlledBy(&d, s.stack) {
			continue
		}
		if component := componentOf(&d); component == v1alpha1.ComponentCheck {
			s.checking = &deployments.Items[i] // no revision holds it
		} else {
			s.deployments[component] = &deployments.Items[i]
		}
	}
	var services corev1.ServiceList
	if err := r.client.List(ctx, &services, in, labels, apply.Shared); err != nil {
		return fmt.Errorf("listing Services: %w", err)
	}
	s.services = map[string]bool{}
	for _, service := range services.Items {
		s.services[service.Name] = metav1.IsControlledBy(&service, s.stack)
	}
	return r.observeExposure(ctx, s, services.Items)
}

// state returns the state of each component of the stack, in the order of the catalogue.
func (s *scope) state() []observe.Component {
	if s.components == nil {
		now := s.now
		if now.IsZero() {
			now = time.Now()
		}
		for _, c := range graph.DeploymentsOf(s.stack) {
			d := s.deployments[c.Name]
			generation := s.generations["Deployment/"+v1alpha1.ChildName(s.stack.Name, c.Name)]
			s.components = append(s.components, observe.Deployment(c.Name, d, generation, s.pods, now))
		}
	}
	return s.components
}

// component returns the state of one component, the zero state for a component that the stack does not run.
func (s *scope) component(name string) observe.Component {
	all := s.state()
	i := slices.IndexFunc(all, func(c observe.Component) bool { return c.Name == name })
	if i < 0 {
		return observe.Component{}
	}
	return all[i]
}

// keeps reports whether an unwanted child must stay for now: a ConfigMap that a pod uses, or that a pod may still use because the rollout
// of its component is not complete.
func (s *scope) keeps(object client.Object) bool {
	if _, config := object.(*corev1.ConfigMap); !config {
		return false
	}
	for _, pod := range s.pods {
		ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed // its containers never start again
		if !ended && slices.Contains(observe.ConfigMaps(pod.Spec.Volumes), object.GetName()) {
			return true
		}
	}
	component := componentOf(object)
	if d := s.deployments[component]; d != nil {
		return !observe.Complete(d) || slices.Contains(observe.ConfigMaps(d.Spec.Template.Spec.Volumes), object.GetName())
	}
	return slices.ContainsFunc(s.objects, func(o client.Object) bool {
		_, deployment := o.(*appsv1.Deployment)
		return deployment && componentOf(o) == component
	})
}

// describeWaiting returns the reason and the message of a condition about components that are not available. Components with the same
// reason share a sentence; those that failed come first.
func describeWaiting(components []observe.Component) (reason, message string) {
	components = slices.Clone(components)
	slices.SortStableFunc(components, func(a, b observe.Component) int { return cmp.Compare(severity(b), severity(a)) })
	var sentences []string
	for len(components) > 0 {
		first := components[0]
		same := func(c observe.Component) bool {
			return c.Reason == first.Reason && (c.Message == first.Message || c.Reason == v1alpha1.ReasonStarting)
		}
		var names []string
		for _, c := range components {
			if same(c) {
				names = append(names, progress(c))
			}
		}
		components = slices.DeleteFunc(components, same)
		if first.Reason == v1alpha1.ReasonStarting {
			sentences = append(sentences, "waiting for "+strings.Join(names, ", "))
			reason = cmp.Or(reason, v1alpha1.ReasonWaiting)
			continue
		}
		sentences = append(sentences, fmt.Sprintf("%s: %s: %s", strings.Join(names, ", "), first.Reason, first.Message))
		reason = cmp.Or(reason, first.Reason)
	}
	return reason, strings.Join(sentences, "; ")
}

// severity orders components: failed, with a reason, starting.
func severity(c observe.Component) int {
	switch {
	case c.Failed:
		return 2
	case c.Reason != v1alpha1.ReasonStarting:
		return 1
	default:
		return 0
	}
}

// progress names a component and how many of its wanted pods are ready and of the present template.
func progress(c observe.Component) string {
	text := fmt.Sprintf("%s %d/%d", c.Name, c.Ready, c.Desired)
	switch {
	case c.Desired == 0 && c.Reason == v1alpha1.ReasonStarting:
		return c.Name + " 0/?" // no Deployment yet
	case c.Serving && c.Ready == 0:
		return text + " updated (the earlier pods serve)"
	case c.Ready > 0 && c.Ready >= c.Desired:
		return text + " updated (" + c.Message + ")"
	default:
		return text
	}
}
