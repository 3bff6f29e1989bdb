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
func (r *Reconciler) findWaiting(ctx context.Context, s *scope, templates map[string][]string) error {
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
			if format, _ := s.wrapperFormat(s.wanted, component); manifests.ReadsMultiLogin(format) {
				continue
			}
			last, err := r.lastMultiLogin(ctx, s)
			if err != nil {
				return err
			}
			if last == nil || !s.runsImageOf(s.wanted, component) { // see unreadMultiLogin
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
	return nil
}

// multiLogin returns the multi-login policy that the spec asks of gateway and backend, or nil.
func (s *scope) multiLogin() *v1alpha1.MultiLogin {
	spec := s.stack.Spec
	if spec.Settings == nil || spec.Wrapper.ExternalRef != nil || spec.Wrapper.Auth.Users == nil {
		return nil
	}
	return spec.Settings.MultiLogin
}

// wrapperFormat returns the format of a component's image in a run revision, and false when the revision is not known.
func (s *scope) wrapperFormat(run, component string) (int, bool) {
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == run })
	if i < 0 {
		return 0, false
	}
	return s.history[i].wrapper[component], true
}

// hotStack returns the stack from which the gateway's hot file is rendered. Its multi-login policy is the spec's, but for three cases.
// There is none while a pod of gateway or backend does not read it: such a gateway would refuse the whole file. The one that was accepted
// last stays while settings or templates are refused: a refused spec must end no session, and must not let a user keep more of them. It
// stays, too, while it is not known whether all pods read it.
func (r *Reconciler) hotStack(ctx context.Context, stack *v1alpha1.OpenIMStack, s *scope) (*v1alpha1.OpenIMStack, error) {
	wanted, held := s.multiLogin(), s.settingsHeld()
	policy := wanted
	refused, unknown := s.unreadMultiLogin(r.options.WrapperImage, false)
	if held || wanted != nil && (refused || unknown) {
		last, err := r.lastMultiLogin(ctx, s)
		if err != nil {
			return nil, err
		}
		refused, unknown = s.unreadMultiLogin(r.options.WrapperImage, last != nil)
		if held || unknown {
			policy = last
		}
		if refused {
			policy = nil
		}
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

// unreadMultiLogin reports whether an image of a pod of gateway or backend, or of the revisions that these components are assigned to, does
// not read a multi-login policy, and whether that is unknown of one. own is this operator's image. applied is true when the hot file has a
// policy: then images that run read it, also those of an operator that recorded no formats, because none gets one that does not.
func (s *scope) unreadMultiLogin(own string, applied bool) (refused, unknown bool) {
	judge := func(format int, known, runs bool) {
		switch {
		case manifests.ReadsMultiLogin(format), known && applied && runs:
		case known:
			refused = true
		default:
			unknown = true
		}
	}
	for _, component := range multiLoginReaders {
		run := s.revisionOf(component)
		if s.planned != nil {
			run = s.planned.Assignments[component]
		}
		format, known := s.wrapperFormat(run, component)
		judge(format, known, s.runsImageOf(run, component))
	}
	for i := range s.pods {
		pod := &s.pods[i]
		if component := pod.Labels[v1alpha1.LabelComponent]; slices.Contains(multiLoginReaders, component) && pod.DeletionTimestamp == nil &&
			pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded {
			format, known := s.podFormat(component, pod, own)
			judge(format, known, true)
		}
	}
	return refused, unknown
}

// runsImageOf reports whether a component's Deployment has the image that a run revision has for it.
func (s *scope) runsImageOf(run, component string) bool {
	image := s.imageOf(component, component)
	return image != "" && slices.ContainsFunc(s.history, func(h runRevision) bool {
		return h.Name == run && slices.Contains(strings.Fields(h.Images[component]), image)
	})
}

// podFormat returns the format of a pod's image: that of the run revisions with its template, or of this operator when it has its image.
// False when neither is so.
func (s *scope) podFormat(component string, pod *corev1.Pod, own string) (format int, known bool) {
	for _, h := range s.history {
		if h.Hashes[component] == pod.Annotations[v1alpha1.AnnotationTemplate] {
			format, known = max(format, h.wrapper[component]), true
		}
	}
	for _, c := range pod.Spec.Containers {
		if c.Name == component && c.Image == own {
			format, known = manifests.WrapperFormat, true
		}
	}
	return format, known
}
