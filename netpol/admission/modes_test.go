package admission_test

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/admission"
)

var _ = Describe("A breach", func() {
	var enforced, audited, empty string
	BeforeEach(func() {
		enforced, audited, empty = namespace(admission.Enforce), namespace(admission.Audit), namespace(admission.Enforce)
		addStack(enforced, stack)
		addStack(audited, stack)
	})

	It("is refused in mode Enforce, by a message that names the policy, the object and the stack", func(ctx SpecContext) {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", "admission-policies.md"))
		Expect(err).NotTo(HaveOccurred())
		m, documented := as(mallory), map[string]bool{}
		for _, b := range breaches {
			err := m.Create(ctx, b.object(enforced))
			Expect(apierrors.IsForbidden(err)).To(BeTrue(), "%s: %s: %v", b.policy, b.name, err)
			Expect(err.Error()).To(And(
				ContainSubstring("ValidatingAdmissionPolicy '"+policyName(b.policy)+"'"), ContainSubstring(b.object(enforced).GetKind()+` "`),
				ContainSubstring(`OpenIMStack "chat"`), ContainSubstring(b.names)), b.name)
			Expect(m.heard()).NotTo(ContainElement(ContainSubstring("OpenIMStack")), b.name)
			_, message, _ := strings.Cut(err.Error(), "denied request: ")
			documented[b.policy] = documented[b.policy] || strings.Contains(string(page), message)
		}
		Expect(documented).NotTo(ContainElement(false), "docs/admission-policies.md quotes a message of each admission policy word for word")
	})

	It("is refused to a dry run as well, and to server-side apply", func(ctx SpecContext) {
		m := as(mallory)
		for _, b := range breaches {
			Expect(m.Create(ctx, b.object(enforced), client.DryRunAll)).To(MatchError(ContainSubstring(policyName(b.policy))), b.name)
			if o := b.object(enforced); o.GetName() != "" {
				err := m.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(mallory))
				Expect(err).To(MatchError(ContainSubstring(policyName(b.policy))), b.name)
			}
		}
	})

	It("is allowed in mode Audit, with a warning and an annotation in the audit log", func(ctx SpecContext) {
		m := as(mallory)
		for _, b := range breaches {
			Expect(m.Create(ctx, b.object(audited))).To(Succeed(), b.name)
			Expect(
				m.heard(),
			).To(ContainElement(And(ContainSubstring(policyName(b.policy)), ContainSubstring(`OpenIMStack "chat"`), ContainSubstring(b.names))), b.name)
		}
		Eventually(func() string {
			content, err := os.ReadFile(auditLog)
			Expect(err).NotTo(HaveOccurred())
			return string(content)
		}).Should(And(ContainSubstring("validation.policy.admission.k8s.io/validation_failure"), ContainSubstring(`OpenIMStack \\\"chat\\\"`)))
	})

	It("is allowed in a namespace without a stack", func(ctx SpecContext) {
		m := as(mallory)
		for _, b := range breaches {
			Expect(m.Create(ctx, b.object(empty))).To(Succeed(), b.name)
		}
		Expect(strings.Join(m.heard(), "\n")).NotTo(ContainSubstring("OpenIMStack"))
	})

	It("is allowed to the operator, and to whom the admin exempts by name or group", func(ctx SpecContext) {
		Expect(as(operator).Create(ctx, breaches[0].object(enforced))).To(Succeed())
		rights(ctx, "carol", "dave")
		for _, b := range []breach{breaches[1], breaches[2]} {
			Expect(
				as("carol", "platform-admins").Create(ctx, b.object(enforced)),
			).To(MatchError(ContainSubstring(policyName(b.policy))), "no user is exempt yet")
		}
		policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: policyName(breaches[0].policy)}}
		// The variables have a fixed index, as documented in docs/admission-policies.md.
		exempt := `[{"op":"test","path":"/spec/variables/1/name","value":"exemptUsers"},{"op":"replace","path":"/spec/variables/1/expression","value":"['carol']"},
			{"op":"test","path":"/spec/variables/2/name","value":"exemptGroups"},{"op":"replace","path":"/spec/variables/2/expression","value":"['platform-admins']"}]`
		Expect(root.Patch(ctx, policy, client.RawPatch(types.JSONPatchType, []byte(exempt)))).To(Succeed())
		Eventually(func() error { return as("carol").Create(ctx, breaches[1].object(enforced)) }).Should(Succeed())
		Expect(as("dave", "platform-admins").Create(ctx, breaches[2].object(enforced))).To(Succeed())
		Expect(
			as("dave", "developers").Create(ctx, breaches[3].object(enforced)),
		).To(MatchError(ContainSubstring(policyName(breaches[3].policy))))
	})
})

var _ = Describe("A look-alike", func() {
	It("passes without a word", func(ctx SpecContext) {
		ns := namespace(admission.Enforce)
		addStack(ns, stack)
		m := as(mallory)
		for _, i := range innocents {
			Expect(m.Create(ctx, object(ns, i.yaml))).To(Succeed(), i.name)
		}
		Expect(strings.Join(m.heard(), "\n")).NotTo(ContainSubstring("OpenIMStack"))
	})

	It("of one stack is a breach of the other in the same namespace", func(ctx SpecContext) {
		ns := namespace(admission.Enforce)
		addStack(ns, stack)
		addStack(ns, "chat-two")
		m := as(mallory)
		var refused int
		for _, i := range innocents {
			if err := m.Create(ctx, object(ns, i.yaml)); err != nil {
				Expect(err).To(MatchError(ContainSubstring(`OpenIMStack "chat-two"`)), i.name)
				refused++
			}
		}
		Expect(refused).To(Equal(2), "the policy and the pod that name the other stack")
	})
})

