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
	// ConditionSettingsAccepted is True when the wrapper accepts all rules, limits and origins of the spec, OpenIM's release has all that
	// spec.settings names, and the templates of spec.pods can be used.
	ConditionSettingsAccepted = "SettingsAccepted"
	// ConditionOpenIMAvailable is True when all of OpenIM's processes are ready.
	ConditionOpenIMAvailable = "OpenIMAvailable"
	// ConditionWrapperAvailable is True when gateway and backend are ready. The backend is ready only while OpenIM answers.
	ConditionWrapperAvailable = "WrapperAvailable"
	// ConditionNetworkIsolated is True when the last probe and the audit confirm the lockdown.
	ConditionNetworkIsolated = "NetworkIsolated"
	// ConditionExposed is True when every way of spec.wrapper.gateway.expose is open: the Service or the Ingress has an address, the
	// HTTPRoute was accepted by its Gateways. Absent when the spec exposes nothing. Ready does not depend on it: what gives addresses is not
	// the stack's.
	ConditionExposed = "Exposed"
	// ConditionRolledOut is True when all components run the revision of the spec. Its reason is the state of the rollout.
	ConditionRolledOut = "RolledOut"
	// ConditionUpdateAvailable is True while components run what an earlier operator rendered, and the present one would render otherwise.
	// Absent otherwise.
	ConditionUpdateAvailable = "UpdateAvailable"
	// ConditionPaused is True while spec.suspend is true. Absent otherwise.
	ConditionPaused = "Paused"
)

// Reasons of Ready, and of Reconciling and Paused.
const (
	// ReasonReady: all components of the spec run, and the lockdown is in place.
	ReasonReady = "Ready"
	// ReasonSuspended: spec.suspend is true. Remove it to let the operator write again.
	ReasonSuspended = "Suspended"
	// ReasonProgressing: the operator applies the spec, or a rollout is under way. Wait, or read the message of RolledOut.
	ReasonProgressing = "Progressing"
	// ReasonWaiting: something else must come first, which the message names.
	ReasonWaiting = "Waiting"
	// ReasonApplyFailed: the API server fails or cannot be reached. The operator tries again with backoff.
	ReasonApplyFailed = "ApplyFailed"
	// ReasonNamespaceTerminating: the stack's namespace is being deleted. Nothing can be created in it.
	ReasonNamespaceTerminating = "NamespaceTerminating"
)

// Reasons of Ready and Stalled: what only a user can end.
const (
	// ReasonInvalidSpec: a field is invalid, or contradicts another. Correct the field that the message names.
	ReasonInvalidSpec = "InvalidSpec"
	// ReasonUnsupportedVersion: the release of OpenIM, or a revision that a newer operator wrote, is not known. Write a supported release, or
	// install the newer operator.
	ReasonUnsupportedVersion = "UnsupportedVersion"
	// ReasonNameConflict: an object of the same name belongs to another owner. Rename the stack, or remove the object.
	ReasonNameConflict = "NameConflict"
	// ReasonRevisionUnusable: the ControllerRevision that keeps the places of the policies was written by a newer operator, or not by the
	// operator. Install the newer operator, or delete the revision that the message names.
	ReasonRevisionUnusable = "RevisionUnusable"
	// ReasonRevisionLost: a run revision that a component runs was deleted or damaged, and cannot be made again. Restore it, or let a rollout
	// replace it.
	ReasonRevisionLost = "RevisionLost"
	// ReasonForbidden: the operator lacks a right, which the message names. Install its roles again.
	ReasonForbidden = "Forbidden"
	// ReasonRefusedByAdmission: a webhook or a ValidatingAdmissionPolicy refused a child. Change the spec so that it is admitted, or exempt
	// the stack's objects.
	ReasonRefusedByAdmission = "RefusedByAdmission"
	// ReasonQuotaExceeded: a ResourceQuota of the namespace does not allow a child or a pod. Raise it, or lower what the spec requests.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonTooLarge: a child is larger than the API server accepts. Shorten the lists of the spec.
	ReasonTooLarge = "TooLarge"
	// ReasonKindNotServed: the API server lacks a kind. Install its CRD, or use a supported release of Kubernetes.
	ReasonKindNotServed = "KindNotServed"
	// ReasonGeneratedSecretLost: a Secret that the operator generated does not exist, and no other value may take its place. Restore it.
	ReasonGeneratedSecretLost = "GeneratedSecretLost"
)

