package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// These tests replace the API server. cmd/kubectl-openimstack has tests with a real one.

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(s), v1alpha1.AddToScheme(s)); err != nil {
		panic(err)
	}
	return s
}

// served returns a cluster that serves Kubernetes' kinds, OpenIMStack and HTTPRoute v1, and no other kinds.
func served(objects []client.Object, funcs interceptor.Funcs) client.Client {
	s := scheme()
	mapper := meta.NewDefaultRESTMapper(
		[]schema.GroupVersion{{Group: "gateway.networking.k8s.io", Version: "v1"}, {Group: "policy.networking.k8s.io", Version: "v1alpha2"}},
	)
	for gvk := range s.AllKnownTypes() {
		mapper.Add(gvk, meta.RESTScopeNamespace)
	}
	mapper.Add(schema.GroupVersionKind{Group: "gateway.networking.k8s.io", Version: "v1", Kind: "HTTPRoute"}, meta.RESTScopeNamespace)
	clusterPolicy := schema.GroupVersionKind{Group: "policy.networking.k8s.io", Version: "v1alpha2", Kind: "ClusterNetworkPolicy"}
	mapper.Add(clusterPolicy, meta.RESTScopeRoot)
	s.AddKnownTypeWithName(clusterPolicy, &metav1.PartialObjectMetadata{})
	return fake.NewClientBuilder().WithScheme(s).WithRESTMapper(mapper).WithObjects(objects...).WithInterceptorFuncs(funcs).Build()
}

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func foreign(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	u := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	u.SetAPIVersion(apiVersion)
	u.SetKind(kind)
	u.SetNamespace(namespace)
	u.SetName(name)
	return u
}

func TestASnapshotHoldsTheObjectsThatDecideReachability(t *testing.T) {
	g := NewWithT(t)
	pod := &corev1.Pod{ObjectMeta: named("im", "b"), Spec: corev1.PodSpec{HostNetwork: true, Containers: []corev1.Container{{
		Name: "c", Env: []corev1.EnvVar{{Name: "PASSWORD", Value: "hunter2"}}, Args: []string{"--token=hunter2"},
		Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 80}},
	}}}}
	pod.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: "hunter2", "kept": "yes"}
	c := served([]client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "im", Labels: map[string]string{"team": "chat"}}},
		pod,
		&corev1.Pod{ObjectMeta: named("im", "a")},
		&corev1.Pod{ObjectMeta: named("elsewhere", "z")},
		&corev1.Service{ObjectMeta: named("im", "s")},
		&networkingv1.NetworkPolicy{ObjectMeta: named("im", "p")},
		&networkingv1.Ingress{ObjectMeta: named("im", "i")},
		&corev1.Secret{ObjectMeta: named("im", "secret"), Data: map[string][]byte{"k": []byte("hunter2")}},
		&v1alpha1.OpenIMStack{ObjectMeta: named("im", "chat")},
		foreign("gateway.networking.k8s.io/v1", "HTTPRoute", "im", "r", map[string]any{
			"hostnames":  []any{"im.example.com"},
			"parentRefs": []any{map[string]any{"name": "gw", "namespace": "edge"}, map[string]any{"name": "mesh", "kind": "Service"}},
			"rules": []any{map[string]any{
				"backendRefs": []any{
					map[string]any{"name": "api", "port": int64(10002)},
					map[string]any{"name": "bucket", "kind": "ServiceImport", "group": "multicluster.x-k8s.io"},
				},
				"filters": []any{
					map[string]any{
						"type":          "RequestMirror",
						"requestMirror": map[string]any{"backendRef": map[string]any{"name": "shadow", "namespace": "infra", "port": int64(1)}},
					},
				},
			}},
		}),
		&metav1.PartialObjectMetadata{
			TypeMeta:   metav1.TypeMeta{APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy"},
			ObjectMeta: named("", "all"),
		},
	}, interceptor.Funcs{})

	w, err := snapshot.Read(t.Context(), c, snapshot.Scope{Name: "kind"})

	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Origin).To(Equal(snapshot.Origin{Kind: snapshot.Cluster, Name: "kind"}))
	g.Expect(w.Unread).To(BeEmpty())
	g.Expect(w.Pods).To(HaveLen(3))
	g.Expect([]string{w.Pods[0].Name, w.Pods[1].Name, w.Pods[2].Name}).To(Equal([]string{"z", "a", "b"}), "by namespace, then by name")
	g.Expect(w.Pods[2].Spec.HostNetwork).To(BeTrue())
	g.Expect(w.Pods[2].Spec.Containers[0].Ports).To(HaveLen(1))
	g.Expect(w.Pods[2].Annotations).To(Equal(map[string]string{"kept": "yes"}))
	g.Expect(w.Services).To(HaveLen(1))
	g.Expect(w.Policies).To(HaveLen(1))
	g.Expect(w.Ingresses).To(HaveLen(1))
	g.Expect(w.Stacks).To(HaveLen(1))
	g.Expect(w.Namespaces).To(HaveLen(2))
	g.Expect(w.Namespaces[1].Labels).To(HaveKeyWithValue("team", "chat"))
	g.Expect(w.Namespaces[0].Labels).To(Equal(map[string]string{corev1.LabelMetadataName: "elsewhere"}), "made from the pod that is in it")
	g.Expect(w.OtherPolicies).To(ConsistOf(snapshot.OtherPolicy{
		APIVersion: "policy.networking.k8s.io/v1alpha2", Kind: "ClusterNetworkPolicy", NamespacedName: types.NamespacedName{Name: "all"},
	}))
	g.Expect(w.Routes).To(HaveLen(1))
	g.Expect(w.Routes[0].Hostnames).To(Equal([]string{"im.example.com"}))
	g.Expect(w.Routes[0].Parents).To(Equal([]types.NamespacedName{{Namespace: "edge", Name: "gw"}}))
	g.Expect(w.Routes[0].Backends).To(Equal([]snapshot.Backend{
		{Service: types.NamespacedName{Namespace: "im", Name: "api"}, Port: 10002},
		{Service: types.NamespacedName{Namespace: "infra", Name: "shadow"}, Port: 1},
	}))
	g.Expect(fmt.Sprintf("%+v", w)).NotTo(ContainSubstring("hunter2"), "a snapshot contains no secrets")
}

