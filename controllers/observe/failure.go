package observe

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/supervisor/termination"
)

const (
	// maxMessage is the longest message of a component: that of the field in the status.
	maxMessage = 512
	// maxQuote is the longest text that a message copies from the cluster.
	maxQuote = 200
	maxName  = 128
)

// failure is a reason that was found, with what belongs to it.
type failure struct {
	reason, message string
	class           Class
	since           time.Time
	// lasting is true when the reason does not end by itself.
	lasting bool
	stores  []StoreProblem
}

// StoreProblem is a store that a pod reported as unusable.
type StoreProblem struct {
	Store   termination.StoreName
	Reason  termination.StoreReason
	Message string
}

// podFailure returns the reason for which a pod is not ready, as far as its status names one.
func podFailure(pod *corev1.Pod) (failure, bool) {
	since := pod.CreationTimestamp.Time
	if c := podCondition(pod, corev1.PodReady); c != nil && !c.LastTransitionTime.IsZero() {
		since = c.LastTransitionTime.Time
	}
	c := podCondition(pod, corev1.PodScheduled)
	if c != nil && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
		text, _, _ := strings.Cut(c.Message, "preemption:")
		text, _, _ = strings.Cut(text, "no new claims to deallocate,") // before it, since Kubernetes 1.34
		return failure{
			reason: v1alpha1.ReasonUnschedulable, class: Environment, lasting: true, since: c.LastTransitionTime.Time,
			message: fmt.Sprintf("no node can run it (%s): add nodes, or lower its resources in the spec", cut(text, maxQuote)),
		}, true
	}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if f, ok := containerFailure(pod, s); ok {
			f.since = since
			return f, true
		}
	}
	return failure{}, false
}

// Reasons for which the kubelet waits, by what they mean. The value is true when the template itself cannot run.
var (
	imageReasons = map[string]bool{
		"ErrImagePull": false, "ImagePullBackOff": false, "RegistryUnavailable": false,
		"InvalidImageName": true, "ErrImageNeverPull": true, "ImageInspectError": true, "SignatureValidationFailed": true,
	}
	configReasons = map[string]bool{
		"CreateContainerConfigError": true, "CreateContainerError": true, "RunContainerError": true, "PreCreateHookError": true,
		"PreStartHookError": true, "PostStartHookError": true,
	}
)

// containerFailure returns the reason for which a container does not run. A container that runs again after it ended, and is not ready, is
// still explained by that end.
func containerFailure(pod *corev1.Pod, s corev1.ContainerStatus) (failure, bool) {
	if s.Ready {
		return failure{}, false
	}
	if w := s.State.Waiting; w != nil {
		if permanent, ok := imageReasons[w.Reason]; ok {
			return imageFailure(pod, s.Name, permanent), true
		}
		if configReasons[w.Reason] {
			return failure{
				reason: v1alpha1.ReasonConfigError, class: Fault, lasting: true,
				message: fmt.Sprintf("container %s cannot be created (%s): restore the Secret or ConfigMap that the pod's events name",
					cut(s.Name, maxName), w.Reason),
			}, true
		}
	}
	ended := s.State.Terminated
	if ended == nil {
		ended = s.LastTerminationState.Terminated
	}
	if ended == nil || ended.ExitCode == 0 && ended.Message == "" {
		return failure{}, false // also an init container that has done its work
	}
	if preflight, err := termination.DecodePreflight(ended.Message); err == nil {
		return storeFailure(preflight), true
	}
	return failure{
		reason: v1alpha1.ReasonCrashLoop, class: Fault, lasting: true,
		message: fmt.Sprintf("container %s ended: %s", cut(s.Name, maxName), ending(ended)),
	}, true
}

