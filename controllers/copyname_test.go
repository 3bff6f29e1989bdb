package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
)

// What is a copy may be deleted by the operator, so that neither a label nor an owner alone makes a Secret one.
func TestWhatIsACopyOfAStack(t *testing.T) {
	stackOf := func(name, uid string) *v1alpha1.OpenIMStack {
		return &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "im", UID: types.UID(uid)}}
	}
	stack, other := stackOf("chat", "1"), stackOf("chat", "2")
	const digest = "0123456789abcdef"
	for what, c := range map[string]struct {
		name, store string
		owner       *v1alpha1.OpenIMStack
		want        bool
	}{
		"what it made":                             {v1alpha1.ReferenceName("chat", "kafka", digest), "kafka", stack, true},
		"one that lost its owner":                  {v1alpha1.ReferenceName("chat", "kafka", digest), "kafka", nil, true},
		"one of a stack of that name that is gone": {v1alpha1.ReferenceName("chat", "kafka", digest), "kafka", other, false},
		"one of another stack":                     {v1alpha1.ReferenceName("chat-b", "kafka", digest), "kafka", nil, false},
		"one of another store":                     {v1alpha1.ReferenceName("chat", "redis", digest), "kafka", nil, false},
		"one without the label":                    {v1alpha1.ReferenceName("chat", "kafka", digest), "", stack, false},
		"a key of the stack with the label":        {"chat-login", "kafka", stack, false},
		"a Secret of others with the label":        {"payment", "kafka", nil, false},
		"one whose digest is none":                 {v1alpha1.ReferenceName("chat", "kafka", "x"), "kafka", stack, false},
	} {
		secret := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Name: c.name, Namespace: "im"}}
		if c.store != "" {
			secret.Labels = map[string]string{v1alpha1.LabelReference: c.store}
		}
		if c.owner != nil {
			secret.OwnerReferences = []metav1.OwnerReference{manifests.OwnerReference(c.owner)}
		}
		NewWithT(t).Expect(isCopyOf(stack, secret)).To(Equal(c.want), what)
	}
}
