package eventkind

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Kind is one kind of events. Its fields are closed, so that only the table has kinds.
type Kind struct{ reason, kind, action string }

// Reason returns the event's reason, by which rules and filters select it.
func (k Kind) Reason() string { return k.reason }

// Type returns Normal or Warning.
func (k Kind) Type() string { return k.kind }

// Action returns what the operator did. Kubernetes counts events of the same reason, action and objects as one.
func (k Kind) Action() string { return k.action }

// Several returns the kind of an event about several objects, of which it names the first as its object. Its action is another, so that it
// is not counted as an event about the first object alone.
func (k Kind) Several() Kind {
	k.action += "Several"
	return k
}

// The kinds of events that no condition tells of.
var (
	// Created, Repaired and Deleted are writes to children.
	Created  = Kind{"Created", corev1.EventTypeNormal, "Created"}
	Repaired = Kind{"Repaired", corev1.EventTypeNormal, "Repaired"}
	Deleted  = Kind{"Deleted", corev1.EventTypeNormal, "Deleted"}
	// SecretRegenerated is another value in place of a generated Secret that was lost.
	SecretRegenerated = Kind{"SecretRegenerated", corev1.EventTypeWarning, "Created"}
	// CheckFailed and CheckSkipped are rollouts about which checks no longer decide.
	CheckFailed  = Kind{v1alpha1.RolloutReasonCheckFailed, corev1.EventTypeWarning, "Checked"}
	CheckSkipped = Kind{v1alpha1.RolloutReasonCheckSkipped, corev1.EventTypeWarning, "Checked"}
)
