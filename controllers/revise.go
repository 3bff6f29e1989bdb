package controllers

import (
	"context"
	"errors"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/eventkind"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// revise decides which run revision the stack wants, and makes sure that it exists. While a reference is broken, the components that read
// it keep their templates in the new revision. A stack that never ran has no revision before all its references resolve.
func (r *Reconciler) revise(ctx context.Context, s *scope) error {
	defer func() {
		if s.wanted == "" && s.hasRun(s.stack.Status.UpdateRevision) {
			s.wanted = s.stack.Status.UpdateRevision // what exists goes on
		}
	}()
	history, err := r.listRuns(ctx, s)
	if newer, ok := errors.AsType[*revision.NewerSchemaError](err); ok {
		s.foreign = true
		return outcome.NewTerminal(v1alpha1.ReasonUnsupportedVersion, "reading the run revisions: "+newer.Error())
	}
	s.history = history
	if err != nil {
		return err
	}
	if err := r.restoreRuns(ctx, s); err != nil {
		return err
	}
	if len(s.history) == 0 && !s.resolved() {
		return nil
	}
	request, names := r.request(s)
	if request.Inputs.Facts, err = r.keptHashes(ctx, s, request.Inputs.Facts, names); err != nil {
		return err
	}
	known := r.runs.of(s.stack)
	if refused := known.refused; refused.answers(request, names, r.pacer.now()) {
		s.refuseTemplates(refused.problems)
		return nil
	}
	answer := known.answer(request, names)
	if answer == nil {
		if answer, err = r.propose(ctx, s, request, names); err != nil {
			return err
		}
	}
	if answer == nil {
		return nil // the API server refuses the templates of pods
	}
	s.outdated, s.unsure = answer.outdated, answer.unsure
	if len(answer.missing) > 0 && len(s.history) == 0 {
		return nil
	}
	s.wanted, s.proposed, s.revised = answer.name, true, len(request.Inputs.Unresolved) == 0
	if err := r.findWaiting(ctx, s, answer.waiting); err != nil {
		return err
	}
	return r.recordVersions(ctx, s, answer.name, request.Inputs.Facts)
}

// request returns what the stack asks for, and the names of its history: the revision that it wanted last comes first.
func (r *Reconciler) request(s *scope) (revision.Request, []string) {
	request := revision.Request{
		Inputs: revision.Inputs{Spec: *s.stack.Spec.DeepCopy(), Facts: s.facts.ForTemplates()},
		Images: r.images(),
		Update: s.updateRequested(),
	}
	for _, c := range graph.DeploymentsOf(s.stack) {
		request.Components = append(request.Components, c.Name)
		if s.held(c.Name) {
			request.Inputs.Unresolved = append(request.Inputs.Unresolved, c.Name)
		}
	}
	var names []string
	for _, known := range s.history {
		names = append(names, known.Name)
	}
	if i := slices.Index(names, s.stack.Status.UpdateRevision); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, s.stack.Status.UpdateRevision)
	}
	return request, names
}

// updateRequested reports whether the annotation asks for the images and templates of this operator. Without a status nobody can show
// whether the request is new, so it counts as answered.
func (s *scope) updateRequested() bool {
	asked := s.requestOf(v1alpha1.AnnotationUpdate)
	return s.stack.Status.UpdateRevision != "" && asked != "" && asked != s.answered().Update
}

func (s *scope) answered() v1alpha1.Requests {
	if s.stack.Status.Requests == nil {
		return v1alpha1.Requests{}
	}
	return *s.stack.Status.Requests
}

