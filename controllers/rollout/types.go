package rollout

import (
	"slices"
	"time"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// State is what the status keeps of a rollout.
type State struct {
	// Current is the revision to which the last rollout was completed.
	Current string
	// Rollout under way, nil at rest.
	Rollout *v1alpha1.Rollout
	// RetryAnswered is the last answered value of the annotation that requests a retry.
	RetryAnswered string
}

// Revision is a run revision of the stack.
type Revision struct {
	Name string
	// Number orders the revisions.
	Number int64
	// RolledOut is true when a rollout to it was completed once.
	RolledOut bool
	// Release of OpenIM.
	Release openim.Release
	// Hashes of the templates, by component. Two revisions with one hash run the same pods of the component.
	Hashes map[string]string
	// Images of the templates, by component.
	Images map[string]string
}

// Class says who can end a failure.
type Class string

const (
	// Fault of the revision or of what it uses.
	Fault Class = "Fault"
	// Environment: the cluster does not run the pods. Another revision would fail in the same way, so it never starts a rollback.
	Environment Class = "Environment"
)

// Observation is the state of one component's Deployment.
type Observation struct {
	// Revision that the Deployment was built from, or that the status names when the Deployment is gone. Empty when neither is known.
	Revision string
	// Complete is true when the pods of the current template, and no others, run in the wanted number and are available.
	Complete bool
	// Reason and Message say why it is not complete.
	Reason, Message string
	// Failed is true when waiting will not help. A component that has failed for failureDelay fails its wave. That the Deployment controller
	// gave up is no such failure: its deadline is that of the wave, and after a change of the template its verdict about the earlier
	// template stays for a moment (kubernetes pkg/controller/deployment/progress.go).
	Failed bool
	// Refused is true when the API server refused the template.
	Refused bool
	Class   Class
	// Since is the time since which the component is in this state. Zero when it is not known.
	Since time.Time
}

// Policy is the spec's choice.
type Policy struct {
	AllAtOnce   bool
	Rollback    bool
	WaveTimeout time.Duration
	// Check is true when OpenIM is checked before and after the waves of a rollout of other images.
	Check bool
	// Windows in which a rollout of other images may start. Nil: at any time. Not nil and empty: at none.
	Windows []Window
}

// Component is one Deployment that the spec wants.
type Component struct {
	Name string
	Wave int
}

// Input of Next.
type Input struct {
	State State
	// Wanted is the name of the revision of the spec.
	Wanted    string
	Revisions []Revision
	// Components of the spec.
	Components []Component
	Observed   map[string]Observation
	Policy     Policy
	Suspended  bool
	// Blocked is true while no pod template may be written, because a policy is not in place.
	Blocked bool
	// Retry is the value of the annotation that requests a retry.
	Retry string
	// Check is what was observed of the check of OpenIM.
	Check CheckObservation
	// Slot is true when the stack holds one of the operator's slots.
	Slot bool
	Now  time.Time
}

// Plan is the result of Next.
type Plan struct {
	// State to write before the Deployments are written.
	State State
	// Assignments are the revisions to build from, by component. A component without one is left as it is.
	Assignments map[string]string
	// Check names the run of the check that is to be made now, "" for none.
	Check string
	// NeedsSlot is true when the rollout would start if the stack held a slot.
	NeedsSlot bool
	// Waiting are the components for which the wave waits, in the order of their names.
	Waiting []string
	// Unchecked is a rollout whose checks have stopped deciding about it, as it was then: it may be over. Nil when that was so before.
	Unchecked *v1alpha1.Rollout
	// Opens is the time at which the next window opens, when the rollout waits for one. Zero when none ever does.
	Opens time.Time
	// Requeue is the time after which the plan may change without an event, 0 for none.
	Requeue time.Duration
}

// Moving reports whether the plan needs a slot from now on.
func (p Plan) Moving() bool { return Moving(p.State.Rollout) }

// Moving reports whether a rollout changes components.
func Moving(r *v1alpha1.Rollout) bool {
	return r != nil && (r.State == v1alpha1.RolloutProgressing || r.State == v1alpha1.RolloutRollingBack)
}

// PolicyOf returns the policy of a spec, with its defaults. With an error, the windows that are wrong never open.
func PolicyOf(spec *v1alpha1.Upgrade) (Policy, error) {
	p := Policy{WaveTimeout: time.Duration(v1alpha1.DefaultWaveTimeoutSeconds) * time.Second}
	if spec == nil {
		return p, nil
	}
	p.AllAtOnce, p.Rollback = spec.Strategy == v1alpha1.UpgradeAllAtOnce, spec.OnFailure == v1alpha1.OnFailureRollback
	if spec.WaveTimeoutSeconds != nil {
		p.WaveTimeout = time.Duration(*spec.WaveTimeoutSeconds) * time.Second
	}
	var err error
	p.Windows, err = parseWindows(spec.Windows)
	return p, err
}

func (in Input) revision(name string) (Revision, bool) {
	i := slices.IndexFunc(in.Revisions, func(r Revision) bool { return r.Name == name })
	if i < 0 || name == "" {
		return Revision{}, false
	}
	return in.Revisions[i], true
}