// No request of Read is for Secrets, and every list request has a limit.
func TestNoRequestIsForSecretsOrUnbounded(t *testing.T) {
	g := NewWithT(t)
	var lists []string
	c := served(
		nil,
		interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			o := (&client.ListOptions{}).ApplyOptions(options)
			g.Expect(o.Limit).To(BeNumerically(">", 0))
			lists = append(lists, fmt.Sprintf("%T", list)+list.GetObjectKind().GroupVersionKind().String())
			return c.List(ctx, list, options...)
		}},
	)
	_, err := snapshot.Read(t.Context(), c, snapshot.Scope{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(lists).To(HaveLen(9), "seven kinds, and the two that the server has of others'")
	g.Expect(strings.Join(lists, " ")).NotTo(ContainSubstring("Secret"))
}

func TestAScopeReadsOnlyItsNamespaces(t *testing.T) {
	g := NewWithT(t)
	c := served([]client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other", Labels: map[string]string{"a": "b"}}},
		&corev1.Pod{ObjectMeta: named("im", "a")}, &corev1.Pod{ObjectMeta: named("infra", "kafka")}, &corev1.Pod{ObjectMeta: named("other", "z")},
	}, interceptor.Funcs{})
	w, err := snapshot.Read(t.Context(), c, snapshot.Scope{Namespaces: []string{"infra", "im", "im"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Pods).To(HaveLen(2))
	g.Expect(w.OnlyNamespaces).To(Equal([]string{"im", "infra"}))
	g.Expect(w.Namespaces).To(HaveLen(3), "labels of all namespaces count, because selectors match them")
}

func TestPagesAreFollowedToTheEnd(t *testing.T) {
	for name, expires := range map[string]bool{"plain": false, "a token that runs out": true} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			expired := !expires
			c := served(
				nil,
				interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
					pods, ok := list.(*corev1.PodList)
					if !ok {
						return c.List(ctx, list, options...)
					}
					o := (&client.ListOptions{}).ApplyOptions(options)
					page := map[string]int{"": 0, "1": 1, "2": 2}[o.Continue]
					if page == 2 && !expired {
						expired = true
						return apierrors.NewResourceExpired("too old")
					}
					pods.Items = []corev1.Pod{{ObjectMeta: named("im", fmt.Sprint("pod-", page))}}
					pods.Continue = []string{"1", "2", ""}[page]
					return nil
				}},
			)
			w, err := snapshot.Read(t.Context(), c, snapshot.Scope{})
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(w.Unread).To(BeEmpty())
			g.Expect(w.Pods).To(HaveLen(3), "each once")
		})
	}
}

