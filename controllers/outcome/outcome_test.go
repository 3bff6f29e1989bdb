package outcome

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

var (
	deployments = schema.GroupResource{Group: "apps", Resource: "deployments"}
	deployment  = schema.GroupKind{Group: "apps", Kind: "Deployment"}
	services    = schema.GroupResource{Resource: "services"}
	memory      = field.NewPath("spec", "template", "spec", "containers").Index(0).Child("resources", "requests")
)

// byWebhook returns an error in the form of k8s.io/apiserver/pkg/admission/plugin/webhook/errors.ToStatusErr.
func byWebhook(name string, code int32, text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: code, Message: fmt.Sprintf("admission webhook %q denied the request", name) + text,
	}}
}

// byPolicy returns an error in the form of k8s.io/apiserver/pkg/admission/plugin/policy/validating.
func byPolicy(text string, reason metav1.StatusReason, code int32) error {
	err := apierrors.NewForbidden(deployments, "chat-api", errors.New(text))
	err.ErrStatus.Reason, err.ErrStatus.Code = reason, code
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{Message: text})
	return err
}

// byRBAC returns the error of a request without the right to it.
func byRBAC(user, what string) error {
	return apierrors.NewForbidden(services, "chat-api", fmt.Errorf("User %q cannot %s", user, what))
}

func terminating() error {
	err := apierrors.NewForbidden(services, "chat-api",
		errors.New("unable to create new content in namespace im because it is being terminated"))
	err.ErrStatus.Details.Causes = append(err.ErrStatus.Details.Causes, metav1.StatusCause{
		Type: corev1.NamespaceTerminatingCause, Message: "namespace im is being terminated", Field: "metadata.namespace",
	})
	return err
}

func dialing(address string, cause error) error {
	return &url.Error{Op: "Patch", URL: "https://" + address + "/api/v1/namespaces/im/services/chat-api?timeout=10s", Err: &net.OpError{
		Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP("10.96.0.1"), Port: 443}, Err: cause,
	}}
}

func applying(err error) error { return fmt.Errorf("applying Deployment im/chat-api: %w", err) }

