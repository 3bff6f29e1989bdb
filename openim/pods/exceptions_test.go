package pods_test

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

// exceptions are templates that are taken and disclosed: the name of the exception, and a part of what is said.
var exceptions = []struct{ template, name, lets string }{
	{extra("command: [a]"), "ExtraContainer/rpc/agent", "container agent with image agent:1 runs in the pods of the rpc services"},
	{"spec: {initContainers: [{name: first, image: first:1}]}", "ExtraContainer/rpc/first", "first"},
	{own("securityContext: {allowPrivilegeEscalation: true}"), "PodSecurityLowered/rpc", "component's allowPrivilegeEscalation: true"},
	{own("securityContext: {runAsNonRoot: false}"), "PodSecurityLowered/rpc", "runAsNonRoot: false"},
	{own("securityContext: {runAsUser: 0}"), "PodSecurityLowered/rpc", "runAsUser: 0"},
	{own("securityContext: {readOnlyRootFilesystem: false}"), "PodSecurityLowered/rpc", "readOnlyRootFilesystem: false"},
	{own("securityContext: {capabilities: {drop: []}}"), "PodSecurityLowered/rpc", "drop without ALL"},
	{own("securityContext: {capabilities: {drop: [NET_RAW]}}"), "PodSecurityLowered/rpc", "drop without ALL"},
	{own("securityContext: {seccompProfile: {type: Unconfined}}"), "PodSecurityLowered/rpc", "seccompProfile"},
	{own("securityContext: {appArmorProfile: {type: Unconfined}}"), "PodSecurityLowered/rpc", "appArmorProfile"},
	{own("securityContext: {seLinuxOptions: {type: spc_t}}"), "PodSecurityLowered/rpc", "seLinuxOptions"},
	{own("lifecycle: {postStart: {httpGet: {host: 192.0.2.1, port: 80}}}"), "PodSecurityLowered/rpc", "another host"},
	{extra("securityContext: {allowPrivilegeEscalation: true, runAsUser: 0, runAsNonRoot: false}"), "PodSecurityLowered/rpc",
		"agent's runAsUser: 0"},
	{extra("securityContext: {seLinuxOptions: {type: spc_t}}"), "PodSecurityLowered/rpc", "agent's seLinuxOptions"},
	{"spec: {securityContext: {appArmorProfile: {type: Unconfined}}}", "PodSecurityLowered/rpc", "the pod's appArmorProfile"},
	{extra("livenessProbe: {tcpSocket: {host: 192.0.2.1, port: 80}}"), "PodSecurityLowered/rpc", "another host"},
	{"spec: {securityContext: {runAsNonRoot: false}}", "PodSecurityLowered/rpc", "the pod's runAsNonRoot: false"},
	{"spec: {securityContext: {runAsUser: 0}}", "PodSecurityLowered/rpc", "the pod's runAsUser: 0"},
	{"spec: {securityContext: {seccompProfile: {type: Unconfined}}}", "PodSecurityLowered/rpc", "the pod's seccompProfile"},
	{"spec: {securityContext: {seLinuxOptions: {role: sysadm_r}}}", "PodSecurityLowered/rpc", "the pod's seLinuxOptions"},
}

func TestWhatIsDisclosed(t *testing.T) {
	for _, c := range exceptions {
		t.Run(fmt.Sprintf("%.70s", c.template), func(t *testing.T) {
			g := NewWithT(t)
			spec := &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "rpc", Template: template(t, c.template)}}}
			g.Expect(refusalsOf(stackOf(spec))).To(BeEmpty())
			g.Expect(pods.Exceptions(spec)).To(ContainElement(And(
				HaveField("Name", c.name), HaveField("Lets", ContainSubstring(c.lets)), HaveField("Field", HavePrefix("spec.pods.components[rpc].")),
			)))
		})
	}
}

func TestWhatNeedsNoException(t *testing.T) {
	g := NewWithT(t)
	for _, text := range []string{
		"{}", "spec: {tolerations: [{operator: Exists}]}", own("securityContext: {runAsUser: 1000, capabilities: {add: [NET_BIND_SERVICE]}}"),
		own("securityContext: {seccompProfile: {type: Localhost, localhostProfile: a.json}, seLinuxOptions: {level: 's0:c1'}}"),
		own("resources: {limits: {memory: 2Gi}}"), own("securityContext: {privileged: false, procMount: Default}"),
		own("lifecycle: {preStop: {httpGet: {port: 80}}}"),
	} {
		spec := &v1alpha1.Pods{Template: template(t, text)}
		g.Expect(refusalsOf(stackOf(spec))).To(BeEmpty(), text)
		g.Expect(pods.Exceptions(spec)).To(BeEmpty(), text)
	}
	gateway := template(t, "spec: {containers: [{name: gateway, resources: {limits: {memory: 1Gi}}}]}")
	g.Expect(pods.Exceptions(&v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "gateway", Template: gateway}}})).To(BeEmpty())
}