var _ = Describe("The WebSocket, when the spec opens it", func() {
	It("is open: an Ingress may lead to it, and to no other port of its component", func(ctx SpecContext) {
		ns := namespace(admission.Enforce)
		made := addStack(ns, stack)
		m := as(mallory)
		ways := []string{
			`{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {generateName: ws-}, spec: {defaultBackend: {service: {name: chat-msggateway, port: {name: PORT}}}}}`,
			`{apiVersion: v1, kind: Service, metadata: {generateName: ws-}, spec: {type: LoadBalancer, selector: {app.kubernetes.io/component: msggateway}, ports: [{port: 443, targetPort: PORT}]}}`,
		}
		for _, way := range ways {
			Expect(
				m.Create(ctx, object(ns, strings.ReplaceAll(way, "PORT", "websocket"))),
			).To(MatchError(ContainSubstring(`OpenIMStack "chat"`)), way)
		}
		before := made.DeepCopy()
		made.Spec.Network = &v1alpha1.Network{
			WebSocket: v1alpha1.WebSocketDirect, WebSocketClients: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}},
		}
		Expect(root.Patch(ctx, made, client.MergeFrom(before))).To(Succeed())
		for _, way := range ways {
			Eventually(func() error { return m.Create(ctx, object(ns, strings.ReplaceAll(way, "PORT", "websocket"))) }).Should(Succeed(), way)
			Expect(m.Create(ctx, object(ns, strings.ReplaceAll(way, "PORT", "grpc")))).To(MatchError(ContainSubstring(`OpenIMStack "chat"`)), way)
		}
	})
})

var _ = Describe("The admission policies", func() {
	It("compile without a warning, which the API server would keep in their status", func(ctx SpecContext) {
		for _, g := range admission.Policies(admission.Audit) {
			Eventually(func(e Gomega) {
				var policy admissionv1.ValidatingAdmissionPolicy
				e.Expect(root.Get(ctx, client.ObjectKey{Name: g.Policy.Name}, &policy)).To(Succeed())
				e.Expect(policy.Status.ObservedGeneration).To(Equal(policy.Generation))
				e.Expect(policy.Status.TypeChecking).NotTo(BeNil())
				e.Expect(policy.Status.TypeChecking.ExpressionWarnings).To(BeEmpty())
			}).Should(Succeed(), g.Name)
		}
	})

	It("judge the largest objects that anybody writes, within what an expression may cost", func(ctx SpecContext) {
		ns := namespace(admission.Enforce)
		addStack(ns, stack)
		addStack(ns, "chat-two")
		many := func(n int, item string) string {
			var all []string
			for i := range n {
				all = append(all, strings.ReplaceAll(item, "#", strconv.Itoa(i)))
			}
			return strings.Join(all, ", ")
		}
		for what, text := range map[string]string{
			"an Ingress of 50 hosts with 20 paths each": `{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: large}, spec: {rules: [` +
				many(50, "{host: h#.example.com, http: {paths: ["+many(20, "{path: /#, pathType: Prefix, backend: {service: {name: web, port: "+
					"{number: 80}}}}")+"]}}") + `]}}`,
			"a route with 16 rules of 16 backends with filters": `{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: large}, spec: {rules: [` +
				many(16, "{filters: [{type: RequestHeaderModifier, requestHeaderModifier: {}}], backendRefs: ["+
					many(16, "{name: web#, port: 80, filters: [{type: RequestHeaderModifier, requestHeaderModifier: {}}]}")+"]}") + `]}}`,
			"a policy that names 30 applications": `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: large}, spec: {podSelector: {matchExpressions: [{key: app.kubernetes.io/name, operator: In, values: [` +
				many(30, "app-#") + `]}]}, ingress: [` + many(30, "{from: [{ipBlock: {cidr: 10.0.#.0/24}}]}") + `]}}`,
			"a Service with 100 ports": `{apiVersion: v1, kind: Service, metadata: {name: large}, spec: {selector: {app: web}, ports: [` + many(100, "{name: p#, port: 1#}") + `]}}`,
			"an EndpointSlice with 1000 addresses": `{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: large}, addressType: IPv4, endpoints: [` +
				many(1000, "{addresses: [192.0.2.7]}") + `], ports: [{port: 80}]}`,
			"a pod with 50 labels": `{apiVersion: v1, kind: Pod, metadata: {name: large, labels: {app.kubernetes.io/instance: chat, ` + many(50, "l#: v") + `}}, spec: {containers: [` +
				many(50, "{name: c#, image: i}") + `]}}`,
		} {
			Expect(as(mallory).Create(ctx, object(ns, text))).To(Succeed(), what)
		}
	})
})

// rights gives users every right, as mallory has.
func rights(ctx context.Context, names ...string) {
	for _, name := range names {
		Expect(client.IgnoreAlreadyExists(root.Create(ctx, &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}},
		}))).To(Succeed())
	}
}
