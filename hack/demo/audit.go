package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
)

const (
	// verdictTimeout bounds how long the operator's own probe may take.
	verdictTimeout = 2 * time.Minute
	// pollInterval is the pause between two reads of the status or of the audit log.
	pollInterval = 250 * time.Millisecond
)

// verdict prints the result of the operator's own probe and of the audit.
func (s *demo) verdict(ctx context.Context) error {
	stack, err := s.waitForProbe(ctx)
	if err != nil {
		return err
	}
	tried := stack.Status.Boundary.LastProbe
	s.Journal.Say(
		"status.boundary.lastProbe: %s: %d connections attempted by the operator's own pods, %d blocked, %d open as intended, %d not as "+
			"intended, in %.1f s",
		tried.Outcome,
		ptr.Deref(tried.Attempted, 0),
		ptr.Deref(tried.Blocked, 0),
		ptr.Deref(tried.Allowed, 0),
		ptr.Deref(tried.Unexpected, 0),
		float64(ptr.Deref(tried.DurationMilliseconds, 0))/1000,
	)
	c := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
	s.Journal.Say("%s: %s/%s: %s\n", c.Type, c.Status, c.Reason, c.Message)
	found := s.audited
	s.Journal.Say(
		"The audit of all live objects, made before the demo injected its probers into the stack's pods: as ephemeral containers they would",
	)
	s.Journal.Say("be findings. To run the audit yourself: kubectl openimstack audit -n %s %s\n", stack.Namespace, stack.Name)
	var text strings.Builder
	if err := report.Summary(&text, found, report.Options{}); err != nil {
		return err
	}
	s.Journal.Say("%s", strings.TrimRight(text.String(), "\n"))
	if c.Status != metav1.ConditionTrue || found.Verdict != audit.VerdictSealed {
		return fmt.Errorf("stack is not sealed: %s/%s, audit %s", c.Status, c.Reason, found.Verdict)
	}
	return nil
}

// waitForProbe waits until the operator has probed the stack in its current state.
func (s *demo) waitForProbe(ctx context.Context) (*v1alpha1.OpenIMStack, error) {
	live := &v1alpha1.OpenIMStack{}
	err := wait.PollUntilContextTimeout(ctx, pollInterval, verdictTimeout, true, func(ctx context.Context) (bool, error) {
		if err := s.Cluster.Get(ctx, client.ObjectKeyFromObject(s.stack), live); err != nil {
			return false, err
		}
		c := apimeta.FindStatusCondition(live.Status.Conditions, v1alpha1.ConditionNetworkIsolated)
		return c != nil && c.Status == metav1.ConditionTrue && live.Status.Boundary != nil && live.Status.Boundary.LastProbe != nil, nil
	})
	if err != nil {
		c := ptr.Deref(apimeta.FindStatusCondition(live.Status.Conditions, v1alpha1.ConditionNetworkIsolated), metav1.Condition{})
		return nil, fmt.Errorf("waiting %s for condition NetworkIsolated: %s/%s: %s", verdictTimeout, c.Status, c.Reason, c.Message)
	}
	return live, nil
}
