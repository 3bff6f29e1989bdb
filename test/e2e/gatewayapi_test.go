//go:build e2e

package e2e

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/types"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/hack/environment/kube"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

const (
	gatewayGroup = "gateway.networking.k8s.io"
	// gatewaySecret holds the certificate of the stack's gateway, gatewayCA its authority.
	gatewaySecret, gatewayCA = "gateway-tls", "gateway-ca"
	// foreignHost is the host of an Ingress that is not the stack's.
	foreignHost = "evil.example.test"
)

// publicGateway is the Gateway of the cluster's administrators, for routes of the stack's namespace.
const publicGateway = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: traefik}
spec: {controllerName: traefik.io/gateway-controller}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: edge}
spec:
  gatewayClassName: traefik
  listeners:
  - name: https
    protocol: HTTPS
    port: 8443 # Traefik listens at the ports of its entry points
    hostname: im.example.test
    tls: {certificateRefs: [{name: im-example-test-tls}]}
    allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: im}}}}
`

// installGatewayAPI installs the standard kinds of the Gateway API, in the version of go.mod, until the specs end.
func installGatewayAPI(ctx SpecContext) {
	GinkgoHelper()
	command := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
	command.Dir = environment.Root
	out, err := command.Output()
	Expect(err).NotTo(HaveOccurred())
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(out)), "config", "crd", "standard", "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	var definitions []*unstructured.Unstructured
	for _, file := range files {
		content, err := os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		objects, err := kube.Decode(content)
		Expect(err).NotTo(HaveOccurred())
		definitions = append(definitions, slices.DeleteFunc(objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() != "CustomResourceDefinition" // the others guard upgrades of the definitions
		})...)
	}
	Expect(len(definitions)).To(BeNumerically(">=", 7))
	Expect(environment.Cluster.Apply(ctx, definitions...)).To(Succeed())
	DeferCleanup(func(ctx SpecContext) {
		for _, d := range definitions { // the API server takes ten seconds for each: all at once
			Expect(client.IgnoreNotFound(environment.Cluster.Delete(ctx, d))).To(Succeed())
		}
		for _, d := range definitions {
			Expect(environment.Cluster.Gone(ctx, d, &apiextensionsv1.CustomResourceDefinitionList{})).To(Succeed())
		}
	}, NodeTimeout(5*time.Minute))
}

// exposedBy matches the condition Exposed when it is True, without a warning, by an object of a kind, at an address.
func exposedBy(kind, address string) types.GomegaMatcher {
	return And(Not(BeNil()), HaveField("Status", metav1.ConditionTrue), haveReason(v1alpha1.ReasonExposed),
		HaveField("Message", And(ContainSubstring("Users by "+kind+" "), ContainSubstring(address))))
}

// isExposed waits until the stack is Exposed by an object of a kind, at an address.
func isExposed(ctx SpecContext, kind, address string) {
	GinkgoHelper()
	Eventually(ctx, stackCondition).WithArguments(v1alpha1.ConditionExposed).WithTimeout(noticing).Should(exposedBy(kind, address))
}

// exposedListeners returns the findings about objects that bring a listener out of the cluster and are not the spec's.
func exposedListeners(ctx SpecContext) []audit.Finding {
	GinkgoHelper()
	return slices.DeleteFunc(audited(ctx).Findings, func(f audit.Finding) bool { return f.Kind != audit.ListenerExposed })
}

// foreignIngress leads another host to the gateway's pods by their addresses, as somebody could who may write Ingresses in another
// namespace. Traefik's pods may connect, so that Traefik serves it.
func (e *edge) foreignIngress(ctx SpecContext) {
	gateway, _ := graph.Lookup(v1alpha1.ComponentGateway)
	port := gateway.Port(graph.UsersPort).Number
	meta := metav1.ObjectMeta{Namespace: setup.IntruderNamespace, Name: "borrowed"}
	slice := &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: meta.Namespace, Name: meta.Name, Labels: map[string]string{discoveryv1.LabelServiceName: meta.Name},
		},
		AddressType: discoveryv1.AddressTypeIPv4, Ports: []discoveryv1.EndpointPort{{Name: ptr.To("web"), Port: ptr.To(port)}},
		Endpoints: []discoveryv1.Endpoint{{
			Addresses: gatewayAddresses(ctx)[:1], Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)},
		}},
	}
	ingress := &networkingv1.Ingress{ObjectMeta: meta, Spec: networkingv1.IngressSpec{
		IngressClassName: ptr.To(traefikName),
		Rules: []networkingv1.IngressRule{{Host: foreignHost, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: ptr.To(networkingv1.PathTypePrefix), Backend: networkingv1.IngressBackend{
					Service: &networkingv1.IngressServiceBackend{Name: meta.Name, Port: networkingv1.ServiceBackendPort{Number: 80}},
				},
			}}},
		}}},
	}}
	for _, object := range []client.Object{
		&corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "web", Port: 80}}}}, slice, ingress,
	} {
		created(ctx, object)
	}
	v := e.visit(ctx, north, nil)
	Eventually(ctx, v.status).WithArguments("http://"+foreignHost).WithTimeout(time.Minute).Should(Equal(http.StatusOK),
		"Traefik serves the Ingress, and the policies let Traefik in")
	Expect(exposedListeners(ctx)).To(ContainElement(And(
		HaveField("Object.Kind", "Ingress"), HaveField("Object.Namespace", meta.Namespace), HaveField("Object.Name", meta.Name),
		HaveField("Severity", audit.Medium))))
	err := v.login(ctx, "http://"+foreignHost, e.user(north))
	Expect(errors.Is(err, login.ErrAudience)).To(BeTrue(), "a client that was led astray does not log in: %v", err)
	Expect(isolated(ctx)).To(HaveField("Status", metav1.ConditionTrue), "no breach: the policies are as the spec wants them")
	e.converse(ctx)

	Expect(environment.Cluster.Delete(ctx, ingress)).To(Succeed())
	Eventually(ctx, v.status).WithArguments("http://" + foreignHost).WithTimeout(time.Minute).Should(Equal(http.StatusNotFound))
	Expect(environment.Cluster.Delete(ctx, slice)).To(Succeed())
	Expect(exposedListeners(ctx)).To(BeEmpty())
	e.converse(ctx)
}

// status returns the HTTP status of the gateway's public document at an address.
func (v visitor) status(ctx context.Context, base string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+wire.WellKnownPath, nil)
	if err != nil {
		return 0, err
	}
	response, err := v.HTTP.Do(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// route adds the specs of the second way: an HTTPRoute, and TLS up to the gateway.
func (e *edge) route() {
	It("changes from the Ingress to an HTTPRoute and a certificate of its own, and Traefik checks the certificate", func(ctx SpecContext) {
		s := e.exposed(ctx, v1alpha1.Exposure{Listener: v1alpha1.ListenerUsers, HTTPRoute: &v1alpha1.ExposedRoute{
			ParentRefs: []v1alpha1.GatewayReference{{Name: "public", Namespace: edgeNamespace, SectionName: "https"}},
			Hostnames:  []v1alpha1.HostName{publicHost}, BackendCARef: &v1alpha1.ConfigMapReference{Name: gatewayCA},
		}})
		s.Spec.Wrapper.Gateway.TLS = &v1alpha1.GatewayTLS{SecretRef: v1alpha1.LocalReference{Name: gatewaySecret}}
		Expect(environment.Apply(ctx, s)).To(Succeed())
		Eventually(ctx, func(g Gomega) {
			now := observed(ctx)
			for _, kind := range []string{v1alpha1.ConditionReady, v1alpha1.ConditionExposed} {
				g.Expect(stackCondition(ctx, kind)).To(And(HaveField("Status", metav1.ConditionTrue),
					HaveField("ObservedGeneration", now.Generation)), kind)
			}
			g.Expect(stackCondition(ctx, v1alpha1.ConditionExposed)).To(exposedBy("HTTPRoute", publicHost))
			err := environment.Cluster.Get(ctx, ingressKey(), &networkingv1.Ingress{})
			g.Expect(apierrors.IsNotFound(err)).To(BeTrue(), "the Ingress: %v", err)
		}).WithTimeout(start).WithPolling(time.Second).Should(Succeed())
		v := e.visit(ctx, north, nil)
		Eventually(ctx, v.status).WithArguments(publicAudience).WithTimeout(time.Minute).Should(Equal(http.StatusOK))
	}, SpecTimeout(start+3*time.Minute))

	It("logs in and delivers through the HTTPRoute, with the clients' addresses", func(ctx SpecContext) {
		for _, name := range []string{north, south} {
			e.logIn(ctx, name)
		}
		e.converse(ctx)
		e.seesClients(ctx)
	}, SpecTimeout(5*time.Minute))

	It("speaks to no gateway whose certificate another authority issued, and serves again with the right one", func(ctx SpecContext) {
		v := e.visit(ctx, north, nil)
		trusts := func(ctx SpecContext, authority *certtest.Authority) {
			wanted := e.trust(authority)
			live := &corev1.ConfigMap{}
			Expect(environment.Cluster.Get(ctx, client.ObjectKeyFromObject(wanted), live)).To(Succeed())
			live.Data = wanted.Data
			Expect(environment.Cluster.Update(ctx, live)).To(Succeed())
		}
		DeferCleanup(func(ctx SpecContext) { trusts(ctx, e.authority) }, NodeTimeout(time.Minute))
		trusts(ctx, certtest.New(GinkgoTB()))
		Eventually(ctx, v.status).WithArguments(publicAudience).WithTimeout(time.Minute).Should(BeNumerically(">=", 500))
		trusts(ctx, e.authority)
		Eventually(ctx, v.status).WithArguments(publicAudience).WithTimeout(time.Minute).Should(Equal(http.StatusOK))
		e.converse(ctx)
	}, SpecTimeout(4*time.Minute))
}

// prepareRoute creates what an HTTPRoute of the stack refers to, until the specs end: the Gateway, the certificate of the stack's gateway,
// and its authority.
func (e *edge) prepareRoute(ctx SpecContext) {
	GinkgoHelper()
	objects, err := kube.Decode([]byte(publicGateway))
	Expect(err).NotTo(HaveOccurred())
	for _, object := range objects {
		created(ctx, object)
	}
	e.certificate(ctx, stack.Namespace, gatewaySecret)
	created(ctx, e.trust(e.authority))
}

// ingressKey is the name of the Ingress of the stack's users' listener.
func ingressKey() client.ObjectKey {
	return client.ObjectKey{Namespace: stack.Namespace, Name: stack.Name + "-users"}
}

// trust returns the ConfigMap with the authority of the gateway's certificate.
func (e *edge) trust(authority *certtest.Authority) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: stack.Namespace, Name: gatewayCA}, Data: map[string]string{"ca.crt": string(authority.PEM)},
	}
}
