package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// UpgradeStrategy selects the order in which components are changed.
// +kubebuilder:validation:Enum=Ordered;AllAtOnce
type UpgradeStrategy string

// Strategies.
const (
	// UpgradeOrdered changes callees before callers, and waits until each wave is available.
	UpgradeOrdered UpgradeStrategy = "Ordered"
	// UpgradeAllAtOnce changes all components at the same time.
	UpgradeAllAtOnce UpgradeStrategy = "AllAtOnce"
)

// FailureAction selects what happens when a changed component does not become available.
// +kubebuilder:validation:Enum=Hold;Rollback
type FailureAction string

// Actions.
const (
	// OnFailureHold leaves each component as it is.
	OnFailureHold FailureAction = "Hold"
	// OnFailureRollback takes the changed components back to the revision that ran before.
	OnFailureRollback FailureAction = "Rollback"
)

// DefaultWaveTimeoutSeconds is the time of a wave when the spec names none.
const DefaultWaveTimeoutSeconds int32 = 600

// CheckMode selects what is checked between the waves of a rollout to another version or image.
// +kubebuilder:validation:Enum=Messages;Contract;None
type CheckMode string

// Modes.
const (
	// CheckMessages checks the contract, and sends a message from one user of the check to another.
	CheckMessages CheckMode = "Messages"
	// CheckContract checks tokens, routes, error codes and the form of replies, and writes nothing.
	CheckContract CheckMode = "Contract"
	// CheckNone checks nothing.
	CheckNone CheckMode = "None"
)

// Upgrade configures how changes reach the running pods. A change of a component's pods is made in waves: the rpc services; msgtransfer,
// push and crontask; api and msggateway; the backend; the gateway. The next wave starts when all changed components are available. A
// change to an older release takes the reverse order.
type Upgrade struct {
	// strategy: Ordered (default) changes the components in waves; AllAtOnce changes all at the same time, for emergencies such as a
	// password that is no longer valid.
	// +optional
	Strategy UpgradeStrategy `json:"strategy,omitempty"`

	// onFailure: Hold (default) leaves each component as it is when a changed one does not become available, and waits for another spec or
	// the annotation openimstack.dev/retry-rollout-at. Rollback takes the changed components back to what ran before. Stores and Secrets
	// are never taken back. A failure of the cluster (quota, scheduling, pulling an image) always holds.
	// +optional
	OnFailure FailureAction `json:"onFailure,omitempty"`

	// waveTimeoutSeconds is the time within which the changed components of a wave must become available. Default 600.
	// +optional
	// +kubebuilder:validation:Minimum=60
	// +kubebuilder:validation:Maximum=7200
	WaveTimeoutSeconds *int32 `json:"waveTimeoutSeconds,omitempty"`

	// check is made before the first and after each wave of a rollout to another version or image, by a pod in front of OpenIM: Messages
	// (default) sends a message from the user openimstack_check_a to openimstack_check_b, which stay registered; Contract writes nothing;
	// None checks nothing. Without spec.wrapper.auth.users, Messages is Contract. A stack with spec.wrapper.externalRef is not checked.
	// A check that fails before the first wave is reported and gates nothing.
	// +optional
	Check CheckMode `json:"check,omitempty"`

	// windows are the times at which a rollout of other images may start: another version, image, or wrapper. Without windows it starts at
	// once. A rollout that has started goes on after the end of the window. First installations, changed credentials and settings, policies,
	// replicas, repairs, and the way back never wait.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Windows []UpgradeWindow `json:"windows,omitempty"`
}

// Weekday is a day of the week.
// +kubebuilder:validation:Enum=Monday;Tuesday;Wednesday;Thursday;Friday;Saturday;Sunday
type Weekday string

// UpgradeWindow is a time that comes back each week.
type UpgradeWindow struct {
	// days on which the window starts. Without days it starts each day.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=7
	Days []Weekday `json:"days,omitempty"`

	// start is the local time at which the window starts, from 00:00 to 23:59. A time that does not exist on the day on which clocks are
	// put forward is an hour later.
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:XValidation:rule="self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')",message="start must be a time of day from 00:00 to 23:59: write for example 22:30"
	Start string `json:"start"`

	// durationSeconds is the length of the window. It may go on after midnight.
	// +kubebuilder:validation:Minimum=600
	// +kubebuilder:validation:Maximum=86400
	DurationSeconds int32 `json:"durationSeconds"`

	// timeZone is a name of the IANA time zone database, such as Europe/Berlin. Default UTC.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z][A-Za-z0-9_+/-]*$')",message="timeZone must be a name of the time zone database: write for example Europe/Berlin"
	TimeZone string `json:"timeZone,omitempty"`
}

// RolloutState is the state of a rollout.
// +kubebuilder:validation:Enum=WaitingForWindow;WaitingForSlot;Progressing;Held;RollingBack;RolledBack
type RolloutState string

