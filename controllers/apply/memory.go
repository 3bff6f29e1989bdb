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

type entry struct{ intent, object digest }

func newMemory() memory { return memory{mutex: &sync.Mutex{}, entries: map[key]entry{}} }

func (m memory) same(k key, intent, object digest) bool {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return m.entries[k] == entry{intent, object}
}

func (m memory) remember(k key, intent, object digest) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.entries[k] = entry{intent, object}
}

func (m memory) forget(k key) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.entries, k)
}

// fingerprint returns a digest of an object without its status and the metadata that changes with every write. The resource version would
// not do, because it changes with the status. The object must have a Go type, so that objects of the cache and answers of the API server
// have the same form.
func fingerprint(object client.Object) (digest, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return digest{}, err
	}
	for _, path := range [][]string{
		{"status"}, {"apiVersion"}, {"kind"}, // objects of the cache lack the last two
		{"metadata", "resourceVersion"}, {"metadata", "managedFields"}, {"metadata", "creationTimestamp"},
	} {
		unstructured.RemoveNestedField(content, path...)
	}
	return hash(content)
}

// hash returns the digest of a JSON object. encoding/json writes maps in the order of their keys.
func hash(content map[string]any) (digest, error) {
	text, err := json.Marshal(content)
	if err != nil {
		return digest{}, err
	}
	return sha256.Sum256(text), nil
}