func imageFailure(pod *corev1.Pod, container string, permanent bool) failure {
	f := failure{reason: v1alpha1.ReasonImagePull, class: Environment, lasting: true}
	if permanent {
		f.class = Fault
	}
	image := "of container " + cut(container, maxName)
	remedy := "check that the nodes can pull it, and spec.image.pullSecrets"
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		if c.Name == container {
			image = cut(c.Image, maxQuote)
		}
	}
	for _, c := range pod.Spec.Containers {
		switch {
		case c.Name != container:
		case pod.Labels[v1alpha1.LabelName] == v1alpha1.NameWrapper:
			remedy = "check spec.wrapper.image and spec.image.pullSecrets"
		default:
			remedy = "check spec.version, spec.image and spec.image.pullSecrets"
		}
	}
	f.message = fmt.Sprintf("image %s cannot be pulled: %s", image, remedy)
	return f
}

// storeFailure describes the stores that a start could not use. The failure lasts when a store needs a person.
func storeFailure(p termination.Preflight) failure {
	f := failure{reason: v1alpha1.ReasonStoreUnavailable, class: Fault}
	var sentences []string
	for _, s := range p.Stores {
		f.stores = append(f.stores, StoreProblem{s.Store, s.Reason, s.Message})
		f.lasting = f.lasting || s.Reason.Terminal()
		sentences = append(sentences, StoreProblem{s.Store, s.Reason, s.Message}.String())
	}
	f.message = strings.Join(sentences, "; ")
	return f
}

// String names the store, the reason and the remedy.
func (p StoreProblem) String() string {
	text := fmt.Sprintf("%s: %s", p.Store, p.Reason)
	if p.Message != "" {
		text += ": " + p.Message
	}
	return text + ": " + remedies[p.Reason]
}

var remedies = map[termination.StoreReason]string{
	termination.AuthenticationFailed:  "correct the Secret with its credentials",
	termination.PermissionDenied:      "grant the user the permissions that the documentation lists",
	termination.TLSRequired:           "write tls for the store; Redis must allow connections without it, as OpenIM has no setting",
	termination.CertificateNotTrusted: "correct the Secret of tls.caSecretRef, or the store's certificate",
	termination.WrongMode:             "correct mode and addresses: mode: Cluster or several for a cluster, one for a single server",
	termination.UnsupportedMechanism:  "enable SASL PLAIN",
	termination.TopicMissing:          "create the topic",
	termination.TopicDiffers:          "make the topic as the spec says, or correct the spec",
	termination.BucketMissing:         "create the bucket, or correct its region or name",
	termination.UnexpectedProtocol:    "correct its address",
	termination.Unreachable:           "check that it runs, its address and its own network policies",
	termination.NoLeader:              "wait for an election, or repair the cluster",
	termination.NoPrimary:             "wait for an election, or repair the replica set",
	termination.Loading:               "wait until it has read its data",
}

// ending describes how a container ended, and the remedy.
func ending(t *corev1.ContainerStateTerminated) string {
	if t.Reason == "OOMKilled" {
		return "OOMKilled: raise its memory limit in the spec"
	}
	code := fmt.Sprintf("exit code %d", t.ExitCode)
	exit, err := termination.DecodeExit(t.Message)
	if err != nil {
		return code + ": see the log of its earlier container (kubectl logs --previous)"
	}
	text := fmt.Sprintf("%s, exit code %d", exit.Reason, exit.Exit)
	if len(exit.Unreachable) == 0 {
		return text + ": see the log of its earlier container (kubectl logs --previous)"
	}
	var names []string
	for _, store := range exit.Unreachable {
		names = append(names, string(store))
	}
	return fmt.Sprintf("%s, %s unreachable: check that the store runs, its address and its own network policies", text,
		strings.Join(names, ", "))
}

// mergeStores adds problems of other stores.
func mergeStores(have, more []StoreProblem) []StoreProblem {
	for _, m := range more {
		known := false
		for _, h := range have {
			known = known || h.Store == m.Store
		}
		if !known {
			have = append(have, m)
		}
	}
	return have
}

// cut returns a text on one line of at most longest bytes, without characters that are not printable.
func cut(text string, longest int) string {
	if len(text) > 4*longest {
		text = text[:4*longest] // bounds the work
	}
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	for len(text) > longest {
		_, size := utf8.DecodeLastRuneInString(text)
		text = text[:len(text)-size]
	}
	return strings.TrimSpace(text)
}