// Reasons of DependenciesReady.
const (
	// ReasonResolved: every reference of the spec resolves.
	ReasonResolved = "Resolved"
	// ReasonSecretNotFound: a Secret that the spec names does not exist. Create it.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretKeyNotFound: a Secret lacks a key that the spec names, or that its kind must have. Add the key.
	ReasonSecretKeyNotFound = "SecretKeyNotFound"
	// ReasonSecretInvalid: the content of a Secret cannot be used. The message names the rule, never the value.
	ReasonSecretInvalid = "SecretInvalid"
	// ReasonConfigMapNotFound: a ConfigMap that the spec names does not exist. Create it.
	ReasonConfigMapNotFound = "ConfigMapNotFound"
	// ReasonConfigMapKeyNotFound: a ConfigMap lacks a key that the spec names, or the key is empty. Write its value.
	ReasonConfigMapKeyNotFound = "ConfigMapKeyNotFound"
	// ReasonConfigMapInvalid: the content of a ConfigMap cannot be used. Correct what the message names.
	ReasonConfigMapInvalid = "ConfigMapInvalid"
	// ReasonServiceNotFound: the address of a store is that of a Service that does not exist, or that may not be referred to.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonReferenceNotPermitted: the object of a resourceRef is in another namespace without the consent of that namespace, or the operator
	// may not read it. The message has the ReferenceGrant to create, or the right to give.
	ReasonReferenceNotPermitted = "ReferenceNotPermitted"
	// ReasonReferenceNotFound: the object of a resourceRef, or its user, does not exist. Create it.
	ReasonReferenceNotFound = "ReferenceNotFound"
	// ReasonReferenceNotReady: the operator of the object of a resourceRef has not finished it. See the conditions of that object.
	ReasonReferenceNotReady = "ReferenceNotReady"
	// ReasonReferenceUnsupported: the object of a resourceRef is of a kind, or has an authentication, that this field does not read. The
	// message says what to write instead.
	ReasonReferenceUnsupported = "ReferenceUnsupported"
	// ReasonReferenceKindMissing: the cluster does not serve the kind of a resourceRef. Install its operator: the kind is looked for again by
	// itself.
	ReasonReferenceKindMissing = "ReferenceKindMissing"
	// ReasonPeersNeeded: an address leads to pods that the operator cannot find out. Write peers.
	ReasonPeersNeeded = "PeersNeeded"
	// ReasonSharedStore: another stack already occupies the requested part of a store, or OpenIM's Redis would become the wrapper's while a
	// reference cannot be read. Write another database, another prefix, or another Redis.
	ReasonSharedStore = "SharedStore"
	// ReasonStoreUnavailable: a pod reports that a store cannot be used: not reachable, or credentials refused. Also a reason of a component.
	ReasonStoreUnavailable = "StoreUnavailable"
	// ReasonLoginKeyLost: the key by which clients recognise the gateway is missing. Restore the Secret.
	ReasonLoginKeyLost = "LoginKeyLost"
	// ReasonLoginKeyChanged: the key by which clients recognise the gateway was replaced. Restore the earlier one.
	ReasonLoginKeyChanged = "LoginKeyChanged"
	// ReasonCertificateNotValid: a warning while the condition is True: the gateway's certificate has expired, expires soon,
	// or is not valid yet. Renew it.
	ReasonCertificateNotValid = "CertificateNotValid"
	// ReasonSharedPresence: a warning while the condition is True: another stack uses another database of the same Redis, so users with one
	// ID in both stacks share their online state. Give each stack its own Redis.
	ReasonSharedPresence = "SharedPresence"
)

