package v1alpha1

// Condition types of an OpenIMStack.
const (
	// ConditionReady is True when all components of the spec run and the lockdown is in place.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator applies the spec (kstatus). Absent otherwise.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when progress needs a user's action (kstatus). Absent otherwise.
	ConditionStalled = "Stalled"
	// ConditionDependenciesReady is True when every reference of the spec resolves.
	ConditionDependenciesReady = "DependenciesReady"
	// ConditionSettingsAccepted is True when the wrapper accepts all rules, limits and origins of the spec.
	ConditionSettingsAccepted = "SettingsAccepted"
	// ConditionOpenIMAvailable is True when all of OpenIM's processes are ready.
	ConditionOpenIMAvailable = "OpenIMAvailable"
	// ConditionWrapperAvailable is True when gateway and backend are ready. The backend is ready only while OpenIM answers.
	ConditionWrapperAvailable = "WrapperAvailable"
	// ConditionNetworkIsolated is True when the last probe and the audit confirm the lockdown.
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
	// ReasonSharedStore: another stack already occupies the requested part of a store.
	ReasonSharedStore = "SharedStore"
	// ReasonSettingRefused: the wrapper refuses a rule, a limit or an origin.
	ReasonSettingRefused = "SettingRefused"
	// ReasonProxyNotTrusted is a warning while SettingsAccepted is True: a proxy is in front of the users' listener, and
	// spec.wrapper.auth.users.trustedProxies is empty.
	ReasonProxyNotTrusted = "ProxyNotTrusted"
	// ReasonLoginKeyLost and ReasonLoginKeyChanged: the key by which clients recognise the gateway is missing or was replaced.
	ReasonLoginKeyLost    = "LoginKeyLost"
	ReasonLoginKeyChanged = "LoginKeyChanged"
	// Reasons of DependenciesReady that are warnings while it is True.
	ReasonCertificateNotValid = "CertificateNotValid"
	ReasonSharedPresence      = "SharedPresence"
	// Reasons of NetworkIsolated.
	ReasonEnforced         = "Enforced"
	ReasonBreached         = "Breached"
	ReasonNotEnforcedByCNI = "NotEnforcedByCNI"
	ReasonNotVerified      = "NotVerified"
)
