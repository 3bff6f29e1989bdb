package controllers

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// The consent of other namespaces.
//
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=referencegrants,verbs=get;list;watch

// consentInterval is the time after which the consent of other namespaces is read again: ReferenceGrants are not watched when
// the Gateway API was installed after the operator's start.
const consentInterval = time.Minute

// consentRecheck returns the time after which the stack must be reconciled again because of references to other namespaces; 0 when there is
// none, or when no consent is needed.
func consentRecheck(access dependencies.Access, namespace string, services []types.NamespacedName) time.Duration {
	foreign := slices.ContainsFunc(services, func(service types.NamespacedName) bool { return service.Namespace != namespace })
	if !access.Granted || !foreign {
		return 0
	}
	return consentInterval
}

// watchGrants watches ReferenceGrants when consent is needed and the cluster has the kind.
func (r *Reconciler) watchGrants(mgr ctrl.Manager, b *builder.Builder, options ...builder.WatchesOption) *builder.Builder {
	kind := dependencies.ReferenceGrant
	if !r.access.Granted {
		return b
	}
	if _, err := mgr.GetRESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
		return b
	}
	return b.WatchesMetadata(metadataOf(kind), r.referenced(func(grant client.Object) []types.NamespacedName {
		return r.references.ofNamespace(grant.GetNamespace())
	}), options...)
}

// ofNamespace returns the stacks that refer to Services of a namespace other than their own.
func (x *references) ofNamespace(namespace string) []types.NamespacedName {
	return x.find(func(stack types.NamespacedName, r reads) bool {
		return stack.Namespace != namespace && slices.ContainsFunc(r.services, func(service types.NamespacedName) bool {
			return service.Namespace == namespace
		})
	})
}
