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

// AuditEvent holds the fields of an audit log event that the suites check.
type AuditEvent struct {
	// Line is the line as written.
	Line string `json:"-"`
	// Pod is the name of the pod that wrote the event.
	Pod string `json:"-"`

	Audit         int      `json:"audit"`
	Kind          string   `json:"kind"`
	Role          string   `json:"role"`
	UserID        string   `json:"userID"`
	IP            string   `json:"ip"`
	Route         string   `json:"route"`
	Identifier    int32    `json:"identifier"`
	Users         []string `json:"users"`
	Conversations []string `json:"conversations"`
	Verdict       string   `json:"verdict"`
	Reason        string   `json:"reason"`
	Rule          string   `json:"rule"`
	ErrCode       int      `json:"errCode"`
}

// AuditLog is the audit log of a gateway: one chained log for each pod.
type AuditLog struct {
	logs map[string][]byte
}

// ReadAuditLog reads the audit log of a stack's gateway from its pods' logs.
func (e *Environment) ReadAuditLog(ctx context.Context, stack *v1alpha1.OpenIMStack) (AuditLog, error) {
	var pods corev1.PodList
	err := e.Cluster.List(ctx, &pods, client.InNamespace(stack.Namespace),
		client.MatchingLabels{v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelComponent: v1alpha1.ComponentGateway})
	if err != nil {
		return AuditLog{}, fmt.Errorf("listing the gateway's pods: %w", err)
	}
	found := AuditLog{logs: map[string][]byte{}}
	for _, pod := range pods.Items {
		if pod.Status.Phase != corev1.PodRunning {
			continue
		}
		options := &corev1.PodLogOptions{Container: pod.Spec.Containers[0].Name}
		log, err := e.Cluster.Clientset.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).DoRaw(ctx)
		if err != nil {
			return AuditLog{}, fmt.Errorf("reading the log of %s: %w", pod.Name, err)
		}
		found.logs[pod.Name] = log
	}
	return found, nil
}

// Logs returns the pods' whole logs by pod name; the audit log's lines are among others.
func (t AuditLog) Logs() map[string][]byte { return t.logs }

// Find returns the events that wanted accepts, pod by pod.
func (t AuditLog) Find(wanted func(AuditEvent) bool) []AuditEvent {
	var found []AuditEvent
	for _, pod := range t.pods() {
		for line := range bytes.Lines(t.logs[pod]) {
			entry := AuditEvent{Pod: pod, Line: string(bytes.TrimSpace(line))}
			if json.Unmarshal(line, &entry) == nil && entry.Audit > 0 && wanted(entry) {
				found = append(found, entry)
			}
		}
	}
	return found
}

// Verify checks the hash chain of each pod, as `wrapper audit verify` does, and returns the number of events.
func (t AuditLog) Verify() (events int, err error) {
	for _, pod := range t.pods() {
		verifier := auditlog.Verifier{Partial: true} // the node may have cut the beginning of a log
		if err := verifier.Read(bytes.NewReader(t.logs[pod])); err != nil {
			return 0, fmt.Errorf("reading the audit log of %s: %w", pod, err)
		}
		report := verifier.Report()
		if report.Events == 0 {
			return 0, fmt.Errorf("the log of %s holds no audit event", pod)
		}
		if !report.Good() {
			return 0, fmt.Errorf("verifying the audit log of %s: %s", pod, report.Problems[0])
		}
		events += report.Events
	}
	return events, nil
}

func (t AuditLog) pods() []string {
	var names []string
	for name := range t.logs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