// Reasons of SettingsAccepted.
const (
	// ReasonAccepted: OpenIM's release and the wrapper accept all settings.
	ReasonAccepted = "Accepted"
	// ReasonSettingRefused: the wrapper refuses a rule, a limit or an origin, or a value of spec.settings is not one that OpenIM may have.
	// Correct what the message names.
	ReasonSettingRefused = "SettingRefused"
	// ReasonUnknownSetting: OpenIM's release does not have a key of spec.settings.overrides. Write one that it has.
	ReasonUnknownSetting = "UnknownSetting"
	// ReasonUpdateRequired: the images of components are those of an earlier operator, and do not read a field of the spec. The components
	// keep their pods until an update is requested with the annotation openimstack.dev/update-at.
	ReasonUpdateRequired = "UpdateRequired"
	// ReasonUnsupportedByRelease: OpenIM's release does not have a setting, or cannot connect to a store in this way (DependenciesReady). Use
	// a release that can, or do what the message names.
	ReasonUnsupportedByRelease = "UnsupportedByRelease"
	// ReasonPodTemplateRefused: a template of spec.pods has a field that a template must not set, or is no PodTemplateSpec, or an annotation
	// of serviceAccountAnnotations must not be set. Remove or correct what the message names.
	ReasonPodTemplateRefused = "PodTemplateRefused"
	// ReasonPodTemplateInvalid: the API server, a webhook or an admission policy refuses a Deployment with the templates of spec.pods. The
	// message names the component. Correct the template, or what refuses it.
	ReasonPodTemplateInvalid = "PodTemplateInvalid"
	// ReasonProxyNotTrusted: a warning while the condition is True: a proxy is in front of the users' listener, and
	// spec.wrapper.auth.users.trustedProxies is empty. Write the proxy's addresses.
	ReasonProxyNotTrusted = "ProxyNotTrusted"
)

// Reasons of OpenIMAvailable and WrapperAvailable, and of components in status.processes.
const (
	// ReasonAvailable: all replicas of all components are ready.
	ReasonAvailable = "Available"
	// ReasonExternal: spec.wrapper.externalRef names a wrapper that the operator does not run.
	ReasonExternal = "External"
	// ReasonStarting: pods are being created or are not ready yet.
	ReasonStarting = "Starting"
	// ReasonNotServing: a container has run for a minute and is not ready. Read its log.
	ReasonNotServing = "NotServing"
	// ReasonScaledToZero: no replica is wanted. Scale the component up.
	ReasonScaledToZero = "ScaledToZero"
	// ReasonPodSecurityViolation: the namespace's pod security level does not allow the pods.
	ReasonPodSecurityViolation = "PodSecurityViolation"
	// ReasonAdmissionRefused: a webhook or an admission policy does not allow the pods.
	ReasonAdmissionRefused = "AdmissionRefused"
	// ReasonUnschedulable: no node can run the pod.
	ReasonUnschedulable = "Unschedulable"
	// ReasonImagePull: an image cannot be pulled. Correct spec.image, or its pull secret.
	ReasonImagePull = "ImagePull"
	// ReasonConfigError: a container cannot be created from its configuration, for example because a Secret is gone.
	ReasonConfigError = "ConfigError"
	// ReasonCrashLoop: a container ended and is started again. The message has its exit code.
	ReasonCrashLoop = "CrashLoop"
	// ReasonProgressDeadlineExceeded: the rollout of a Deployment has made no progress for its deadline.
	ReasonProgressDeadlineExceeded = "ProgressDeadlineExceeded"
)