// propose computes the wanted revision and writes it unless it is there; nil when the API server refuses its Deployments. While the stack
// is suspended nothing is written.
func (r *Reconciler) propose(ctx context.Context, s *scope, request revision.Request, names []string) (*proposed, error) {
	asked := request
	stored := map[string]revision.Data{}
	for _, name := range names {
		d, err := r.runData(ctx, s, name)
		if err != nil {
			return nil, err
		}
		stored[name], request.History = d, append(request.History, d)
	}
	render := func(in revision.Inputs) (map[string]revision.Rendering, error) { return r.render(s.stack, in) }
	proposal, err := revision.Propose(request, render)
	if err != nil {
		return nil, outcome.NewTerminal(v1alpha1.ReasonInvalidSpec, err.Error()) // pure: another attempt fails too
	}
	hash, err := proposal.Data.Hash()
	if err != nil {
		return nil, err
	}
	answer := &proposed{
		request: asked, history: names, name: revision.Name(s.stack.Name, hash),
		outdated: proposal.Outdated, missing: proposal.Missing, waiting: proposal.Waiting, unsure: proposal.Unsure,
	}
	if len(proposal.Missing) > 0 && len(names) == 0 {
		return answer, nil // the first revision must be whole
	}
	var last *revision.Data
	if len(request.History) > 0 {
		last = &request.History[0]
	}
	if taken, err := r.tryTemplates(ctx, s, answer, proposal.Data, last); err != nil || !taken {
		return nil, err
	}
	if err := r.recordRun(ctx, s, answer.name, proposal.Data, stored); err != nil {
		return nil, err
	}
	if !s.suspended() {
		answer.history = nil
		for _, known := range s.history {
			answer.history = append(answer.history, known.Name)
		}
		r.runs.of(s.stack).last = answer
	}
	return answer, nil
}

// render renders the templates of inputs by the present code.
func (r *Reconciler) render(stack *v1alpha1.OpenIMStack, in revision.Inputs) (map[string]revision.Rendering, error) {
	of := stack.DeepCopy()
	of.Spec = in.Spec
	held := func(component string) bool { return slices.Contains(in.Unresolved, component) }
	options := manifests.Options{WrapperImage: in.Images.Wrapper, SupervisorImage: in.Images.Supervisor}
	rendered, err := manifests.Templates(of, in.Facts, options, held)
	if err != nil {
		return nil, err
	}
	all := make(map[string]revision.Rendering, len(rendered))
	for name, one := range rendered {
		all[name] = revision.Rendering{
			Template: one.Template, ConfigMaps: one.ConfigMaps,
			Unread: manifests.Unread(of, in.Facts, name, in.Images.WrapperFormat, in.Images.SupervisorFormat),
		}
	}
	return all, nil
}

// recordRun makes sure that a run revision exists and is the newest, and adds it to the history of the scope.
func (r *Reconciler) recordRun(ctx context.Context, s *scope, name string, d revision.Data, stored map[string]revision.Data) error {
	var all []revision.Stored
	for _, h := range s.history {
		all = append(all, revision.Stored{Name: h.Name, Number: h.Number, Data: stored[h.Name]})
	}
	action, number, err := revision.Adopt(s.stack.Name, all, d)
	if collision, ok := errors.AsType[*revision.CollisionError](err); ok {
		return outcome.NewTerminal(v1alpha1.ReasonNameConflict, collision.Error())
	}
	if err != nil {
		return err
	}
	if s.suspended() {
		if action == revision.Create {
			s.pending = append(s.pending, "ControllerRevision/"+name)
			r.keepRun(s, name, d)
			s.history = slices.Insert(s.history, 0, summarise(name, d))
		}
		return nil
	}
	recorded := map[string]string{} // what the revision that exists says of its images is that of its first request
	if was, exists := stored[name]; exists && was.Inputs.Images != d.Inputs.Images {
		recorded[v1alpha1.AnnotationImages] = d.Inputs.Images.Text()
	}
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == name })
	key := types.NamespacedName{Namespace: s.stack.Namespace, Name: name}
	switch action {
	case revision.Create:
		versions := map[string]string{v1alpha1.AnnotationSecretVersions: s.secretVersions(d.Inputs.Facts)}
		return r.createRun(ctx, s, name, d, number, versions)
	case revision.Raise:
		h := s.history[i]
		if err := r.applier.UpdateRevision(ctx, s.stack.UID, h.uid, key, number, recorded); err != nil {
			return err
		}
		h.Number = number
		s.history = slices.Insert(slices.Delete(s.history, i, i+1), 0, h)
		i = 0
	case revision.Nothing:
		if len(recorded) == 0 {
			return nil
		}
		if err := r.applier.UpdateRevision(ctx, s.stack.UID, s.history[i].uid, key, 0, recorded); err != nil {
			return err
		}
	}
	if len(recorded) > 0 {
		r.knowImages(s, i, stored[name], d.Inputs.Images)
	}
	return nil
}

