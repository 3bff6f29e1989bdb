package controllers

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/revision"
)

// multiLoginReaders are the components whose images read spec.settings.multiLogin: the gateway has it in its hot file, and sends it to the
// backend.
var multiLoginReaders = []string{v1alpha1.ComponentBackend, v1alpha1.ComponentGateway}

// wrapperFormats returns the formats of the images of gateway and backend in a run revision.
func wrapperFormats(d revision.Data) map[string]int {
	formats := map[string]int{}
	for _, component := range multiLoginReaders {
		if c, ok := d.Components[component]; ok {
			formats[component] = d.InputsOf(c).Images.WrapperFormat
		}
	}
	return formats
}

// findWaiting notes the fields of the spec that wait, because the images of the wanted revision are those of an earlier operator and do not
// read them. templates are the fields in templates, by component. A field that waits holds nothing else: the components count as built.
func (s *scope) findWaiting(templates map[string][]string) {
	s.keptBack = slices.Sorted(maps.Keys(templates))
	components := map[string][]string{} // by field
	for _, component := range s.keptBack {
		for _, field := range templates[component] {
			components[field] = append(components[field], component)
		}
	}
	if s.multiLogin() != nil {
		const field = "spec.settings.multiLogin"
		for _, component := range multiLoginReaders {
			if !manifests.ReadsMultiLogin(s.wrapperFormat(s.wanted, component)) {
				components[field] = append(components[field], component)
			}
		}
	}
	for _, field := range slices.Sorted(maps.Keys(components)) {
		s.postponed = append(s.postponed, dependencies.Problem{
			Reason: v1alpha1.ReasonUpdateRequired, Field: field, Stalled: true, Components: components[field],
			Message: fmt.Sprintf("the images of %s are those of an earlier operator, which do not read it, so that their changes wait: "+
				"set the annotation %s to a new value to roll this operator's images out",
				strings.Join(components[field], ", "), v1alpha1.AnnotationUpdate),
		})
	}
}

// multiLogin returns the multi-login policy that the spec asks of gateway and backend, or nil.
func (s *scope) multiLogin() *v1alpha1.MultiLogin {
	spec := s.stack.Spec
	if spec.Settings == nil || spec.Wrapper.ExternalRef != nil || spec.Wrapper.Auth.Users == nil {
		return nil
	}
	return spec.Settings.MultiLogin
}

// wrapperFormat returns the format of a component's image in a run revision, 0 when the revision is not known.
func (s *scope) wrapperFormat(run, component string) int {
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == run })
	if i < 0 {
		return 0
	}
	return s.history[i].wrapper[component]
}

// hotStack returns the stack from which the gateway's hot file is rendered. Its multi-login policy is that of the spec, but for two cases.
// There is none while a pod of gateway or backend does not read it: such a gateway would refuse the whole file. The one that was accepted
// last stays while settings or templates are refused: a refused spec must end no session, and must not let a user keep more of them.
func (r *Reconciler) hotStack(ctx context.Context, stack *v1alpha1.OpenIMStack, s *scope) (*v1alpha1.OpenIMStack, error) {
	wanted := s.multiLogin()
	policy := wanted
	if s.settingsHeld() {
		var err error
		if policy, err = r.lastMultiLogin(ctx, s); err != nil {
			return nil, err
		}
	}
	if policy != nil && !s.readMultiLogin(r.options.WrapperImage) {
		policy = nil
	}
	if policy == wanted {
		return stack, nil
	}
	of := stack.DeepCopy()
	if of.Spec.Settings == nil {
		of.Spec.Settings = &v1alpha1.Settings{}
	}
	of.Spec.Settings.MultiLogin = policy
	return of, nil
}

// lastMultiLogin returns the multi-login policy that the gateway's hot file had last: as this process knows it, or else as the API server
// has it.
func (r *Reconciler) lastMultiLogin(ctx context.Context, s *scope) (*v1alpha1.MultiLogin, error) {
	for _, object := range r.lastHot.get(s.stack, v1alpha1.ComponentGateway) {
		if file, ok := object.(*corev1.ConfigMap); ok {
			return manifests.MultiLoginOf(file), nil
		}
	}
	var live corev1.ConfigMap // the cache does not hold its data
	key := types.NamespacedName{Namespace: s.stack.Namespace, Name: manifests.HotName(s.stack.Name)}
	switch err := r.live.Get(ctx, key, &live); {
	case apierrors.IsNotFound(err):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the multi-login policy of ConfigMap %s: %w", key.Name, err)
	}
	return manifests.MultiLoginOf(&live), nil
}

// readMultiLogin reports whether the images of all pods of gateway and backend read a multi-login policy, and those of the revisions that
// these components are assigned to. own is this operator's image.
func (s *scope) readMultiLogin(own string) bool {
	for _, component := range multiLoginReaders {
		run := s.revisionOf(component)
		if s.planned != nil {
			run = s.planned.Assignments[component]
		}
		if !manifests.ReadsMultiLogin(s.wrapperFormat(run, component)) {
			return false
		}
	}
	return !slices.ContainsFunc(s.pods, func(pod corev1.Pod) bool {
		component := pod.Labels[v1alpha1.LabelComponent]
		return slices.Contains(multiLoginReaders, component) && pod.DeletionTimestamp == nil && pod.Status.Phase != corev1.PodFailed &&
			pod.Status.Phase != corev1.PodSucceeded && !manifests.ReadsMultiLogin(s.podFormat(component, &pod, own))
	})
}

// podFormat returns the format of a pod's image: that of the run revisions with its template, or of this operator when it has its image. 0
// when neither is so.
func (s *scope) podFormat(component string, pod *corev1.Pod, own string) int {
	format := 0
	for _, h := range s.history {
		if h.Hashes[component] == pod.Annotations[v1alpha1.AnnotationTemplate] {
			format = max(format, h.wrapper[component])
		}
	}
	for _, c := range pod.Spec.Containers {
		if c.Name == component && c.Image == own {
			format = manifests.WrapperFormat
		}
	}
	return format
}