// Reasons of Exposed. All but the first six are warnings while the condition is True.
const (
	// ReasonExposed: every way is open.
	ReasonExposed = "Exposed"
	// ReasonWaitingForAddress: a Service or an Ingress has no address yet. See its events, and that its implementation runs.
	ReasonWaitingForAddress = "WaitingForAddress"
	// ReasonCRDMissing: the cluster does not serve HTTPRoutes, or no BackendTLSPolicies. Install the Gateway API 1.4 or later, or write
	// ingress instead. It is looked for again every minute.
	ReasonCRDMissing = "CRDMissing"
	// ReasonWaitingForGateway: no implementation of the Gateway API has said yet whether it serves the HTTPRoute. Correct parentRefs, and see
	// that the Gateway exists and its implementation runs.
	ReasonWaitingForGateway = "WaitingForGateway"
	// ReasonRouteNotAccepted: a Gateway refuses the HTTPRoute, or its implementation the BackendTLSPolicy. The message is the
	// implementation's. Often the Gateway's listener takes no routes of the stack's namespace, or has another hostname.
	ReasonRouteNotAccepted = "RouteNotAccepted"
	// ReasonRouteNotResolved: the implementation of the Gateway API accepted the HTTPRoute or the BackendTLSPolicy, and does not find what it
	// names. The message is the implementation's. Often the ConfigMap of backendCARef is missing.
	ReasonRouteNotResolved = "RouteNotResolved"
	// ReasonClientAddressesHidden: users come through a proxy, and spec.wrapper.auth.users.trustedProxies is empty, so all users share the
	// limits of the proxy's address. Write the proxy's addresses.
	ReasonClientAddressesHidden = "ClientAddressesHidden"
	// ReasonSourceHidden: clients or admins of spec.network name addresses, and with externalTrafficPolicy Cluster the source is the address
	// of a node. Write externalTrafficPolicy: Local.
	ReasonSourceHidden = "SourceHidden"
	// ReasonPeersOnHostNetwork: clients or admins of spec.network select pods on their nodes' network, where no selector matches. Write the
	// addresses of the nodes.
	ReasonPeersOnHostNetwork = "PeersOnHostNetwork"
	// ReasonPeersSelectNothing: clients or admins of spec.network select no pod. Correct the labels.
	ReasonPeersSelectNothing = "PeersSelectNothing"
	// ReasonAudienceNotExposed: no host of the users' listener is that of spec.wrapper.auth.users.audience. Add the host, or correct the
	// audience.
	ReasonAudienceNotExposed = "AudienceNotExposed"
)

// Reasons of RolledOut and UpdateAvailable, beside Progressing and Waiting.
const (
	// ReasonComplete: all components run the revision of the spec.
	ReasonComplete = "Complete"
	// ReasonWaitingForWindow: none of the windows of spec.upgrade is open.
	ReasonWaitingForWindow = "WaitingForWindow"
	// ReasonWaitingForSlot: as many stacks are rolled out as the operator allows at a time.
	ReasonWaitingForSlot = "WaitingForSlot"
	// ReasonHeld: a wave failed, and every component stays as it is. Change the spec, or request a retry.
	ReasonHeld = "Held"
	// ReasonRollingBack: a wave failed, and the changed components go back.
	ReasonRollingBack = "RollingBack"
	// ReasonRolledBack: a wave failed, and all components run again what ran before. Change the spec, or request a retry.
	ReasonRolledBack = "RolledBack"
	// ReasonOperatorUpdated: the present operator would build other pods. Request the update with the annotation openimstack.dev/update-at.
	ReasonOperatorUpdated = "OperatorUpdated"
)

// Reasons in status.rollout.failure, beside those of components. CheckFailed and CheckSkipped are also reasons of events.
const (
	// RolloutReasonWaveTimeout: the components of the wave did not become available in time. The message has what prevented it.
	RolloutReasonWaveTimeout = "WaveTimeout"
	// RolloutReasonCheckFailed: OpenIM does not do what the wrapper relies on. The message says what. In an event: it was so before the
	// first wave, and the rollout goes on without checks.
	RolloutReasonCheckFailed = "CheckFailed"
	// RolloutReasonCheckNotRun: the check has no result in time, because its pod does not run. The message says why.
	RolloutReasonCheckNotRun = "CheckNotRun"
	// RolloutReasonCheckSkipped: the revision cannot be checked, and the rollout goes on without checks. In an event alone.
	RolloutReasonCheckSkipped = "CheckSkipped"
)

// Reasons of NetworkIsolated.
const (
	// ReasonEnforced: intruders attempted every port, and only those that the spec opens were open.
	ReasonEnforced = "Enforced"
	// ReasonBreached: a connection that no rule allows was open, or an object opens one. The message names it.
	ReasonBreached = "Breached"
	// ReasonNotEnforcedByCNI: the network plugin does not enforce NetworkPolicies.
	ReasonNotEnforcedByCNI = "NotEnforcedByCNI"
	// ReasonNotVerified: no probe has run yet, or the last one proves nothing. The message says why.
	ReasonNotVerified = "NotVerified"
	// ReasonPoliciesNotInPlace: a policy of the stack is missing.
	ReasonPoliciesNotInPlace = "PoliciesNotInPlace"
)