func TestKinds(t *testing.T) {
	cases := []struct {
		name   string
		err    error
		kind   Kind
		reason string
		text   string
	}{
		{"a namespace that is being deleted", applying(terminating()), Waiting, "NamespaceTerminating",
			"applying Deployment im/chat-api: the namespace is being deleted"},
		{"a webhook that says why", applying(byWebhook("pods.example.com", 403, ": no team label")), Terminal, "RefusedByAdmission",
			`applying Deployment im/chat-api: admission webhook "pods.example.com" refuses it: no team label: ` +
				"change the spec so that it is admitted, or exempt the stack's objects"},
		{"a webhook that says nothing", byWebhook("pods.example.com", 400, " without explanation"), Terminal, "RefusedByAdmission",
			`admission webhook "pods.example.com" refuses it: without explanation: ` +
				"change the spec so that it is admitted, or exempt the stack's objects"},
		{"a policy", applying(byPolicy("ValidatingAdmissionPolicy 'limits' with binding 'all' denied request: no limits",
			metav1.StatusReasonInvalid, 422)), Terminal, "RefusedByAdmission",
			`applying Deployment im/chat-api: ValidatingAdmissionPolicy "limits" refuses it: no limits: ` +
				"change the spec so that it is admitted, or exempt the stack's objects"},
		{"a policy without a binding", byPolicy("ValidatingAdmissionPolicy 'limits' denied request: no such parameter",
			metav1.StatusReasonForbidden, 403), Terminal, "RefusedByAdmission",
			`deployments.apps chat-api: ValidatingAdmissionPolicy "limits" refuses it: no such parameter: ` +
				"change the spec so that it is admitted, or exempt the stack's objects"},
		{"fields in any order", applying(apierrors.NewInvalid(deployment, "chat-api", field.ErrorList{
			field.Required(field.NewPath("spec", "selector"), ""),
			field.Invalid(memory, "2Gi", "must be less than or equal to memory limit of 1Gi"),
			field.Required(field.NewPath("spec", "selector"), ""),
		})), Terminal, "InvalidSpec",
			"applying Deployment im/chat-api: the API server refuses spec.selector: Required value; " +
				`spec.template.spec.containers[0].resources.requests: Invalid value: "2Gi": must be less than or equal to memory limit of 1Gi: ` +
				"correct the part of the spec that these fields come from"},
		{"422 without fields", applying(apierrors.NewGenericServerResponse(422, "PATCH", deployments, "chat-api", "x", 0, false)),
			Terminal, "InvalidSpec",
			"applying Deployment im/chat-api: the API server refuses it as Invalid: see the operator's log for its answer"},
		{"400", applying(apierrors.NewBadRequest("json: cannot unmarshal 17 into 0xc000123")), Terminal, "InvalidSpec",
			"applying Deployment im/chat-api: the API server refuses it as BadRequest: see the operator's log for its answer"},
		{"a Secret's values are not repeated", apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "chat-login", field.ErrorList{
			field.Invalid(field.NewPath("data").Key("key"), "hunter2", "too weak"),
		}), Terminal, "InvalidSpec",
			"Secret chat-login: the API server refuses data[key]: FieldValueInvalid: correct the part of the spec that these fields come from"},
		{"a quota", applying(apierrors.NewForbidden(services, "chat-api",
			errors.New("exceeded quota: team-im, requested: services=1, used: services=4, limited: services=4"))), Terminal, "QuotaExceeded",
			`applying Deployment im/chat-api: ResourceQuota "team-im" does not permit it: raise the quota, or lower what the spec requests`},
		{"a quota that wants requests", applying(apierrors.NewForbidden(services, "chat-api",
			errors.New("failed quota: team-im: must specify limits.cpu"))), Terminal, "QuotaExceeded",
			`applying Deployment im/chat-api: ResourceQuota "team-im" does not permit it: raise the quota, or lower what the spec requests`},
		{"a missing right", applying(byRBAC("system:serviceaccount:openim-system:openim-operator",
			`patch resource "deployments" in API group "apps" in the namespace "im"`)), Terminal, "Forbidden",
			"applying Deployment im/chat-api: the operator lacks the right to patch deployments.apps in namespace im: " +
				"install the operator's roles again, or grant the verb to its ServiceAccount"},
		{"a missing right to a subresource", byRBAC("u",
			`patch resource "openimstacks/status" in API group "openimstack.dev" in the namespace "im"`),
			Terminal, "Forbidden",
			"services chat-api: the operator lacks the right to patch openimstacks.openimstack.dev/status in namespace im: " +
				"install the operator's roles again, or grant the verb to its ServiceAccount"},
		{"a missing right to the whole cluster", byRBAC("u", `list resource "namespaces" in API group "" at the cluster scope`),
			Terminal, "Forbidden",
			"services chat-api: the operator lacks the right to list namespaces: " +
				"install the operator's roles again, or grant the verb to its ServiceAccount"},
		{"another 403", applying(apierrors.NewForbidden(deployments, "chat-api", errors.New("cannot set blockOwnerDeletion"))),
			Terminal, "Forbidden",
			"applying Deployment im/chat-api: the API server forbids it: see the operator's log for its answer"},
		{"too large for the API server", applying(apierrors.NewRequestEntityTooLargeError("limit is 3145728")), Terminal, "TooLarge",
			"applying Deployment im/chat-api: the object is larger than the API server accepts: shorten the lists of the spec"},
		{"too large for etcd", applying(apierrors.NewInternalError(errors.New("etcdserver: request is too large"))), Terminal, "TooLarge",
			"applying Deployment im/chat-api: the object is larger than the API server accepts: shorten the lists of the spec"},
		{"a kind without a mapping", applying(&meta.NoKindMatchError{GroupKind: deployment, SearchedVersions: []string{"v1"}}),
			Terminal, "KindNotServed",
			"applying Deployment im/chat-api: the API server does not serve Deployment.apps: " +
				"install its CRD, or run a release of Kubernetes that the operator supports"},
		{"a path that is not served", applying(apierrors.NewGenericServerResponse(404, "PATCH", deployments, "chat-api", "404 page not found",
			0, true)), Terminal, "KindNotServed",
			"applying Deployment im/chat-api: the API server does not serve deployments.apps: " +
				"install its CRD, or run a release of Kubernetes that the operator supports"},
		{"an object that is not there", applying(apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "im")),
			Transient, "ApplyFailed", "applying Deployment im/chat-api: the API server answered NotFound"},
		{"a write by another", applying(apierrors.NewConflict(deployments, "chat-api", errors.New("modified"))), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: the API server answered Conflict"},
		{"500", applying(apierrors.NewInternalError(errors.New("0xc000123"))), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: the API server answered InternalError"},
		{"a webhook that cannot be called", applying(apierrors.NewInternalError(errors.New(
			`failed calling webhook "pods.example.com": failed to call webhook: Post "https://10.9.8.7:443/": EOF`))), Transient, "ApplyFailed",
			`applying Deployment im/chat-api: admission webhook "pods.example.com" cannot be called`},
		{"429", applying(apierrors.NewTooManyRequests("wait", 7)), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: the API server answered TooManyRequests"},
		{"401", applying(apierrors.NewUnauthorized("token expired at 12:00")), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: the API server answered Unauthorized"},
		{"a code without a reason", applying(apierrors.NewGenericServerResponse(418, "PATCH", deployments, "x", "tea", 0, true)),
			Transient, "ApplyFailed", "applying Deployment im/chat-api: the API server answered status 418"},
		{"no connection", applying(dialing("10.96.0.1:443", syscall.ECONNREFUSED)), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: the API server cannot be reached"},
		{"a connection that breaks", applying(&url.Error{Op: "Patch", URL: "https://10.96.0.1", Err: io.ErrUnexpectedEOF}), Transient,
			"ApplyFailed", "applying Deployment im/chat-api: the API server cannot be reached"},
		{"a deadline", applying(context.DeadlineExceeded), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: no answer in time"},
		{"the end of the operator", applying(context.Canceled), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: the operator stops"},
		{"an unknown error", applying(fmt.Errorf("10.9.8.7 says: %w", errors.New("0xc000123"))), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: unexpected error: see the operator's log"},
		{"an unknown error that nothing wraps", errors.New("0xc000123"), Transient, "ApplyFailed",
			"unexpected error: see the operator's log"},
		{"one error with two causes", applying(fmt.Errorf("%w: %w", errors.New("10.9.8.7"), io.EOF)), Transient, "ApplyFailed",
			"applying Deployment im/chat-api: unexpected error: see the operator's log"},
		{"a fault", applying(NewTerminal("Custom", "broken: repair it")), Terminal, "Custom",
			"applying Deployment im/chat-api: broken: repair it"},
		{"a fault that nothing wraps", NewTerminal("Custom", "broken: repair it"), Terminal, "Custom", "broken: repair it"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			faults := Of(c.err)
			g.Expect(faults).To(HaveLen(1))
			g.Expect(faults[0].Kind.String()).To(Equal(c.kind.String()))
			g.Expect(faults[0].Reason).To(Equal(c.reason))
			g.Expect(faults[0].Error()).To(Equal(c.text))
			if c.kind == Waiting {
				g.Expect(faults[0].After).To(BeNumerically(">", 0))
			} else {
				g.Expect(faults[0].After).To(BeZero())
			}
		})
	}
}

// Each pair is one cause, met twice.
func TestOneCauseHasOneText(t *testing.T) {
	const denied = "ValidatingAdmissionPolicy 'p' with binding '%s' denied request: no"
	pairs := map[string][2]error{
		"addresses": {dialing("10.96.0.1:443", syscall.ECONNREFUSED), dialing("[fd00::1]:6443", syscall.EHOSTUNREACH)},
		"request identifiers": {
			apierrors.NewInternalError(errors.New("request 3f0d failed")), apierrors.NewInternalError(errors.New("request 77aa")),
		},
		"usage of a quota": {
			apierrors.NewForbidden(services, "a", errors.New("exceeded quota: q, requested: services=1, used: services=3, limited: services=3")),
			apierrors.NewForbidden(services, "a", errors.New("exceeded quota: q, requested: services=1, used: services=9, limited: services=3")),
		},
		"accounts": {
			byRBAC("a", `get resource "x" in API group "" in the namespace "im"`),
			byRBAC("b", `get resource "x" in API group "" in the namespace "im"`),
		},
		"seconds":  {apierrors.NewTooManyRequests("retry after 3 s", 3), apierrors.NewTooManyRequests("retry after 9 s", 9)},
		"bindings": {byPolicy(fmt.Sprintf(denied, "a"), "Invalid", 422), byPolicy(fmt.Sprintf(denied, "b"), "Invalid", 422)},
		"a webhook's address": {
			apierrors.NewInternalError(errors.New(`failed calling webhook "w": Post "https://10.0.0.1:443": EOF`)),
			apierrors.NewInternalError(errors.New(`failed calling webhook "w": Post "https://10.0.0.2:443": dial tcp: timeout`)),
		},
		"the order of fields": {
			apierrors.NewInvalid(deployment, "x", field.ErrorList{field.Required(memory, ""), field.Required(memory.Child("cpu"), "")}),
			apierrors.NewInvalid(deployment, "x", field.ErrorList{field.Required(memory.Child("cpu"), ""), field.Required(memory, "")}),
		},
		"texts of libraries": {fmt.Errorf("at 10.0.0.1: %w", errors.New("a")), fmt.Errorf("at 10.0.0.1: %w", errors.New("b"))},
	}
	for name, pair := range pairs {
		t.Run(name, func(t *testing.T) {
			NewWithT(t).Expect(Of(applying(pair[0]))[0].Message).To(Equal(Of(applying(pair[1]))[0].Message))
		})
	}
}

func TestJoinedErrorsAreSplit(t *testing.T) {
	g := NewWithT(t)
	busy := apierrors.NewTooManyRequests("wait", 7)
	err := fmt.Errorf("applying: %w", errors.Join(busy, errors.Join(NewTerminal("X", "x"), context.Canceled)))
	var texts []string
	for _, f := range Of(err) {
		texts = append(texts, f.Message)
	}
	g.Expect(texts).To(Equal([]string{
		"applying: the API server answered TooManyRequests", "applying: x", "applying: the operator stops",
	}))
	g.Expect(errors.Is(Of(err)[0], busy)).To(BeTrue(), "the cause is kept for callers")
	g.Expect(Of(nil)).To(BeEmpty())
}

func TestTheWorstFaultIsTheFirstOfTheWorstKind(t *testing.T) {
	g := NewWithT(t)
	waiting, busy := NewWaiting("W", "w", time.Second), Of(context.Canceled)[0]
	first, second := NewTerminal("A", "a"), NewTerminal("B", "b")
	g.Expect(Worst(nil)).To(BeNil())
	g.Expect(Worst([]*Fault{waiting, busy})).To(BeIdenticalTo(busy))
	g.Expect(Worst([]*Fault{waiting, first, busy, second})).To(BeIdenticalTo(first))
}

func TestASummaryNamesTheWorstFaultsOnce(t *testing.T) {
	g := NewWithT(t)
	faults := []*Fault{NewWaiting("W", "w", time.Second)}
	for _, message := range []string{"a", "b", "a", "c", "d", "e"} {
		faults = append(faults, NewTerminal("T", message))
	}
	g.Expect(Summary(faults)).To(Equal("a; b; c; and 2 more"))
	g.Expect(Summary(faults[:2])).To(Equal("a"))
	g.Expect(Summary(nil)).To(BeEmpty())
}

func TestTerminalFaultsAreRetriedSlowly(t *testing.T) {
	g := NewWithT(t)
	never, always := func() float64 { return 0 }, func() float64 { return 1 }
	for failed, minutes := range map[int]float64{0: 5, 1: 5, 2: 10, 3: 20, 4: 30, 5: 30, 1 << 62: 30} {
		g.Expect(TerminalRetry(failed, never).Minutes()).To(BeNumerically("==", minutes), "%d", failed)
		g.Expect(TerminalRetry(failed, always).Minutes()).To(BeNumerically("~", 1.1*minutes, 0.001), "%d", failed)
	}
}

func TestANoteFits(t *testing.T) {
	g := NewWithT(t)
	g.Expect(Note("short")).To(Equal("short"))
	g.Expect(Note(strings.Repeat("x", 1000))).To(HaveLen(1000))
	note := Note(strings.Repeat("ü", 600))
	g.Expect(len(note)).To(And(BeNumerically(">", 990), BeNumerically("<=", 1000)))
	g.Expect(note).To(And(HaveSuffix("ü..."), Not(ContainSubstring("\uFFFD"))))
}

func TestARefusalIsBounded(t *testing.T) {
	g := NewWithT(t)
	text := Of(byWebhook("w", 403, ": "+strings.Repeat("ü\n", 5000)))[0].Message
	g.Expect(len(text)).To(BeNumerically("<", 400))
	g.Expect(text).NotTo(ContainSubstring("\n"))
	var many field.ErrorList
	for i := range 100 {
		many = append(many, field.Invalid(memory.Index(i), strings.Repeat("x", 5000), "no"))
	}
	text = Of(apierrors.NewInvalid(deployment, "chat-api", many))[0].Message
	g.Expect(len(text)).To(BeNumerically("<", 2500))
	g.Expect(text).To(ContainSubstring("; and 92 more: correct"))
}
