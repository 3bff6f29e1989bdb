package apply

import (
	"crypto/sha256"
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

type digest [sha256.Size]byte

// memory holds, for each object, digests of the last applied intent and of the object after it.
type memory struct {
	mutex   *sync.Mutex
	entries map[key]entry
}

type entry struct {
	intent, object digest
	// version is the resource version with which the object was last seen to be as after the intent. Empty: none.
	version string
}

func newMemory() memory { return memory{mutex: &sync.Mutex{}, entries: map[key]entry{}} }

// same reports whether an object is as it was after the intent was applied, and notes its resource version.
func (m memory) same(k key, intent, object digest, version string) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known := m.entries[k]
	if known.intent != intent || known.object != object {
		return false
	}
	known.version = version
	m.entries[k] = known
	return true
}

// unchanged reports whether the object with this resource version was seen to be as after the intent: most reconciliations find each object
// so, and then its digest need not be computed.
func (m memory) unchanged(k key, intent digest, version string) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known := m.entries[k]
	return version != "" && known.version == version && known.intent == intent
}

// intended reports whether the intent is the one that was applied last.
func (m memory) intended(k key, intent digest) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known, ok := m.entries[k]
	return ok && known.intent == intent
}

func (m memory) remember(k key, intent, object digest) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.entries[k] = entry{intent: intent, object: object}
}

func (m memory) forget(k key) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.entries, k)
}

// fingerprint returns a digest of an object without its status and the metadata that changes with every write. The resource version would
// not do, because it changes with the status. The object must have a Go type, so that objects of the cache and answers of the API server
// have the same form. anyReplicas leaves spec.replicas out, for an object that others scale.
func fingerprint(object client.Object, anyReplicas bool) (digest, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return digest{}, err
	}
	for _, path := range [][]string{
		{"status"}, {"apiVersion"}, {"kind"}, // objects of the cache lack the last two
		{"metadata", "resourceVersion"}, {"metadata", "managedFields"}, {"metadata", "creationTimestamp"},
		{"metadata", "generation"}, // it changes with the number of replicas, which may be left out
	} {
		unstructured.RemoveNestedField(content, path...)
	}
	if anyReplicas {
		unstructured.RemoveNestedField(content, "spec", "replicas")
	}
	return hash(content)
}

// hash returns the digest of a value as JSON. encoding/json writes maps in the order of their keys.
func hash(content any) (digest, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return digest{}, err
	}
	return sha256.Sum256(text), nil
}
