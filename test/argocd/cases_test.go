package argocd_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// Texts of health.lua's own.
const (
	noReport   = "Waiting for the operator to report on the present spec"
	notApplied = "Waiting for the operator to apply the present spec"
	pending    = "Pending deletion"
	isPaused   = "spec.suspend is true"
)

// situation is a family of situations: one for each reason, which stands for every $ of the line.
type situation struct {
	name string
	line string
	// reasons of the family. None: the line has no $.
	reasons []string
	changes []func(map[string]any)
	// health is that of Argo CD. message lists the conditions whose messages it has, or a text of the script.
	health  string
	message []string
	// kstatus is that of the library. flux is that of the expressions of docs/gitops.md, when it differs.
	kstatus, flux string
}

const (
	well = " DependenciesReady=True/Resolved SettingsAccepted=True/Accepted OpenIMAvailable=True/Available " +
		"WrapperAvailable=True/Available"
	isolated   = " NetworkIsolated=True/Enforced"
	unverified = " NetworkIsolated=Unknown/NotVerified"
	complete   = " RolledOut=True/Complete"
	healthy    = "Observed Ready=True/Ready" + well + isolated + complete
)

// userActs are the reasons for which a reference or a setting needs a user.
var userActs = []string{
	"PeersNeeded", "SharedStore", "SecretInvalid", "ConfigMapInvalid", "ServiceNotFound", "LoginKeyLost", "LoginKeyChanged",
	"GeneratedSecretLost", "InvalidSpec", "UnsupportedVersion",
}

// refused are the reasons for which a write of the operator needs a user.
var refused = []string{
	"InvalidSpec", "UnsupportedVersion", "NameConflict", "RevisionUnusable", "RevisionLost", "Forbidden", "RefusedByAdmission",
	"QuotaExceeded", "TooLarge", "KindNotServed",
}

