package controllers_test

import (
	"context"
	"strings"
	"sync"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/probe"
)

// network decides the outcome of an attempt of an intruder in a namespace.
type network func(namespace string, a probe.Attempt) probe.Outcome

// Networks for a kubelet.
func sealed(_ string, a probe.Attempt) probe.Outcome {
	if a.Open {
		return probe.Open
	}
	return probe.Refused
}

func open(string, probe.Attempt) probe.Outcome { return probe.Open }

func dead(string, probe.Attempt) probe.Outcome { return probe.Timeout }

// kubelet runs the probe's pods of a namespace's stacks, as a node would, until the spec ends. It ignores stacks of other specs.
type kubelet struct {
	stacks     string
	mutex      sync.Mutex
	network    network
	obstructed *corev1.ContainerState
	seen       map[string]corev1.Pod // by namespace and name
}

func startKubelet(stacks string, elsewhere ...string) *kubelet {
	namespaces := append([]string{stacks}, elsewhere...)
	k := &kubelet{stacks: stacks, network: sealed, seen: map[string]corev1.Pod{}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer GinkgoRecover()
		defer close(done)
		for ticker := time.NewTicker(tick); ; {
			select {
			case <-ctx.Done():
				ticker.Stop()
				return
			case <-ticker.C:
				for _, namespace := range namespaces {
					k.run(ctx, namespace)
				}
			}
		}
	}()
	DeferCleanup(func() { cancel(); <-done })
	return k
}

// becomes replaces the network.
func (k *kubelet) becomes(n network) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.network, k.obstructed = n, nil
}

// obstruct keeps the containers of later pods in a state.
func (k *kubelet) obstruct(state corev1.ContainerState) {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	k.obstructed = &state
}

// pods returns the pods that the kubelet has handled.
func (k *kubelet) pods() []corev1.Pod {
	k.mutex.Lock()
	defer k.mutex.Unlock()
	var all []corev1.Pod
	for _, pod := range k.seen {
		all = append(all, pod)
	}
	return all
}

func (k *kubelet) run(ctx context.Context, namespace string) {
	var list corev1.PodList
	if err := k8s.List(ctx, &list, client.InNamespace(namespace), client.MatchingLabels{v1alpha1.LabelProbeNamespace: k.stacks}); err != nil {
		return // the spec ends
	}
	k.mutex.Lock()
	defer k.mutex.Unlock()
	for i := range list.Items {
		pod := &list.Items[i]
		if len(pod.Status.ContainerStatuses) > 0 {
			continue
		}
		k.seen[pod.Namespace+"/"+pod.Name] = *pod.DeepCopy()
		pod.Status.Phase = corev1.PodRunning
		pod.Status.PodIP = newAddress()
		pod.Status.PodIPs = []corev1.PodIP{{IP: pod.Status.PodIP}}
		pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: pod.Spec.Containers[0].Name, State: k.state(pod)}}
		if pod.Status.ContainerStatuses[0].State.Terminated != nil {
			pod.Status.Phase = corev1.PodSucceeded
		}
		_ = k8s.Status().Update(ctx, pod) // deleted meanwhile, or tried again at the next tick
	}
}

func (k *kubelet) state(pod *corev1.Pod) corev1.ContainerState {
	if k.obstructed != nil {
		return *k.obstructed
	}
	args := pod.Spec.Containers[0].Args
	if args[0] == "listen" {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	}
	Expect(args[0]).To(Equal("plan"))
	var outcomes []probe.Outcome
	for _, word := range args {
		if strings.HasPrefix(word, "-") || word == "plan" {
			continue
		}
		attempt, err := probe.ParseAttempt(word)
		Expect(err).NotTo(HaveOccurred())
		outcomes = append(outcomes, k.network(pod.Namespace, attempt))
	}
	return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{Message: probe.FormatMessage(outcomes)}}
}
