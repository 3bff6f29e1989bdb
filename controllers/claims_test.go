package controllers

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// stackWithDatabase returns a stack whose spec names a database of one Redis.
func stackWithDatabase(name string, generation int64, database int32) *v1alpha1.OpenIMStack {
	s := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{
		Namespace: "im", Name: name, UID: types.UID("uid-of-" + name), Generation: generation,
	}}
	s.Spec.Dependencies.Redis = v1alpha1.Redis{Addresses: []v1alpha1.Address{"redis.im.svc:6379"}, Database: ptr.To(database)}
	return s
}

// Two workers compare two stacks at a time: one may list the other stack before its change, and compare after the change was recorded.
func TestAnOlderCopyOfAStackDoesNotHideWhatItClaimsNow(t *testing.T) {
	g := NewWithT(t)
	claims := newClaimRegistry()
	before, after := stackWithDatabase("first", 1, 0), stackWithDatabase("first", 2, 5)
	g.Expect(claims.compare(after, dependencies.ClaimsOfSpec(after), nil).Problems).To(BeEmpty())

	second := stackWithDatabase("second", 1, 5)
	second.CreationTimestamp = metav1.NewTime(time.Unix(1, 0)) // the first is older
	sharing := claims.compare(second, dependencies.ClaimsOfSpec(second), []*v1alpha1.OpenIMStack{before, second})
	g.Expect(sharing.Problems).NotTo(BeEmpty(), "the first stack has database 5")
}