// situations is the table of what a stack can show. Each reason of api/v1alpha1 is in one of them.
var situations = []situation{
	// Healthy.
	{
		name: "all is well", line: healthy,
		health: "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},
	{
		name:   "the wrapper is the user's own",
		line:   strings.Replace(healthy, "WrapperAvailable=True/Available", "WrapperAvailable=True/External", 1),
		health: "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},
	{
		name: "a warning about a reference",
		line: strings.Replace(healthy, "Resolved", "$", 1), reasons: []string{"CertificateNotValid", "SharedPresence"},
		health: "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},
	{
		name: "a proxy is not trusted", line: strings.Replace(healthy, "=True/Accepted", "=True/ProxyNotTrusted", 1),
		health: "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},
	{
		name: "the gateway's listeners are exposed", line: healthy + " Exposed=True/$",
		reasons: []string{
			"Exposed", "ClientAddressesHidden", "SourceHidden", "PeersOnHostNetwork", "PeersSelectNothing", "AudienceNotExposed",
		},
		health: "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},
	{
		name: "nothing has given a listener an address", line: healthy + " Exposed=False/$",
		reasons: []string{"WaitingForAddress", "CRDMissing", "WaitingForGateway", "RouteNotAccepted", "RouteNotResolved"},
		health:  "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},
	{
		name: "not probed yet", line: "Observed Ready=True/Ready" + well + unverified + complete,
		health: "Healthy", message: []string{"Ready", "NetworkIsolated"}, kstatus: "Current",
	},
	{
		name: "another operator would build other pods", line: healthy + " UpdateAvailable=True/OperatorUpdated",
		health: "Healthy", message: []string{"Ready", "UpdateAvailable"}, kstatus: "Current",
	},
	{
		name: "another release waits for its window", line: "Observed Ready=True/Ready" + well + isolated + " RolledOut=False/WaitingForWindow",
		health: "Healthy", message: []string{"Ready"}, kstatus: "Current",
	},

	// Progressing.
	{
		name: "no status yet", line: "",
		health: "Progressing", message: []string{noReport}, kstatus: "Current", flux: "Unknown",
	},
	{
		name: "a status without conditions", line: "Observed@never",
		health: "Progressing", message: []string{noReport}, kstatus: "Current", flux: "InProgress",
	},
	{
		name:   "the spec is new, and the conditions are those of the earlier one",
		line:   "Observed@earlier Ready=True/Ready@earlier NetworkIsolated=True/Enforced@earlier RolledOut=True/Complete@earlier",
		health: "Progressing", message: []string{noReport}, kstatus: "InProgress",
	},
	{
		name:   "the spec is new, and the earlier one was stalled",
		line:   "Observed@earlier Ready=False/PeersNeeded@earlier Stalled=True/PeersNeeded@earlier NetworkIsolated=False/Breached@earlier",
		health: "Progressing", message: []string{noReport}, kstatus: "InProgress",
	},
	{
		name: "ready, and not applied", line: "Observed@earlier Ready=True/Ready" + isolated + complete,
		health: "Progressing", message: []string{notApplied}, kstatus: "InProgress",
	},
	{
		name: "a reference does not resolve yet", line: "Observed@earlier Ready=False/$ Reconciling=True/Progressing DependenciesReady=False/$" +
			unverified + complete,
		reasons: []string{
			"SecretNotFound", "SecretKeyNotFound", "ConfigMapNotFound", "ConfigMapKeyNotFound", "ServiceNotFound", "StoreUnavailable",
		},
		health: "Progressing", message: []string{"Ready"}, kstatus: "InProgress",
	},
	{
		name: "a store's object is not there yet", line: "Observed@earlier Ready=False/$ Reconciling=True/Progressing DependenciesReady=False/$" +
			unverified + complete,
		reasons: []string{"ReferenceNotPermitted", "ReferenceNotFound", "ReferenceNotReady", "ReferenceUnsupported", "ReferenceKindMissing"},
		health:  "Progressing", message: []string{"Ready"}, kstatus: "InProgress",
	},
	{
		name: "a component is not available",
		line: "Observed Ready=False/$ Reconciling=True/Progressing OpenIMAvailable=False/$" + isolated + complete,
		reasons: []string{
			"Waiting", "Starting", "NotServing", "ScaledToZero", "PodSecurityViolation", "AdmissionRefused", "Unschedulable", "ImagePull",
			"ConfigError", "CrashLoop", "StoreUnavailable", "QuotaExceeded", "ProgressDeadlineExceeded",
		},
		health: "Progressing", message: []string{"Ready"}, kstatus: "InProgress",
	},
	{
		name: "a rollout", line: "Observed Ready=False/$ Reconciling=True/Progressing" + isolated + " RolledOut=False/$",
		reasons: []string{"Progressing", "WaitingForSlot", "RollingBack", "Waiting"},
		health:  "Progressing", message: []string{"Ready"}, kstatus: "InProgress",
	},
	{
		name:    "a write failed, or the namespace ends",
		line:    "Observed@earlier Ready=False/$ Reconciling=True/Progressing" + unverified + complete,
		reasons: []string{"ApplyFailed", "NamespaceTerminating"},
		health:  "Progressing", message: []string{"Ready"}, kstatus: "InProgress",
	},
	{
		name: "policies are being written", line: "Observed@never Ready=False/PoliciesNotInPlace Reconciling=True/Progressing " +
			"NetworkIsolated=False/PoliciesNotInPlace RolledOut=False/Waiting",
		health: "Progressing", message: []string{"Ready"}, kstatus: "InProgress",
	},
	{
		name: "it is being deleted", line: healthy, changes: []func(map[string]any){deleted},
		health: "Progressing", message: []string{pending}, kstatus: "Terminating", flux: "Current",
	},
	{
		name:    "it is being deleted while it is suspended and open",
		line:    "Observed Ready=False/Breached Stalled=True/Breached NetworkIsolated=False/Breached Paused=True/Suspended",
		changes: []func(map[string]any){deleted}, health: "Progressing", message: []string{pending}, kstatus: "Terminating", flux: "Failed",
	},

	// Degraded.
	{
		name: "a reference or a setting needs a user",
		line: "Observed Ready=False/$ Stalled=True/$ DependenciesReady=False/$" + unverified + " RolledOut=False/Waiting", reasons: userActs,
		health: "Degraded", message: []string{"Stalled"}, kstatus: "Failed",
	},
	{
		name: "a setting is refused", line: "Observed Ready=False/$ Stalled=True/$ SettingsAccepted=False/$" + isolated + complete,
		reasons: []string{
			"SettingRefused", "UnknownSetting", "UnsupportedByRelease", "PodTemplateRefused", "PodTemplateInvalid", "UpdateRequired",
		},
		health: "Degraded", message: []string{"Stalled"},
		kstatus: "Failed",
	},
	{
		name: "the API server refuses a write", line: "Observed Ready=False/$ Stalled=True/$" + unverified + complete, reasons: refused,
		health: "Degraded", message: []string{"Stalled"}, kstatus: "Failed",
	},
	{
		name: "the API server refuses a policy", reasons: refused,
		line:   "Observed Ready=False/$ Stalled=True/$ NetworkIsolated=False/PoliciesNotInPlace RolledOut=False/Waiting",
		health: "Degraded", message: []string{"Stalled"}, kstatus: "Failed",
	},
	{
		name: "a rollout failed", line: "Observed Ready=False/$ Stalled=True/$" + isolated + " RolledOut=False/$",
		reasons: []string{"Held", "RolledBack"}, health: "Degraded", message: []string{"Stalled"}, kstatus: "Failed",
	},
	{
		name: "a rollout failed, and a reference of the same spec is missing", kstatus: "InProgress",
		line:   "Observed@earlier Ready=False/SecretNotFound Stalled=True/Held" + isolated + " RolledOut=False/Held",
		health: "Degraded", message: []string{"Stalled"},
	},
	{
		name: "the stack is open", line: "Observed Ready=False/$ Stalled=True/$ NetworkIsolated=False/$" + complete,
		reasons: []string{"Breached", "NotEnforcedByCNI"}, health: "Degraded", message: []string{"NetworkIsolated"}, kstatus: "Failed",
	},
	{
		name: "the stack is open, and something else needs a user", kstatus: "Failed",
		line:    "Observed Ready=False/PeersNeeded Stalled=True/PeersNeeded NetworkIsolated=False/$" + complete,
		reasons: []string{"Breached", "NotEnforcedByCNI"}, health: "Degraded", message: []string{"NetworkIsolated"},
	},
	{
		name: "the stack is open while it is suspended", kstatus: "Failed",
		line:    "Observed Ready=False/$ Stalled=True/$ NetworkIsolated=False/$" + complete + " Paused=True/Suspended",
		reasons: []string{"Breached", "NotEnforcedByCNI"}, health: "Degraded", message: []string{"NetworkIsolated"},
	},
	{
		name: "a reason that a later operator may have", line: "Observed Ready=False/Other Stalled=True/Other NetworkIsolated=False/Other",
		health: "Degraded", message: []string{"NetworkIsolated"}, kstatus: "Failed",
	},

	// Suspended.
	{
		name: "suspended", line: healthy + " Paused=True/Suspended",
		health: "Suspended", message: []string{"Paused"}, kstatus: "Current",
	},
	{
		name: "suspended a moment ago", line: healthy, changes: []func(map[string]any){suspend},
		health: "Suspended", message: []string{isPaused}, kstatus: "Current",
	},
	{
		name: "suspended from the beginning", line: "", changes: []func(map[string]any){suspend},
		health: "Suspended", message: []string{isPaused}, kstatus: "Current", flux: "Unknown",
	},
	{
		name: "suspended, and policies are pending", kstatus: "InProgress",
		line: "Observed Ready=False/PoliciesNotInPlace NetworkIsolated=False/PoliciesNotInPlace" + complete +
			" Paused=True/Suspended",
		health: "Suspended", message: []string{"Paused", "Ready"},
	},
	{
		name:    "suspended, and something needs a user",
		line:    "Observed Ready=False/$ Stalled=True/$" + isolated + " RolledOut=False/Held Paused=True/Suspended",
		reasons: []string{"Held", "PeersNeeded", "Forbidden"}, health: "Suspended", message: []string{"Paused", "Stalled"}, kstatus: "Failed",
	},
}

// each calls a function with every situation of the table: one for each reason.
func each(t *testing.T, test func(t *testing.T, s situation)) {
	t.Helper()
	for _, s := range situations {
		if len(s.reasons) == 0 {
			t.Run(s.name, func(t *testing.T) { test(t, s) })
		}
		for _, reason := range s.reasons {
			one := s
			one.line = strings.ReplaceAll(s.line, "$", reason)
			t.Run(s.name+"/"+reason, func(t *testing.T) { test(t, one) })
		}
	}
}

// TestEveryReasonHasASituation reads the reasons of the API.
func TestEveryReasonHasASituation(t *testing.T) {
	g := NewWithT(t)
	named := map[string]bool{}
	each(t, func(_ *testing.T, s situation) {
		if s.line == "" {
			return
		}
		_, fields := parse(s.line)
		for _, f := range fields {
			named[f.reason] = true
		}
	})
	file, err := parser.ParseFile(token.NewFileSet(), root+"/api/v1alpha1/conditions.go", nil, 0)
	g.Expect(err).NotTo(HaveOccurred())
	count := 0
	ast.Inspect(file, func(n ast.Node) bool {
		value, isValue := n.(*ast.ValueSpec)
		if !isValue || !strings.HasPrefix(value.Names[0].Name, "Reason") {
			return true
		}
		reason, err := strconv.Unquote(value.Values[0].(*ast.BasicLit).Value)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(named).To(HaveKey(reason), "no situation has the reason %s: add it to the table, with the health that it means", reason)
		count++
		return true
	})
	g.Expect(count).To(BeNumerically(">", 50))
}