// knowImages remembers which images the revision at an index of the history was recorded with.
func (r *Reconciler) knowImages(s *scope, i int, d revision.Data, images revision.Images) {
	known, h := r.runs.of(s.stack), &s.history[i]
	d.Inputs.Images = images
	r.keepRun(s, h.Name, d)
	h.wrapper = wrapperFormats(d)
	if summary, ok := known.summaries[h.uid]; ok {
		summary.wrapper = h.wrapper
		known.summaries[h.uid] = summary
	}
}

// createRun creates a run revision and adds it to the history of the scope.
func (r *Reconciler) createRun(
	ctx context.Context, s *scope, name string, d revision.Data, number int64, annotations map[string]string,
) error {
	object, err := revision.New(s.stack, manifests.CommonLabels(s.stack.Name), d, number, annotations)
	if err != nil {
		return err
	}
	created, err := r.applier.CreateRevision(ctx, object)
	if err != nil {
		return err
	}
	s.note(eventkind.Created, created)
	known := r.runs.of(s.stack)
	summary := summarise(name, d)
	r.keepRun(s, name, d)
	known.summaries[created.UID] = summary
	summary.Number, summary.RolledOut = created.Revision, created.Annotations[v1alpha1.AnnotationRolledOut] == "true"
	summary.uid, summary.configMaps = created.UID, configMapsOf(created)
	summary.secretVersions = created.Annotations[v1alpha1.AnnotationSecretVersions]
	s.history = slices.Insert(s.history, 0, summary)
	return nil
}

// restoreRuns makes a revision again that the status names and that is gone: from the memory of this process, or else from the
// Deployments that were built from it. A stack that runs and has no revision, because an earlier operator made none, gets one from its
// Deployments as they are: nothing restarts.
func (r *Reconciler) restoreRuns(ctx context.Context, s *scope) error {
	known := r.runs.of(s.stack)
	for _, name := range s.namedRevisions() {
		if s.hasRun(name) {
			continue
		}
		if d, ok := known.data.get(name); ok && !s.suspended() {
			if err := r.createRun(ctx, s, name, d, 1, rolledOut(name == s.stack.Status.CurrentRevision)); err != nil {
				return err
			}
			continue
		}
		if err := r.reviveRun(ctx, s, name); err != nil {
			return err
		}
	}
	if len(s.history) == 0 && len(s.deployments) > 0 {
		return r.reviveRun(ctx, s, "")
	}
	return nil
}

func (s *scope) hasRun(name string) bool {
	return slices.ContainsFunc(s.history, func(h runRevision) bool { return h.Name == name })
}

func rolledOut(done bool) map[string]string {
	if !done {
		return nil
	}
	return map[string]string{v1alpha1.AnnotationRolledOut: "true"}
}

