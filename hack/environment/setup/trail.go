package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/wrapper/auditlog"
)

// Entry is what the harness reads of an event of the audit trail.
type Entry struct {
	// Line as it was written.
	Line string `json:"-"`
	// Pod that wrote it.
	Pod string `json:"-"`

	Audit         int      `json:"audit"`
	Kind          string   `json:"kind"`
	Role          string   `json:"role"`
	UserID        string   `json:"userID"`
	Route         string   `json:"route"`
	Identifier    int32    `json:"identifier"`
	Users         []string `json:"users"`
	Conversations []string `json:"conversations"`
	Verdict       string   `json:"verdict"`
	Reason        string   `json:"reason"`
	Rule          string   `json:"rule"`
	ErrCode       int      `json:"errCode"`
}

// Trail is the audit trail of a gateway: a log for each pod.
type Trail struct {
	logs map[string][]byte
}

// Trail reads the trail of a stack's gateway from its pods' logs.
func (e *Environment) Trail(ctx context.Context, stack *v1alpha1.OpenIMStack) (Trail, error) {
	var pods corev1.PodList
	err := e.Cluster.List(ctx, &pods, client.InNamespace(stack.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: v1alpha1.ComponentGateway})
	if err != nil {
		return Trail{}, fmt.Errorf("listing the gateway's pods: %w", err)
	}
	trail := Trail{logs: map[string][]byte{}}
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		options := &corev1.PodLogOptions{Container: pod.Spec.Containers[0].Name}
		log, err := e.Cluster.Clientset.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
		if err != nil {
			return Trail{}, fmt.Errorf("reading the log of %s: %w", pod.Name, err)
		}
		trail.logs[pod.Name] = log
	}
	return trail, nil
}

// Logs are the pods' logs by name, with the trail in them.
func (t Trail) Logs() map[string][]byte { return t.logs }

// Find returns the events that are wanted, pod by pod.
func (t Trail) Find(wanted func(Entry) bool) []Entry {
	var found []Entry
	for _, pod := range t.pods() {
		for line := range bytes.Lines(t.logs[pod]) {
			entry := Entry{Pod: pod, Line: string(bytes.TrimSpace(line))}
			if json.Unmarshal(line, &entry) == nil && entry.Audit > 0 && wanted(entry) {
				found = append(found, entry)
			}
		}
	}
	return found
}

// Verify looks whether the chain of each pod is whole, as `wrapper audit verify` does, and counts the events.
func (t Trail) Verify() (events int, err error) {
	for _, pod := range t.pods() {
		verifier := auditlog.Verifier{Partial: true} // the node may have cut the beginning of a log
		if err := verifier.Read(bytes.NewReader(t.logs[pod])); err != nil {
			return 0, fmt.Errorf("reading the trail of %s: %w", pod, err)
		}
		report := verifier.Report()
		if report.Events == 0 {
			return 0, fmt.Errorf("the log of %s holds no event of the audit trail", pod)
		}
		if !report.Good() {
			return 0, fmt.Errorf("the audit trail of %s is not as it was written: %s", pod, report.Problems[0])
		}
		events += report.Events
	}
	return events, nil
}

func (t Trail) pods() []string {
	var names []string
	for name := range t.logs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
