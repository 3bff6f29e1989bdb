package controllers

import (
	"context"
	"fmt"
	"reflect"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/seal"
)

// seals remembers for each stack the record of its places. It is read from the stack's ControllerRevision once, when the operator starts:
// later the memory counts, and a revision that somebody else wrote is deleted.
type seals struct {
	mutex   sync.Mutex
	byStack map[types.NamespacedName]sealEntry
}

type sealEntry struct {
	owner    types.UID
	record   seal.Record
	sequence int64
}

func newSeals() *seals { return &seals{byStack: map[types.NamespacedName]sealEntry{}} }

// load returns the record of a stack: from memory, or else from the cluster.
func (m *seals) load(ctx context.Context, live client.Reader, stack *v1alpha1.OpenIMStack) (seal.Record, error) {
	key := client.ObjectKeyFromObject(stack)
	if known, ok := m.get(key); ok && known.owner == stack.UID {
		return known.record, nil
	}
	common := manifests.CommonLabels(stack.Name)
	var list appsv1.ControllerRevisionList
	if err := live.List(ctx, &list, client.InNamespace(stack.Namespace), client.MatchingLabels(seal.Labels(common))); err != nil {
		return seal.Record{}, fmt.Errorf("listing the ControllerRevisions of OpenIMStack %s: %w", key, err)
	}
	record, sequence, err := seal.Newest(stack, common, list.Items)
	if err != nil {
		return seal.Record{}, err
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.byStack[key] = sealEntry{stack.UID, record, sequence}
	return record, nil
}

// next remembers a record, and returns its number: a new one when the record is new.
func (m *seals) next(stack *v1alpha1.OpenIMStack, record seal.Record) int64 {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	key := client.ObjectKeyFromObject(stack)
	known := m.byStack[key]
	if !reflect.DeepEqual(known.record, record) {
		known = sealEntry{stack.UID, record, known.sequence + 1}
		m.byStack[key] = known
	}
	return known.sequence
}

func (m *seals) get(stack types.NamespacedName) (sealEntry, bool) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	known, ok := m.byStack[stack]
	return known, ok
}

func (m *seals) forget(stack types.NamespacedName) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.byStack, stack)
}