// An endless list must not fill the memory.
func TestAListWithoutEndIsCutOff(t *testing.T) {
	g := NewWithT(t)
	page := make([]corev1.Service, 100_000)
	c := served(
		nil,
		interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			services, ok := list.(*corev1.ServiceList)
			if !ok {
				return c.List(ctx, list, options...)
			}
			services.Items, services.Continue = page, "more"
			return nil
		}},
	)
	w, err := snapshot.Read(t.Context(), c, snapshot.Scope{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Unread).To(ConsistOf(snapshot.Unread{Kind: "Service", Reason: "more than 200000 objects of kind Service in all namespaces: " +
		"read fewer namespaces"}))
}

func TestForbiddenKindsAreReported(t *testing.T) {
	g := NewWithT(t)
	c := served(
		[]client.Object{
			&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "im", Labels: map[string]string{"team": "chat"}}},
			&corev1.Pod{ObjectMeta: named("im", "a")},
		},
		interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			switch list.GetObjectKind().GroupVersionKind().Kind {
			case "NamespaceList":
				return apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "", errors.New("no"))
			case "HTTPRouteList":
				return apierrors.NewForbidden(schema.GroupResource{Group: "gateway.networking.k8s.io", Resource: "httproutes"}, "", errors.New("no"))
			case "ClusterNetworkPolicyList":
				return apierrors.NewServiceUnavailable("the server is currently unable to handle the request")
			}
			return c.List(ctx, list, options...)
		}},
	)
	w, err := snapshot.Read(t.Context(), c, snapshot.Scope{Namespaces: []string{"im", "gone"}})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(w.Unread).To(HaveLen(4))
	g.Expect(w.Unread[0].Kind).To(Equal("Namespace"))
	g.Expect(w.Unread[0].Reason).
		To(And(ContainSubstring("forbidden"), ContainSubstring(`"namespaces"`), ContainSubstring("openimstack-auditor")))
	g.Expect(w.Unread[1].Kind).To(Equal("HTTPRoute.gateway.networking.k8s.io"))
	g.Expect(w.Unread[3].Reason).To(ContainSubstring("unable to handle"))
	g.Expect(w.Namespaces).To(HaveLen(1))
	g.Expect(w.Namespaces[0].Labels).To(HaveKeyWithValue("team", "chat"), "one of the scope may still be read by name")
	g.Expect(w.Pods).To(HaveLen(1))
}

func TestAClusterThatDoesNotAnswerIsAnError(t *testing.T) {
	for name, failure := range map[string]error{
		"no connection": &url.Error{Op: "Get", URL: "https://192.0.2.1", Err: errors.New("connection refused")},
		"not known":     apierrors.NewUnauthorized("Unauthorized"),
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			c := served(
				nil,
				interceptor.Funcs{List: func(context.Context, client.WithWatch, client.ObjectList, ...client.ListOption) error { return failure }},
			)
			_, err := snapshot.Read(t.Context(), c, snapshot.Scope{})
			g.Expect(err).To(MatchError(failure))
			g.Expect(err).To(MatchError(ContainSubstring("listing namespaces in all namespaces")))
		})
	}
}

// Without a RESTMapper, the known versions are listed in turn.
func TestVersionsAreTriedWithoutARESTMapper(t *testing.T) {
	g := NewWithT(t)
	var tried []string
	c := served(
		nil,
		interceptor.Funcs{List: func(ctx context.Context, c client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			gvk := list.GetObjectKind().GroupVersionKind()
			if gvk.Kind != "TLSRouteList" {
				return c.List(ctx, list, options...)
			}
			tried = append(tried, gvk.Version)
			if gvk.Version != "v1alpha2" {
				return &meta.NoKindMatchError{GroupKind: gvk.GroupKind()}
			}
			list.(*unstructured.UnstructuredList).Items = []unstructured.Unstructured{
				*foreign("gateway.networking.k8s.io/v1alpha2", "TLSRoute", "im", "t", nil),
			}
			return nil
		}},
	)
	w, err := snapshot.Read(t.Context(), readerAlone{c}, snapshot.Scope{})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(tried).To(Equal([]string{"v1", "v1alpha3", "v1alpha2"}))
	g.Expect(w.Routes).To(HaveLen(1))
	g.Expect(w.Routes[0].APIVersion).To(Equal("gateway.networking.k8s.io/v1alpha2"))
	g.Expect(w.Unread).To(BeEmpty())
}

type readerAlone struct{ client.Reader }
