package controllers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/outcome"
	"github.com/openimstack/openim-operator/controllers/revision"
	"github.com/openimstack/openim-operator/controllers/rollout"
)

// runs knows the run revisions of each stack. The cache holds them without their data, which never changes: it is read once, summarised,
// and kept only for revisions that Deployments are built from.
type runs struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]*stackRuns
}

// stackRuns belongs to one stack. One reconciliation at a time uses it.
type stackRuns struct {
	owner types.UID
	// summaries by the UID of the ControllerRevision.
	summaries map[types.UID]runRevision
	// data by the name of the revision.
	data packedRuns
	// shares are the values of share.secret that a revision was made with, by name.
	shares map[string]sharesOfRun
	// hashed are the facts whose hashes were compared last.
	hashed factsOfRun
	// unwanted are the UIDs of ControllerRevisions without a controller that were read and not taken over.
	unwanted map[types.UID]bool
	// last proposal, and the request that it answers.
	last *proposed
	// refused is the revision that was tried last by a dry run, nil before the first. It has no problems when it was taken.
	refused *refusedRun
}

// proposed is a proposal without its data.
type proposed struct {
	request  revision.Request // without its history
	history  []string
	name     string
	outdated []string
	missing  []string
	waiting  map[string][]string
	unsure   map[string][]string
}

// runRevision is a run revision that exists.
type runRevision struct {
	rollout.Revision
	// wrapper is the format of the images of gateway and backend, by component (manifests.WrapperFormat).
	wrapper    map[string]int
	uid        types.UID
	configMaps []string
	// secretVersions is the value of AnnotationSecretVersions.
	secretVersions string
}

func newRuns() *runs { return &runs{byStack: map[types.NamespacedName]*stackRuns{}} }

// of returns what is known of a stack. A stack that was deleted and created again starts anew.
func (m *runs) of(stack *v1alpha1.OpenIMStack) *stackRuns {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	key := client.ObjectKeyFromObject(stack)
	if known := m.byStack[key]; known != nil && known.owner == stack.UID {
		return known
	}
	known := &stackRuns{
		owner: stack.UID, summaries: map[types.UID]runRevision{}, data: packedRuns{}, shares: map[string]sharesOfRun{},
		unwanted: map[types.UID]bool{},
	}
	m.byStack[key] = known
	return known
}

func (m *runs) forget(stack types.NamespacedName) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.byStack, stack)
}

// listRuns returns the run revisions that a stack controls, the newest first. Those that cannot be decoded are left out and reported.
func (r *Reconciler) listRuns(ctx context.Context, s *scope) ([]runRevision, error) {
	var list appsv1.ControllerRevisionList
	labels := client.MatchingLabels(revision.Labels(manifests.CommonLabels(s.stack.Name)))
	err := r.client.List(ctx, &list, client.InNamespace(s.stack.Namespace), labels)
	if err != nil {
		return nil, fmt.Errorf("listing the run revisions: %w", err)
	}
	known := r.runs.of(s.stack)
	var all []runRevision
	var failures []error
	present := map[types.UID]bool{}
	if err := r.adoptRuns(ctx, s, list.Items); err != nil {
		return nil, err
	}
	for i := range list.Items {
		object := &list.Items[i]
		if !metav1.IsControlledBy(object, s.stack) || object.DeletionTimestamp != nil {
			continue
		}
		summary, ok := known.summaries[object.UID]
		if !ok {
			d, err := r.readRun(ctx, s, object.Name)
			if err != nil {
				failures = append(failures, s.unusable(object.Name, err))
				continue
			}
			summary = summarise(object.Name, d)
			known.summaries[object.UID] = summary
		}
		present[object.UID] = true
		summary.Number, summary.RolledOut = object.Revision, object.Annotations[v1alpha1.AnnotationRolledOut] == "true"
		summary.uid, summary.configMaps = object.UID, configMapsOf(object)
		summary.secretVersions = object.Annotations[v1alpha1.AnnotationSecretVersions]
		all = append(all, summary)
	}
	for uid := range known.summaries {
		if !present[uid] {
			delete(known.summaries, uid)
		}
	}
	slices.SortFunc(all, func(a, b runRevision) int {
		return cmp.Or(cmp.Compare(b.Number, a.Number), cmp.Compare(a.Name, b.Name))
	})
	return all, errors.Join(failures...)
}

// unusable returns the failure that a revision stands for which could not be read. One that nothing was built from is left alone.
func (s *scope) unusable(name string, err error) error {
	var bad *revision.DataError
	newer, foreign := errors.AsType[*revision.NewerSchemaError](err)
	switch {
	case apierrors.IsNotFound(err):
		return nil
	case foreign:
		return newer
	case !errors.As(err, &bad):
		return err
	case !s.usesRun(name):
		return nil
	default:
		return outcome.NewTerminal(v1alpha1.ReasonRevisionLost, bad.Error()+": delete it, and the operator makes it again")
	}
}

