package seal

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// schemaVersion of the data that this release writes.
const schemaVersion = 1

// data is the content of a ControllerRevision.
type data struct {
	SchemaVersion int `json:"schemaVersion"`
	// Sequence is the number of the revision. It is a part of the data so that each revision has a name of its own: an older one with the
	// same places may still be there.
	Sequence int64 `json:"sequence"`
	Record
}

// RevisionError reports a ControllerRevision whose places cannot be used. The live policies stay as they are until it is gone.
type RevisionError struct {
	// Name of the ControllerRevision.
	Name string
	// Newer is true when a newer operator wrote it.
	Newer bool
	// Cause is why the places cannot be used.
	Cause error
}

// Error names the revision, the cause and the remedy.
func (e *RevisionError) Error() string {
	remedy := "delete it: the operator makes a new one from the spec, and old pods of a rollout may lose a store that the spec no longer names"
	if e.Newer {
		remedy = "install the operator that wrote it, or a newer one"
	}
	return fmt.Sprintf("reading the places of the policies from ControllerRevision %q: %v: %s", e.Name, e.Cause, remedy)
}

// Unwrap returns the cause.
func (e *RevisionError) Unwrap() error { return e.Cause }

// errNewer reports data of a newer operator.
var errNewer = errors.New("a newer operator wrote it")

// Labels returns the labels by which a stack's seal revisions are found.
func Labels(common map[string]string) map[string]string {
	labels := maps.Clone(common)
	labels[v1alpha1.LabelRevision] = v1alpha1.RevisionSeal
	return labels
}

// Revision returns the ControllerRevision that keeps a record. common are the labels of all children of the stack.
func Revision(stack, namespace string, common map[string]string, owner metav1.OwnerReference, record Record, sequence int64) (
	*appsv1.ControllerRevision, error,
) {
	if err := record.check(); err != nil {
		return nil, fmt.Errorf("encoding the places of the policies: %w: correct the addresses and peers of the spec", err)
	}
	text, err := json.Marshal(data{schemaVersion, sequence, record})
	if err != nil {
		return nil, fmt.Errorf("encoding the places of the policies: %w", err)
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("encoding the places of the policies: they have %d bytes, and %d is the most: name fewer addresses, or peers "+
			"with blocks that contain them", len(text), maxBytes)
	}
	return &appsv1.ControllerRevision{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "ControllerRevision"},
		ObjectMeta: metav1.ObjectMeta{
			Name: revisionName(stack, text), Namespace: namespace, Labels: Labels(common), OwnerReferences: []metav1.OwnerReference{owner},
		},
		Revision: sequence,
		Data:     runtime.RawExtension{Raw: text},
	}, nil
}

// revisionName is <stack>-seal-<hash>.
func revisionName(stack string, text []byte) string {
	sum := sha256.Sum256(text)
	return v1alpha1.ChildName(stack, v1alpha1.RevisionSeal+"-"+hex.EncodeToString(sum[:5]))
}

// Newest returns the record and the number of the newest of a stack's revisions. Revisions of another controller, or without the labels,
// do not count. Without a revision it returns an empty record.
func Newest(stack *v1alpha1.OpenIMStack, common map[string]string, revisions []appsv1.ControllerRevision) (Record, int64, error) {
	own := slices.DeleteFunc(slices.Clone(revisions), func(r appsv1.ControllerRevision) bool {
		owner := metav1.GetControllerOf(&r)
		labelled := true
		for key, value := range Labels(common) {
			labelled = labelled && r.Labels[key] == value
		}
		return !labelled || owner == nil || owner.UID != stack.UID
	})
	if len(own) == 0 {
		return Record{}, 0, nil
	}
	newest := slices.MaxFunc(own, func(a, b appsv1.ControllerRevision) int {
		return cmp.Or(cmp.Compare(a.Revision, b.Revision), cmp.Compare(a.Name, b.Name))
	})
	content, err := decode(newest.Data.Raw)
	if err == nil {
		err = content.matches(stack.Name, newest)
	}
	if err != nil {
		return Record{}, 0, &RevisionError{Name: newest.Name, Newer: errors.Is(err, errNewer), Cause: err}
	}
	return content.Record, content.Sequence, nil
}

// matches reports an error when a revision has another name or number than the operator gives to this content. The API server may store
// the data with another order of keys, so the content is encoded again.
func (d data) matches(stack string, revision appsv1.ControllerRevision) error {
	text, err := json.Marshal(d)
	if err != nil {
		return err
	}
	if revision.Name != revisionName(stack, text) || revision.Revision != d.Sequence {
		return errors.New("its name and number do not belong to its data")
	}
	return nil
}

// decode parses and checks data.
func decode(text []byte) (data, error) {
	if len(text) > maxBytes {
		return data{}, fmt.Errorf("it has %d bytes, and %d is the most", len(text), maxBytes)
	}
	var version struct {
		SchemaVersion int `json:"schemaVersion"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return data{}, errors.New("its data is not JSON of the expected form")
	}
	if version.SchemaVersion > schemaVersion {
		return data{}, errNewer
	}
	if version.SchemaVersion != schemaVersion {
		return data{}, fmt.Errorf("its schemaVersion %d is unknown", version.SchemaVersion)
	}
	var content data
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&content); err != nil {
		return data{}, errors.New("its data has unknown fields or wrong types")
	}
	return content, content.check()
}
