package revision

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// keptBesides is the number of revisions that are kept beside those in use.
const keptBesides = 2

// labelHash is the label with a revision's hash, as Kubernetes' own controllers write it.
const labelHash = "controller.kubernetes.io/hash"

// Name returns the name of a run revision.
func Name(stack, hash string) string { return v1alpha1.ChildName(stack, v1alpha1.RevisionRun+"-"+hash) }

// Labels returns the labels by which a stack's run revisions are found. common are those of all children of the stack.
func Labels(common map[string]string) map[string]string {
	labels := maps.Clone(common)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[v1alpha1.LabelRevision] = v1alpha1.RevisionRun
	return labels
}

// New returns the ControllerRevision for a stack's data, with annotations beside its own.
func New(
	stack *v1alpha1.OpenIMStack, common map[string]string, d Data, number int64, annotations map[string]string,
) (*appsv1.ControllerRevision, error) {
	hash, err := d.Hash()
	if err != nil {
		return nil, err
	}
	text, err := Encode(d)
	if err != nil {
		return nil, err
	}
	labels := Labels(common)
	labels[labelHash] = hash
	all := map[string]string{
		v1alpha1.AnnotationGeneration: strconv.FormatInt(stack.Generation, 10),
		v1alpha1.AnnotationConfigMaps: strings.Join(slices.Sorted(maps.Keys(d.ConfigMaps)), ","),
	}
	maps.Copy(all, annotations)
	return &appsv1.ControllerRevision{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "ControllerRevision"},
		ObjectMeta: metav1.ObjectMeta{
			Name: Name(stack.Name, hash), Namespace: stack.Namespace, Labels: labels, Annotations: all,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(stack, v1alpha1.GroupVersion.WithKind("OpenIMStack"))},
		},
		Data:     runtime.RawExtension{Raw: text},
		Revision: number,
	}, nil
}

// Read decodes a ControllerRevision, and compares its name with the content. Its images are those that were recorded last: an update may
// change the images, or what is known of them, and no template.
func Read(object *appsv1.ControllerRevision, stack string) (Data, error) {
	d, err := Decode(object.Data.Raw)
	if err != nil {
		return Data{}, &DataError{object.Name, err}
	}
	hash, err := d.Hash()
	if err != nil {
		return Data{}, err
	}
	if object.Name != Name(stack, hash) {
		return Data{}, &DataError{object.Name, fmt.Errorf("its content has the hash %s", hash)}
	}
	if images, ok := recordedImages(object.Annotations[v1alpha1.AnnotationImages]); ok {
		d.Inputs.Images = images
	}
	return d, nil
}

// DataError reports a revision whose content cannot be used.
type DataError struct {
	Name  string
	cause error
}

func (e *DataError) Error() string { return fmt.Sprintf("ControllerRevision %s: %s", e.Name, e.cause) }

// Unwrap returns the cause.
func (e *DataError) Unwrap() error { return e.cause }

// Stored is a run revision of a stack that exists.
type Stored struct {
	Name   string
	Number int64
	Data   Data
}

// Action is what must be written so that the revision which a stack wants exists and is the newest.
type Action string

// Actions.
const (
	// Create the revision with the number.
	Create Action = "Create"
	// Raise the number of the revision, which exists: an earlier state is wanted again.
	Raise Action = "Raise"
	// Nothing is to be written.
	Nothing Action = "Nothing"
)

// CollisionError reports that a revision of the wanted name exists with other content.
type CollisionError struct{ Name string }

func (e *CollisionError) Error() string {
	return fmt.Sprintf("ControllerRevision %s exists with other content: delete it once no Deployment names it", e.Name)
}

// Adopt decides what to write for the wanted data, and which number its revision gets.
func Adopt(stack string, history []Stored, wanted Data) (Action, int64, error) {
	hash, err := wanted.Hash()
	if err != nil {
		return "", 0, err
	}
	var highest int64
	for _, r := range history {
		highest = max(highest, r.Number)
	}
	i := slices.IndexFunc(history, func(r Stored) bool { return r.Name == Name(stack, hash) })
	if i < 0 {
		return Create, highest + 1, nil
	}
	if same, err := samePods(history[i].Data, wanted); err != nil || !same {
		return "", 0, errors.Join(err, &CollisionError{history[i].Name})
	}
	if history[i].Number < highest {
		return Raise, highest + 1, nil
	}
	return Nothing, highest, nil
}

// samePods compares two revisions of one hash in full, because the hashes are short. A template that was read from a Deployment has the
// defaults of the API server and its hash from its annotation, so it is not compared.
func samePods(a, b Data) (bool, error) {
	if !a.Equal(b) {
		return false, nil
	}
	for name, one := range a.Components {
		two := b.Components[name]
		var hashes [2]string
		for i, template := range []corev1.PodTemplateSpec{one.Template, two.Template} {
			var err error
			if hashes[i], err = longHash(template); err != nil {
				return false, err
			}
		}
		rendered := hashes[0][:hashDigits] == one.Hash && hashes[1][:hashDigits] == two.Hash
		if rendered && hashes[0] != hashes[1] {
			return false, nil
		}
	}
	return true, nil
}

// Surplus returns the names of the revisions to delete: all but those in use and the two newest of the others.
func Surplus(history []Stored, inUse map[string]bool) []string {
	var names []string
	kept := 0
	for _, r := range history { // the newest first
		switch {
		case inUse[r.Name]:
		case kept < keptBesides:
			kept++
		default:
			names = append(names, r.Name)
		}
	}
	return names
}
