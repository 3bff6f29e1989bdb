package render

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Differences that are allowed between a release and kustomize's output. All others are drift.
var (
	releaseLabels      = []string{"app.kubernetes.io/instance", "app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"}
	releaseAnnotations = []string{"helm.sh/resource-policy"}
	// Helm creates a release's namespace itself: helm install --create-namespace.
	notInRelease = []string{"Namespace//openim-operator-system"}
)

// Compare lists the differences between the objects of a release and those of kustomize, one finding per object, sorted. Both are streams
// of YAML documents.
func Compare(kustomized, released []byte) ([]string, error) {
	want, err := objects(kustomized)
	if err != nil {
		return nil, fmt.Errorf("reading kustomize's output: %w", err)
	}
	got, err := objects(released)
	if err != nil {
		return nil, fmt.Errorf("reading Helm's output: %w", err)
	}
	for _, id := range notInRelease {
		delete(want, id)
	}
	var findings []string
	for _, id := range slices.Sorted(maps.Keys(want)) {
		if _, found := got[id]; !found {
			findings = append(findings, id+" is in config and not in the chart")
		}
	}
	for _, id := range slices.Sorted(maps.Keys(got)) {
		object := got[id]
		wanted, found := want[id]
		if !found {
			findings = append(findings, id+" is in the chart and not in config")
			continue
		}
		dropReleaseMarks(object)
		if diff := cmp.Diff(wanted.Object, object.Object); diff != "" {
			findings = append(findings, fmt.Sprintf("%s differs (-config +chart):\n%s", id, diff))
		}
	}
	return findings, nil
}

// objects reads a stream of YAML documents by Kind/namespace/name. Two objects of one name are an error: one of them would be lost.
func objects(stream []byte) (map[string]*unstructured.Unstructured, error) {
	found := map[string]*unstructured.Unstructured{}
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(stream)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, err
		}
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &object.Object); err != nil {
			return nil, err
		}
		if len(object.Object) == 0 {
			continue // a document of comments
		}
		id := fmt.Sprintf("%s/%s/%s", object.GetKind(), object.GetNamespace(), object.GetName())
		if found[id] != nil {
			return nil, fmt.Errorf("%s appears twice", id)
		}
		found[id] = object
	}
}

func dropReleaseMarks(object *unstructured.Unstructured) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	for _, key := range releaseLabels {
		delete(labels, key)
	}
	for _, key := range releaseAnnotations {
		delete(annotations, key)
	}
	// An empty map is no map: kustomize writes none.
	if len(labels) == 0 {
		labels = nil
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
}
