package controllers

import (
	"context"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// podDelay collects the changes of a stack's pods: each stack is reconciled at most twice a second because of them.
const podDelay = 500 * time.Millisecond

// podNames selects the pods of stacks by their name label.
func podNames() labels.Selector {
	names, err := labels.NewRequirement(v1alpha1.LabelName, selection.In, []string{v1alpha1.NameOpenIM, v1alpha1.NameWrapper})
	if err != nil {
		panic(err) // constants
	}
	return labels.NewSelector().Add(*names)
}

// podHandler requeues the stack that a pod's labels name. Anybody who may create pods may write these labels; the effect is a
// reconciliation of that stack, at a bounded rate.
func podHandler() handler.EventHandler {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	requeue := func(o client.Object, q queue) {
		if stack := o.GetLabels()[v1alpha1.LabelInstance]; stack != "" {
			q.AddAfter(reconcile.Request{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: stack}}, podDelay)
		}
	}
	return handler.Funcs{
		CreateFunc: func(_ context.Context, e event.CreateEvent, q queue) { requeue(e.Object, q) },
		DeleteFunc: func(_ context.Context, e event.DeleteEvent, q queue) { requeue(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.UpdateEvent, q queue) {
			if !samePod(e.ObjectOld, e.ObjectNew) {
				requeue(e.ObjectNew, q)
			}
		},
	}
}

// samePod reports whether nothing that the cache keeps has changed.
func samePod(before, after client.Object) bool {
	a, isPod := before.(*corev1.Pod)
	b, isPodToo := after.(*corev1.Pod)
	if !isPod || !isPodToo {
		return false
	}
	x := *a
	x.ResourceVersion = b.ResourceVersion
	return equality.Semantic.DeepEqual(&x, b)
}