// reviveRun makes a revision from the Deployments that name it, if their templates give the revision its name. With an empty name it
// takes all Deployments.
func (r *Reconciler) reviveRun(ctx context.Context, s *scope, name string) error {
	templates, configMaps := map[string]corev1.PodTemplateSpec{}, map[string]map[string]string{}
	for component, d := range s.deployments {
		if name == "" || d.Annotations[v1alpha1.AnnotationRevision] == name {
			templates[component] = d.Spec.Template
		}
	}
	if len(templates) == 0 {
		return nil
	}
	var list corev1.ConfigMapList // the cache does not hold their data
	labels := client.MatchingLabels(manifests.CommonLabels(s.stack.Name))
	err := r.live.List(ctx, &list, client.InNamespace(s.stack.Namespace), labels)
	if err != nil {
		return err
	}
	for _, c := range list.Items {
		if c.Immutable != nil && *c.Immutable {
			configMaps[c.Name] = c.Data
		}
	}
	request, _ := r.request(s)
	inputs := request.Inputs
	inputs.Images = r.imagesOf(s)
	// What the templates were rendered from is known only when nothing has changed since. Otherwise everything is rendered anew.
	sameSpec := s.stack.Status.ObservedGeneration == s.stack.Generation && s.resolved() && s.sameRevision(name)
	if !sameSpec {
		inputs.Unresolved = request.Components
	} else if inputs.Unresolved, err = r.otherCredentials(s, inputs, templates); err != nil {
		return err
	}
	d, err := revision.FromDeployments(inputs, templates, configMaps)
	if err != nil {
		return err
	}
	hash, err := d.Hash()
	if err != nil {
		return err
	}
	made := revision.Name(s.stack.Name, hash)
	if name != "" && made != name || s.hasRun(made) {
		return nil // a part of it is gone
	}
	if s.suspended() {
		r.keepRun(s, made, d)
		s.history = slices.Insert(s.history, 0, summarise(made, d))
		return nil
	}
	return r.createRun(ctx, s, made, d, 1, rolledOut(name == "" || name == s.stack.Status.CurrentRevision))
}

// otherCredentials returns the components whose templates were made from other credentials than the inputs have: a Secret was changed
// meanwhile, and its readers are still to restart.
func (r *Reconciler) otherCredentials(
	s *scope, inputs revision.Inputs, templates map[string]corev1.PodTemplateSpec,
) ([]string, error) {
	rendered, err := r.render(s.stack, inputs)
	if err != nil {
		return nil, outcome.NewTerminal(v1alpha1.ReasonInvalidSpec, err.Error()) // pure: another attempt fails too
	}
	var others []string
	for component, live := range templates {
		const hash = v1alpha1.AnnotationCredentials
		if rendered[component].Template.Annotations[hash] != live.Annotations[hash] {
			others = append(others, component)
		}
	}
	slices.Sort(others)
	return others, nil
}

// sameRevision reports whether all Deployments were built for the revision that the status wants, or by an operator without revisions.
func (s *scope) sameRevision(name string) bool {
	for _, d := range s.deployments {
		built := d.Annotations[v1alpha1.AnnotationRevision]
		if built != s.stack.Status.UpdateRevision || name != "" && built != name {
			return false
		}
	}
	return true
}

// images returns the images of this operator.
func (r *Reconciler) images() revision.Images {
	return revision.Images{
		Wrapper: r.options.WrapperImage, WrapperFormat: manifests.WrapperFormat,
		Supervisor: r.options.SupervisorImage, SupervisorFormat: manifests.SupervisorFormat,
	}
}

// imagesOf returns the operator's images that the live templates have.
func (r *Reconciler) imagesOf(s *scope) revision.Images {
	images := r.images()
	if image := s.imageOf(v1alpha1.ComponentGateway, v1alpha1.ComponentGateway); image != "" && image != images.Wrapper &&
		s.stack.Spec.Wrapper.Image == "" {
		images.Wrapper, images.WrapperFormat = image, 0
	}
	if image := s.imageOf(string(openim.API), manifests.PrepareContainer); image != "" && image != images.Supervisor {
		images.Supervisor, images.SupervisorFormat = image, 0
	}
	return images
}

// imageOf returns the image of a container of a component's Deployment, "" when there is none.
func (s *scope) imageOf(component, container string) string {
	d := s.deployments[component]
	if d == nil {
		return ""
	}
	for _, c := range slices.Concat(d.Spec.Template.Spec.InitContainers, d.Spec.Template.Spec.Containers) {
		if c.Name == container {
			return c.Image
		}
	}
	return ""
}

func configMapsOf(object *appsv1.ControllerRevision) []string {
	return splitNames(object.Annotations[v1alpha1.AnnotationConfigMaps])
}