// States.
const (
	// RolloutWaitingForWindow: none of the windows of spec.upgrade is open.
	RolloutWaitingForWindow RolloutState = "WaitingForWindow"
	// RolloutWaiting: as many rollouts as the operator allows are under way.
	RolloutWaiting RolloutState = "WaitingForSlot"
	// RolloutProgressing: components are changed wave by wave.
	RolloutProgressing RolloutState = "Progressing"
	// RolloutHeld: a changed component did not become available. Each component stays at its revision.
	RolloutHeld RolloutState = "Held"
	// RolloutRollingBack: the changed components go back to what ran before.
	RolloutRollingBack RolloutState = "RollingBack"
	// RolloutRolledBack: all components run again what ran before.
	RolloutRolledBack RolloutState = "RolledBack"
)

// RolloutDirection is the order of the waves.
// +kubebuilder:validation:Enum=Forward;Backward
type RolloutDirection string

// Directions.
const (
	// RolloutForward: callees first.
	RolloutForward RolloutDirection = "Forward"
	// RolloutBackward: callers first, when the release becomes older.
	RolloutBackward RolloutDirection = "Backward"
)

// Rollout is a rollout under way.
type Rollout struct {
	// state of the rollout.
	// +optional
	State RolloutState `json:"state,omitempty"`

	// from is the run revision that the components leave. Empty for a stack of which no revision was completed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	From string `json:"from,omitempty"`

	// to is the run revision that the components go to.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	To string `json:"to,omitempty"`

	// direction of the waves.
	// +optional
	Direction RolloutDirection `json:"direction,omitempty"`

	// wave that is under way: 1 to 5. 0 before the first.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	Wave int32 `json:"wave,omitempty"`

	// waveStartTime is the time at which the wave started. Absent while the stack is suspended.
	// +optional
	WaveStartTime *metav1.Time `json:"waveStartTime,omitempty"`

	// components that the rollout changes.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=63
	Components []string `json:"components,omitempty"`

	// check that is made, or was made last. Absent when nothing is checked.
	// +optional
	Check *RolloutCheck `json:"check,omitempty"`

	// failedRevision is the run revision whose rollout failed. It is not tried again unless that is requested.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	FailedRevision string `json:"failedRevision,omitempty"`

	// failure that ended the rollout.
	// +optional
	Failure *RolloutFailure `json:"failure,omitempty"`
}

// CheckState is the state of a check.
// +kubebuilder:validation:Enum=Running;Passed;Failed;Unknown;Skipped
type CheckState string

// States.
const (
	CheckRunning CheckState = "Running"
	CheckPassed  CheckState = "Passed"
	CheckFailed  CheckState = "Failed"
	// CheckUnknown: its pod did not run in time.
	CheckUnknown CheckState = "Unknown"
	// CheckSkipped: the revision cannot be checked. The rollout goes on without checks.
	CheckSkipped CheckState = "Skipped"
)

// CheckPoint selects the waves after which a check is made.
// +kubebuilder:validation:Enum=EachWave;LastWave
type CheckPoint string

// Points.
const (
	CheckEachWave CheckPoint = "EachWave"
	// CheckLastWave: the rollout repairs an unfinished one, whose components no check could pass before they are replaced.
	CheckLastWave CheckPoint = "LastWave"
)

// RolloutCheck is the check of OpenIM during a rollout.
type RolloutCheck struct {
	// state of the check. Absent before the first one.
	// +optional
	State CheckState `json:"state,omitempty"`

	// after selects the waves after which a check is made.
	// +optional
	After CheckPoint `json:"after,omitempty"`

	// wave after which this check is made. 0 before the first. A check that failed there gates nothing.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16
	Wave int32 `json:"wave,omitempty"`

	// startTime of the check. Absent while the stack is suspended.
	// +optional
	StartTime *metav1.Time `json:"startTime,omitempty"`

	// message describes what failed.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
}

// RolloutFailure is the reason why a rollout ended.
type RolloutFailure struct {
	// component that failed.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Component string `json:"component,omitempty"`

	// reason in one word, as in status.processes.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`

	// message describes the failure and its remedy.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`

	// time of the failure.
	// +optional
	Time metav1.Time `json:"time,omitempty,omitzero"`
}

// Requests are the values of annotations of the stack that were answered last.
type Requests struct {
	// retryRollout is the value of openimstack.dev/retry-rollout-at.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RetryRollout string `json:"retryRollout,omitempty"`

	// update is the value of openimstack.dev/update-at.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Update string `json:"update,omitempty"`

	// rotateShareSecret is the value of openimstack.dev/rotate-share-secret-at.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	RotateShareSecret string `json:"rotateShareSecret,omitempty"`
}
