package v1alpha1

// Condition types of an OpenIMStack.
const (
	// ConditionReady is True when everything that the spec asks for runs and is sealed by policies.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the stack moves towards its spec (kstatus). Absent otherwise.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when only a person can help (kstatus). Absent otherwise.
	ConditionStalled = "Stalled"
	// ConditionDependenciesReady is True when every reference of the spec resolves.
	ConditionDependenciesReady = "DependenciesReady"
	// ConditionSettingsAccepted is True when the wrapper takes all rules, limits and origins of the spec.
	ConditionSettingsAccepted = "SettingsAccepted"
	// ConditionOpenIMAvailable is True when all of OpenIM's processes are ready.
	ConditionOpenIMAvailable = "OpenIMAvailable"
	// ConditionWrapperAvailable is True when gateway and backend are ready. The backend is ready only while OpenIM answers it.
	ConditionWrapperAvailable = "WrapperAvailable"
	// ConditionNetworkIsolated says what is known of the lockdown.
	ConditionNetworkIsolated = "NetworkIsolated"
	// ConditionPaused is True while spec.suspend is true. Absent otherwise.
	ConditionPaused = "Paused"
)

// Reasons of conditions.
const (
	ReasonReady              = "Ready"
	ReasonSuspended          = "Suspended"
	ReasonResolved           = "Resolved"
	ReasonAccepted           = "Accepted"
	ReasonAvailable          = "Available"
	ReasonExternal           = "External"
	ReasonWaiting            = "Waiting"
	ReasonProgressing        = "Progressing"
	ReasonUnsupportedVersion = "UnsupportedVersion"
	ReasonSecretNotFound     = "SecretNotFound"
	ReasonSecretKeyNotFound  = "SecretKeyNotFound"
	ReasonSecretInvalid      = "SecretInvalid"
	ReasonServiceNotFound    = "ServiceNotFound"
	ReasonPeersNeeded        = "PeersNeeded"
	ReasonInvalidSpec        = "InvalidSpec"
	ReasonNameConflict       = "NameConflict"
	ReasonApplyFailed        = "ApplyFailed"
	ReasonPoliciesNotInPlace = "PoliciesNotInPlace"
	// ReasonSharedStore: another stack already has what this one asks for in a store.
	ReasonSharedStore = "SharedStore"
	// ReasonSettingRefused: the wrapper would not take a rule, a limit or an origin.
	ReasonSettingRefused = "SettingRefused"
	// ReasonProxyNotTrusted warns while SettingsAccepted is True: a proxy stands before the users' port, and none is trusted.
	ReasonProxyNotTrusted = "ProxyNotTrusted"
	// ReasonLoginKeyLost and ReasonLoginKeyChanged: the key by which clients recognise the gateway is not there any more.
	ReasonLoginKeyLost    = "LoginKeyLost"
	ReasonLoginKeyChanged = "LoginKeyChanged"
	// Reasons of DependenciesReady that are warnings while it is True.
	ReasonCertificateNotValid = "CertificateNotValid"
	ReasonSharedPresence      = "SharedPresence"
	// Reasons of NetworkIsolated.
	ReasonEnforced            = "Enforced"
	ReasonBreached            = "Breached"
	ReasonNotEnforcedByCNI    = "NotEnforcedByCNI"
	ReasonIsolationUnverified = "NotVerified"
)
