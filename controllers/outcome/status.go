package outcome

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

const (
	// terminatingRetry is the time after which a namespace that is being deleted is looked at again.
	terminatingRetry = 30 * time.Second
	// maxRefusal bounds what is repeated of a webhook's or a policy's text, in bytes.
	maxRefusal = 256
	// maxCauses bounds the field causes of a message, and maxCause each of them, in bytes.
	maxCauses, maxCause = 8, 256
)

// The texts are those of k8s.io/apiserver: Status has no field for what they say.
var (
	webhookDenied = regexp.MustCompile(`(?s)^admission webhook "([^"]{1,253})" denied the request(?:: | )?(.*)$`)
	webhookFailed = regexp.MustCompile(`failed calling webhook "([^"]{1,253})"`)
	policyDenied  = regexp.MustCompile(`(?s)ValidatingAdmissionPolicy '([^']{1,253})'(?: with binding '[^']{1,253}')? denied request: (.*)$`)
	quotaExceeded = regexp.MustCompile(`(?:exceeded|failed) quota: ([a-z0-9.-]{1,253})[,:]`)
	rightMissing  = regexp.MustCompile(
		`cannot ([a-z]{1,32}) resource "([a-z0-9./-]{1,253})" in API group "([a-z0-9.-]{0,253})"(?: in the namespace "([a-z0-9-]{1,63})")?`)
)

// largeForEtcd is etcd's refusal of an object, which the API server passes on with status 500.
const largeForEtcd = "etcdserver: request is too large"

// ofStatus returns the fault of an answer of the API server.
func ofStatus(doing string, err error, status metav1.Status) *Fault {
	if doing == "" {
		doing = subject(status.Details)
	}
	if hasCause(status, corev1.NamespaceTerminatingCause) {
		fault := NewWaiting(ReasonNamespaceTerminating, line(doing+"the namespace is being deleted"), terminatingRetry)
		fault.cause = err
		return fault
	}
	if fault := byAdmission(doing, err, status); fault != nil {
		return fault
	}
	switch {
	case status.Reason == metav1.StatusReasonForbidden || status.Code == http.StatusForbidden:
		return forbidden(doing, err, status)
	case status.Code == http.StatusRequestEntityTooLarge, status.Reason == metav1.StatusReasonRequestEntityTooLarge,
		strings.Contains(status.Message, largeForEtcd):
		return terminal(doing, ReasonTooLarge, "the object is larger than the API server accepts", "shorten the lists of the spec", err)
	case status.Reason == metav1.StatusReasonNotFound && isAboutKind(status):
		return notServed(doing, kindOf(status.Details), err)
	case status.Code == http.StatusUnprocessableEntity, status.Code == http.StatusBadRequest,
		status.Reason == metav1.StatusReasonInvalid, status.Reason == metav1.StatusReasonBadRequest:
		return invalid(doing, err, status)
	}
	if match := webhookFailed.FindStringSubmatch(status.Message); match != nil {
		return transient(doing, fmt.Sprintf("admission webhook %q cannot be called", match[1]), err)
	}
	return transient(doing, "the API server answered "+answer(status), err)
}

// byAdmission returns the fault of a refusal by an admission webhook or by a ValidatingAdmissionPolicy, nil for another answer. Either may
// choose the status code.
func byAdmission(doing string, err error, status metav1.Status) *Fault {
	what := ""
	if match := webhookDenied.FindStringSubmatch(status.Message); match != nil {
		what = refusal(fmt.Sprintf("admission webhook %q refuses it", match[1]), match[2])
	} else if match := policyDenied.FindStringSubmatch(status.Message); match != nil {
		what = refusal(fmt.Sprintf("ValidatingAdmissionPolicy %q refuses it", match[1]), match[2])
	}
	if what == "" {
		return nil
	}
	return terminal(doing, ReasonRefusedByAdmission, what, "change the spec so that it is admitted, or exempt the stack's objects", err)
}

func refusal(who, text string) string {
	if text = cut(line(text), maxRefusal); text == "" {
		return who
	}
	return who + ": " + text
}

// forbidden tells a quota and a missing right apart.
func forbidden(doing string, err error, status metav1.Status) *Fault {
	if match := quotaExceeded.FindStringSubmatch(status.Message); match != nil {
		return terminal(doing, ReasonQuotaExceeded, fmt.Sprintf("ResourceQuota %q does not permit it", match[1]),
			"raise the quota, or lower what the spec requests", err)
	}
	match := rightMissing.FindStringSubmatch(status.Message)
	if match == nil {
		return terminal(doing, ReasonForbidden, "the API server forbids it", "see the operator's log for its answer", err)
	}
	verb, resource, scope := match[1], match[2], ""
	if match[3] != "" {
		name, sub, _ := strings.Cut(resource, "/")
		resource = name + "." + match[3]
		if sub != "" {
			resource += "/" + sub
		}
	}
	if match[4] != "" {
		scope = " in namespace " + match[4]
	}
	return terminal(doing, ReasonForbidden, fmt.Sprintf("the operator lacks the right to %s %s%s", verb, resource, scope),
		"install the operator's roles again, or grant the verb to its ServiceAccount", err)
}

// invalid names the fields that the API server refuses, in order.
func invalid(doing string, err error, status metav1.Status) *Fault {
	var causes []string
	if status.Details != nil {
		for _, c := range status.Details.Causes {
			if c.Field != "" {
				causes = append(causes, cut(line(fieldCause(status.Details.Kind, c)), maxCause))
			}
		}
	}
	slices.Sort(causes)
	causes = slices.Compact(causes)
	named := causes[:min(len(causes), maxCauses)]
	if len(named) == 0 {
		return terminal(doing, ReasonInvalid, "the API server refuses it as "+answer(status), "see the operator's log for its answer", err)
	}
	return terminal(doing, ReasonInvalid, "the API server refuses "+strings.Join(named, "; ")+more(len(causes)-len(named)),
		"correct the part of the spec that these fields come from", err)
}

// fieldCause returns a field and what is wrong with it. Of a Secret it repeats no value.
func fieldCause(kind string, c metav1.StatusCause) string {
	if strings.EqualFold(kind, "secret") || strings.EqualFold(kind, "secrets") {
		return c.Field + ": " + string(c.Type)
	}
	return c.Field + ": " + c.Message
}

func hasCause(status metav1.Status, kind metav1.CauseType) bool {
	return status.Details != nil &&
		slices.ContainsFunc(status.Details.Causes, func(c metav1.StatusCause) bool { return c.Type == kind })
}

// isAboutKind reports whether "not found" means the kind, and not an object of it.
func isAboutKind(status metav1.Status) bool {
	return status.Details == nil || status.Details.Name == "" || hasCause(status, metav1.CauseTypeUnexpectedServerResponse)
}

func kindOf(details *metav1.StatusDetails) string {
	if details == nil || details.Kind == "" {
		return ""
	}
	if details.Group == "" {
		return details.Kind
	}
	return details.Kind + "." + details.Group
}

// subject names the object that an answer is about, for errors whose wrappers do not.
func subject(details *metav1.StatusDetails) string {
	kind := kindOf(details)
	if kind == "" {
		return ""
	}
	if details.Name == "" {
		return kind + ": "
	}
	return kind + " " + details.Name + ": "
}

// answer names the answer of the API server by its reason, or by its code when it gave no reason.
func answer(status metav1.Status) string {
	return cmp.Or(string(status.Reason), fmt.Sprintf("status %d", status.Code))
}
