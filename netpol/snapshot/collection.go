package snapshot

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"
	kjson "sigs.k8s.io/json"
)

// maxWarnings bounds the warnings that are returned in full.
const maxWarnings = 50

// collection gathers the objects of manifests into a snapshot.
type collection struct {
	snapshot  *Snapshot
	namespace string
	// seen are the objects so far, by kind and name.
	seen map[identity]occurrence
	// skipped counts kinds that do not affect reachability, and documents that are not objects.
	skipped         map[string]int
	warningTexts    []string
	droppedWarnings int
	// podNames are the names in use: two workloads of different kinds may have the same name.
	podNames map[identity]bool
	// at is the position of the object that is being added.
	at position
	// configMaps so far. Only their short values are kept.
	configMaps map[types.NamespacedName]map[string]string
}

type identity struct {
	schema.GroupKind
	namespace, name string
}

type occurrence struct {
	at     position
	digest [sha256.Size]byte
}

func newCollection(namespace string) *collection {
	if namespace == "" {
		namespace = corev1.NamespaceDefault
	}
	return &collection{
		snapshot: &Snapshot{Locations: map[ObjectKey]Location{}}, namespace: namespace,
		seen: map[identity]occurrence{}, skipped: map[string]int{}, podNames: map[identity]bool{},
		configMaps: map[types.NamespacedName]map[string]string{},
	}
}

// add adds one object. A Secret is dropped before any of its fields is read.
func (c *collection) add(at position, object map[string]any) error {
	c.at = at
	apiVersion, kind := text(object, "apiVersion"), text(object, "kind")
	if kind == "Secret" && apiVersion == "v1" {
		return nil
	}
	if kind == "ConfigMap" && apiVersion == "v1" {
		c.configMap(object)
	}
	if apiVersion == "" || kind == "" {
		c.skipped["documents without apiVersion and kind"]++
		return nil
	}
	gv, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return at.errorf("apiVersion %q is not group/version", apiVersion)
	}
	gvk := gv.WithKind(kind)
	if d, ok := decoders[gvk.GroupKind()]; ok {
		return c.known(at, gvk, d, object)
	}
	if paths, ok := podMakers[gvk.GroupKind()]; ok {
		c.mention(gvk, object, false)
		return c.podMaker(at, gvk, paths, object)
	}
	i := slices.IndexFunc(thirdPartyKinds, func(k thirdPartyKind) bool { return k.GroupKind == gvk.GroupKind() })
	if i < 0 {
		c.skipped[kind]++
		c.mention(gvk, object, true)
		return nil
	}
	return c.thirdParty(at, gvk, thirdPartyKinds[i], object)
}

// mention records the names in an object of an unknown kind. labels is false for kinds whose pods are in the snapshot: their labels
// are those of the pods.
func (c *collection) mention(gvk schema.GroupVersionKind, object map[string]any, labels bool) {
	if ignoredForMentions(gvk.GroupKind()) {
		return
	}
	if metadata, ok := object["metadata"].(map[string]any); ok && text(metadata, "namespace") == "" {
		metadata["namespace"] = c.namespace // short names in the object refer to this namespace
	}
	m := mentionOf(gvk, object)
	if m == nil {
		return
	}
	c.locate(gvk.GroupKind(), m.Namespace, m.Name)
	if !labels {
		m.Labels = nil
	}
	c.snapshot.Mentions = append(c.snapshot.Mentions, *m)
}

// known decodes an object of a kind with a Go type.
func (c *collection) known(at position, gvk schema.GroupVersionKind, d decoder, object map[string]any) error {
	if gvk.Version != d.version {
		c.warn("%s: skipped %s %s: no supported Kubernetes serves this version: write %s", at, gvk.GroupVersion(), gvk.Kind,
			schema.GroupVersion{Group: gvk.Group, Version: d.version})
		return nil
	}
	fresh, err := c.register(at, gvk, object, d.clusterWide)
	if err != nil || !fresh {
		return err
	}
	into := d.make()
	content, err := json.Marshal(object)
	if err != nil {
		return at.errorf("%s: %w", gvk.Kind, err)
	}
	lost, err := kjson.UnmarshalStrict(content, into)
	if err != nil {
		return at.errorf("invalid %s of %s: %w", gvk.Kind, gvk.GroupVersion(), err)
	}
	for _, l := range lost {
		c.warn("%s: %s %s: %v: the API server drops it", at, gvk.Kind, into.GetName(), l)
	}
	d.keep(c, into)
	return nil
}