// usesRun reports whether the status or a Deployment names a revision.
func (s *scope) usesRun(name string) bool {
	if slices.Contains(s.namedRevisions(), name) {
		return true
	}
	for _, d := range s.deployments {
		if d.Annotations[v1alpha1.AnnotationRevision] == name {
			return true
		}
	}
	return false
}

// adoptRuns takes over the run revisions of an earlier stack of the same name: a restore and a deletion without the children leave them
// behind, and a restore may bring them after the stack has made its own. Without them all pods would be made anew at once, and those that
// nobody controls would stay when the stack is deleted. A stack that has its own takes over one that nothing names only when its templates
// and files are those of its hashes: a revision that the stack is about to want could otherwise be put in its place with other templates.
func (r *Reconciler) adoptRuns(ctx context.Context, s *scope, all []appsv1.ControllerRevision) error {
	if s.suspended() {
		return nil
	}
	unwanted := r.runs.of(s.stack).unwanted
	own := slices.ContainsFunc(all, func(o appsv1.ControllerRevision) bool { return metav1.IsControlledBy(&o, s.stack) })
	for i := range all {
		object := &all[i]
		owner := metav1.GetControllerOf(object)
		foreign := owner != nil && (owner.Kind != "OpenIMStack" || owner.Name != s.stack.Name)
		if foreign || object.DeletionTimestamp != nil || metav1.IsControlledBy(object, s.stack) {
			continue
		}
		unnamed := own && !s.usesRun(object.Name) // the stack does without it
		if unnamed && unwanted[object.UID] {
			continue
		}
		d, err := r.readRun(ctx, s, object.Name)
		if err == nil && unnamed && d.CheckHashes() != nil {
			unwanted[object.UID] = true
			continue
		}
		if err != nil {
			if _, bad := errors.AsType[*revision.DataError](err); bad && own {
				unwanted[object.UID] = true
				continue
			}
			if err := s.unusable(object.Name, err); err != nil {
				return err
			}
			continue
		}
		adopted, err := r.applier.AdoptRevision(ctx, &appsv1.ControllerRevision{
			TypeMeta: metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "ControllerRevision"},
			ObjectMeta: metav1.ObjectMeta{
				Name: object.Name, Namespace: object.Namespace, Labels: object.Labels,
				OwnerReferences: []metav1.OwnerReference{manifests.OwnerReference(s.stack)},
			},
		})
		if err != nil {
			return err
		}
		all[i] = *adopted
	}
	return nil
}

func summarise(name string, d revision.Data) runRevision {
	return runRevision{
		Revision: rollout.Revision{Name: name, Release: d.Inputs.Facts.Settings.Release, Hashes: d.Hashes(), Images: d.Images()},
		wrapper:  wrapperFormats(d),
	}
}

// readRun reads the data of a run revision from the API server.
func (r *Reconciler) readRun(ctx context.Context, s *scope, name string) (revision.Data, error) {
	var object appsv1.ControllerRevision
	if err := r.live.Get(ctx, types.NamespacedName{Namespace: s.stack.Namespace, Name: name}, &object); err != nil {
		return revision.Data{}, fmt.Errorf("reading ControllerRevision %s: %w", name, err)
	}
	return revision.Read(&object, s.stack.Name)
}

// runData returns the data of a run revision, from memory if it is there.
func (r *Reconciler) runData(ctx context.Context, s *scope, name string) (revision.Data, error) {
	if d, ok := s.runs[name]; ok {
		return d, nil
	}
	if d, ok := r.runs.of(s.stack).data.get(name); ok {
		s.unpacked(name, d)
		return d, nil
	}
	d, err := r.readRun(ctx, s, name)
	if err == nil {
		r.keepRun(s, name, d)
	}
	return d, err
}

// keepRun keeps the data of a run revision in memory.
func (r *Reconciler) keepRun(s *scope, name string, d revision.Data) {
	known := r.runs.of(s.stack)
	known.data.put(name, d)
	if known.hashed.name == name {
		known.hashed = factsOfRun{} // it was made again
	}
	s.unpacked(name, d)
}

// unpacked keeps the data of a run revision for the rest of the reconciliation.
func (s *scope) unpacked(name string, d revision.Data) {
	if s.runs == nil {
		s.runs = map[string]revision.Data{}
	}
	s.runs[name] = d
}

// keepData drops the data of all revisions but the named ones.
func (k *stackRuns) keepData(names map[string]bool) {
	maps.DeleteFunc(k.data, func(name string, _ []byte) bool { return !names[name] })
	maps.DeleteFunc(k.shares, func(name string, _ sharesOfRun) bool { return !names[name] })
}

// answer returns the last proposal when it answers the same request.
func (k *stackRuns) answer(request revision.Request, history []string) *proposed {
	if k.last == nil || !slices.Equal(k.last.history, history) || !reflect.DeepEqual(k.last.request, request) {
		return nil
	}
	return k.last
}