// thirdParty reads an object of a kind that Kubernetes does not define.
func (c *collection) thirdParty(at position, gvk schema.GroupVersionKind, k thirdPartyKind, object map[string]any) error {
	fresh, err := c.register(at, gvk, object, k.clusterWide)
	if err != nil || !fresh {
		return err
	}
	if k.read != nil {
		c.snapshot.Routes = append(c.snapshot.Routes, routeOf(gvk, k.read, object))
		c.mention(gvk, object, true)
		return nil
	}
	c.snapshot.OtherPolicies = append(c.snapshot.OtherPolicies, otherPolicy(gvk, &unstructured.Unstructured{Object: object}))
	return nil
}

// register sets the object's namespace and checks its name. fresh is false for an object that the manifests contain twice with equal
// content, which is usual in kustomize folders. Two different objects of the same name are an error.
func (c *collection) register(at position, gvk schema.GroupVersionKind, object map[string]any, clusterWide bool) (fresh bool, err error) {
	metadata, ok := object["metadata"].(map[string]any)
	if !ok {
		return false, at.errorf("%s has no metadata: give it a name", gvk.Kind)
	}
	if text(metadata, "name") == "" && text(metadata, "generateName") != "" {
		metadata["name"] = strings.TrimSuffix(text(metadata, "generateName"), "-")
	}
	name, namespace := text(metadata, "name"), ""
	if problems := validation.IsDNS1123Subdomain(name); len(problems) > 0 {
		return false, at.errorf("%s has no valid name: %s", gvk.Kind, problems[0])
	}
	if managed, has := metadata["managedFields"]; has { // field managers do not make two objects differ
		delete(metadata, "managedFields")
		defer func() { metadata["managedFields"] = managed }()
	}
	if clusterWide {
		delete(metadata, "namespace")
	} else {
		if text(metadata, "namespace") == "" {
			metadata["namespace"] = c.namespace
		}
		namespace = text(metadata, "namespace")
		if problems := validation.IsDNS1123Label(namespace); len(problems) > 0 {
			return false, at.errorf("%s %s has no valid namespace: %s", gvk.Kind, name, problems[0])
		}
	}
	content, err := json.Marshal(object)
	if err != nil {
		return false, at.errorf("%s %s: %w", gvk.Kind, name, err)
	}
	id, sum := identity{gvk.GroupKind(), namespace, name}, sha256.Sum256(content)
	before, again := c.seen[id]
	if again && before.digest != sum {
		return false, at.errorf("%s %s differs from the object of the same name in %s: audit the manifests of one environment, "+
			"as they are applied",
			gvk.Kind, strings.TrimPrefix(namespace+"/"+name, "/"), before.at)
	}
	if !again {
		c.seen[id] = occurrence{at, sum}
		c.locate(id.GroupKind, namespace, name)
	}
	return !again, nil
}

func (c *collection) warn(format string, args ...any) {
	if len(c.warningTexts) == maxWarnings {
		c.droppedWarnings++
		return
	}
	c.warningTexts = append(c.warningTexts, fmt.Sprintf(format, args...))
}

// warnings returns the recorded warnings and a summary of the skipped kinds.
func (c *collection) warnings() []string {
	all := c.warningTexts
	if c.droppedWarnings > 0 {
		all = append(all, fmt.Sprintf("and %d more warnings", c.droppedWarnings))
	}
	if len(c.skipped) == 0 {
		return all
	}
	var kinds []string
	for kind, n := range c.skipped {
		kinds = append(kinds, fmt.Sprintf("%s %d", kind, n))
	}
	slices.Sort(kinds)
	const shown = 20
	if len(kinds) > shown {
		kinds = append(kinds[:shown], fmt.Sprintf("and %d more kinds", len(kinds)-shown))
	}
	return append(all, "skipped kinds, which are unknown or do not affect connections: "+strings.Join(kinds, ", "))
}
