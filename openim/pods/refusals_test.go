package pods_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

// template returns a template that is written as YAML.
func template(t testing.TB, text string) *runtime.RawExtension {
	t.Helper()
	raw, err := yaml.YAMLToJSON([]byte(text))
	NewWithT(t).Expect(err).NotTo(HaveOccurred(), text)
	return &runtime.RawExtension{Raw: raw}
}

// stackOf returns a stack with templates.
func stackOf(spec *v1alpha1.Pods) *v1alpha1.OpenIMStack {
	stack := &v1alpha1.OpenIMStack{}
	stack.Name, stack.Spec.Pods = "chat", spec
	return stack
}

// own returns the template of the component's own container with a field.
func own(field string) string { return "spec: {containers: [{name: component, " + field + "}]}" }

// extra returns the template of another container with a field.
func extra(field string) string {
	return "spec: {containers: [{name: agent, image: agent:1, " + field + "}]}"
}

// volume returns a template with a volume.
func volume(source string) string { return "spec: {volumes: [{name: files, " + source + "}]}" }

const private = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,.svc"

// refusals are templates that are refused: the field below the template, and a part of the reason.
var refusals = []struct{ template, field, why string }{
	// What would leave the network or the pod.
	{"spec: {hostNetwork: true}", "spec.hostNetwork", "leave the network"},
	{"spec: {hostNetwork: false}", "spec.hostNetwork", "remove it"},
	{"spec: {hostPID: true}", "spec.hostPID", "processes of its node"},
	{"spec: {hostIPC: true}", "spec.hostIPC", "memory of its node"},
	{"spec: {shareProcessNamespace: true}", "spec.shareProcessNamespace", "process 1"},
	{"spec: {nodeName: node-1}", "spec.nodeName", "nodeSelector or affinity"},
	{extra("ports: [{containerPort: 80, hostPort: 80}]"), "spec.containers[agent].ports[80].hostPort", "leave the network"},
	{extra("ports: [{containerPort: 80, hostIP: 192.0.2.1}]"), "spec.containers[agent].ports[80].hostIP", "leave the network"},
	{extra("ports: [{containerPort: 80, name: http}]"), "spec.containers[agent].ports[80].name", "remove the name"},
	{volume("hostPath: {path: /}"), "spec.volumes[files].hostPath", "files of the node"},
	{own("volumeMounts: [{name: files, mountPath: /srv, mountPropagation: Bidirectional}]"),
		"spec.containers[component].volumeMounts[/srv].mountPropagation", "reach the node"},
	{extra("volumeMounts: [{name: files, mountPath: /srv, mountPropagation: Bidirectional}]"),
		"spec.containers[agent].volumeMounts[/srv].mountPropagation", "reach the node"},
	{"metadata: {annotations: {k8s.v1.cni.cncf.io/networks: other}}", "metadata.annotations", "no policy seals"},
	{"metadata: {annotations: {v1.multus-cni.io/default-network: other}}", "metadata.annotations", "no policy seals"},

	// What would make the pod's own boundaries void: the node's disk, its kernel, its network.
	{own("securityContext: {privileged: true}"), "spec.containers[component].securityContext.privileged", "the node"},
	{extra("securityContext: {privileged: true}"), "spec.containers[agent].securityContext.privileged", "the node"},
	{own("securityContext: {privileged: true, allowPrivilegeEscalation: true, runAsUser: 0, runAsNonRoot: false}"),
		"spec.containers[component].securityContext.privileged", "the node"},
	{"spec: {initContainers: [{name: first, image: first:1, securityContext: {privileged: true}}]}",
		"spec.initContainers[first].securityContext.privileged", "the node"},
	{own("securityContext: {procMount: Unmasked}"), "spec.containers[component].securityContext.procMount", "kernel"},
	{extra("securityContext: {procMount: unmasked}"), "spec.containers[agent].securityContext.procMount", "kernel"},
	{own("securityContext: {capabilities: {add: [NET_ADMIN]}}"),
		"spec.containers[component].securityContext.capabilities.add[0]", "NET_BIND_SERVICE"},
	{extra("securityContext: {capabilities: {add: [NET_BIND_SERVICE, SYS_ADMIN]}}"),
		"spec.containers[agent].securityContext.capabilities.add[1]", "NET_BIND_SERVICE"},
	{extra("securityContext: {capabilities: {add: [ALL]}}"), "spec.containers[agent].securityContext.capabilities.add[0]", "NET_BIND_SERVICE"},
	{extra("securityContext: {capabilities: {add: [CAP_NET_RAW]}}"), "spec.containers[agent].securityContext.capabilities.add[0]", "remove"},
	{extra("securityContext: {capabilities: {add: ['']}}"), "spec.containers[agent].securityContext.capabilities.add[0]", "remove"},
	{"spec: {securityContext: {sysctls: [{name: net.ipv4.ip_forward, value: '1'}]}}", "spec.securityContext.sysctls", "kernel"},
	{"spec: {securityContext: {windowsOptions: {hostProcess: true}}}", "spec.securityContext.windowsOptions", "Linux"},
	{own("securityContext: {windowsOptions: {hostProcess: true}}"), "spec.containers[component].securityContext.windowsOptions", "Linux"},
	{extra("securityContext: {windowsOptions: {hostProcess: true}}"), "spec.containers[agent].securityContext.windowsOptions", "Linux"},

	// Programs of others in the component's own container, which no ExtraContainer discloses.
	{own("lifecycle: {postStart: {exec: {command: [/srv/tool]}}}"), "spec.containers[component].lifecycle.postStart.exec",
		"a container of its own"},
	{own("lifecycle: {preStop: {exec: {command: [/srv/tool]}}}"), "spec.containers[component].lifecycle.preStop.exec", "sleep"},
	{own("lifecycle: {preStop: {exec: {}}}"), "spec.containers[component].lifecycle.preStop.exec", "remove it"},
	{own("env: [{name: LD_PRELOAD, value: /srv/tool.so}]"), "spec.containers[component].env[LD_PRELOAD]", "another program"},
	{own("env: [{name: LD_LIBRARY_PATH, value: /srv}]"), "spec.containers[component].env[LD_LIBRARY_PATH]", "another program"},
	{own("env: [{name: SSL_CERT_DIR, value: /srv/ca}]"), "spec.containers[component].env[SSL_CERT_DIR]", "spec.dependencies"},
	{own("env: [{name: MONGODB_CONNECTION_STRING, value: a}]"), "spec.containers[component].env[MONGODB_CONNECTION_STRING]",
		"spec.dependencies"},
	{own("env: [{name: LD_AUDIT, valueFrom: {configMapKeyRef: {name: a, key: b}}}]"), "spec.containers[component].env[LD_AUDIT]",
		"another program"},
	{own("envFrom: [{prefix: LD_, configMapRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("envFrom: [{prefix: LD_PRE, configMapRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("envFrom: [{prefix: L, configMapRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("volumeMounts: [{name: files, mountPath: /lib64}]"), "spec.containers[component].volumeMounts[/lib64]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /sbin}]"), "spec.containers[component].volumeMounts[/sbin]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /etc/ld.so.preload, subPath: a}]"),
		"spec.containers[component].volumeMounts[/etc/ld.so.preload]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /etc/ld.so.conf.d/x.conf, subPath: a}]"),
		"spec.containers[component].volumeMounts[/etc/ld.so.conf.d/x.conf]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /etc/ld-musl-x86_64.path, subPath: a}]"),
		"spec.containers[component].volumeMounts[/etc/ld-musl-x86_64.path]", "would hide"},

	// Identities.
	{"spec: {serviceAccountName: admin}", "spec.serviceAccountName", "account of its own"},
	{"spec: {serviceAccount: admin}", "spec.serviceAccount", "account of its own"},
	{"spec: {automountServiceAccountToken: true}", "spec.automountServiceAccountToken", "token"},
	{volume("projected: {sources: [{serviceAccountToken: {path: token}}]}"),
		"spec.volumes[files].projected.sources[0].serviceAccountToken", "token"},
	{volume("projected: {sources: [{podCertificate: {signerName: a/b, keyType: ED25519}}]}"),
		"spec.volumes[files].projected.sources[0].podCertificate", "identity"},
	{volume("projected: {sources: [{clusterTrustBundle: {name: a, path: b}}]}"),
		"spec.volumes[files].projected.sources[0].clusterTrustBundle", "docs/pods.md"},
	{volume("ephemeral: {}"), "spec.volumes[files].ephemeral", "persistentVolumeClaim"},
	{volume("nfs: {server: a, path: /}"), "spec.volumes[files].nfs", "docs/pods.md"},
	{volume("image: {reference: a}"), "spec.volumes[files].image", "docs/pods.md"},
	{"spec: {volumes: [{name: files}]}", "spec.volumes[files]", "no source"},
	{volume("emptyDir: {}, secret: {secretName: a}"), "spec.volumes[files]", "several"},

	// What the operator decides.
	{own("command: [sh]"), "spec.containers[component].command", "the operator sets it"},
	{own("args: [x]"), "spec.containers[component].args", "the operator sets it"},
	{own("image: other"), "spec.containers[component].image", "spec.image"},
	{own("imagePullPolicy: Always"), "spec.containers[component].imagePullPolicy", "spec.image.pullPolicy"},
	{own("ports: [{containerPort: 80}]"), "spec.containers[component].ports", "the component's own ports"},
	{own("livenessProbe: {exec: {command: [x]}}"), "spec.containers[component].livenessProbe", "the operator sets it"},
	{own("readinessProbe: {periodSeconds: 1}"), "spec.containers[component].readinessProbe", "the operator sets it"},
	{own("startupProbe: {periodSeconds: 1}"), "spec.containers[component].startupProbe", "the operator sets it"},
	{own("lifecycle: {stopSignal: SIGKILL}"), "spec.containers[component].lifecycle.stopSignal", "the operator sets it"},
	{own("workingDir: /tmp"), "spec.containers[component].workingDir", "the operator sets it"},
	{own("terminationMessagePath: /x"), "spec.containers[component].terminationMessagePath", "the operator sets it"},
	{own("terminationMessagePolicy: File"), "spec.containers[component].terminationMessagePolicy", "the operator sets it"},
	{own("resources: {claims: [{name: gpu}]}"), "spec.containers[component].resources.claims", "docs/pods.md"},
	{own("restartPolicy: Never"), "spec.containers[component].restartPolicy", "docs/pods.md"},
	{own("stdin: true"), "spec.containers[component].stdin", "docs/pods.md"},
	{"spec: {ephemeralContainers: [{name: a}]}", "spec.ephemeralContainers", "kubectl debug"},
	{"spec: {restartPolicy: Never}", "spec.restartPolicy", "remove it"},
	{"spec: {enableServiceLinks: true}", "spec.enableServiceLinks", "configuration"},
	{"spec: {activeDeadlineSeconds: 1}", "spec.activeDeadlineSeconds", "docs/pods.md"},
	{"spec: {readinessGates: [{conditionType: a/b}]}", "spec.readinessGates", "docs/pods.md"},
	{"spec: {hostname: a}", "spec.hostname", "docs/pods.md"},
	{"spec: {dnsPolicy: None}", "spec.dnsPolicy", "docs/pods.md"},
	{"spec: {terminationGracePeriodSeconds: 0}", "spec.terminationGracePeriodSeconds", "without notice"},
	{"metadata: {name: x}", "metadata.name", "docs/pods.md"},
	{"metadata: {finalizers: [a/b]}", "metadata.finalizers", "docs/pods.md"},

	// The operator's containers, volumes and folders.
	{"spec: {containers: [{name: prepare, image: x}]}", "spec.containers[prepare]", "a container of the operator"},
	{"spec: {initContainers: [{name: prepare, image: x}]}", "spec.initContainers[prepare]", "a container of the operator"},
	{"spec: {initContainers: [{name: component, image: x}]}", "spec.initContainers[component]", "a container of the operator"},
	{"spec: {initContainers: [{name: gateway, image: x}]}", "spec.initContainers[gateway]", "a container of the operator"},
	{"spec: {containers: [{name: openim-push, image: x}]}", "spec.containers[openim-push]", "a container of the operator"},
	{"spec: {containers: [{name: check, image: x}]}", "spec.containers[check]", "a container of the operator"},
	{"spec: {containers: [{name: idle, image: x}]}", "spec.containers[idle]", "a container of the operator"},
	{"spec: {containers: [{name: agnet}]}", "spec.containers[agnet]", "it has no image"},
	{"spec: {containers: [{image: x}]}", "spec.containers[0]", "it has no name"},
	{"spec: {containers: [{name: a, image: x}, {name: a, image: z}]}", "spec.containers[a]", "two entries"},
	{"spec: {volumes: [{name: config, emptyDir: {}}]}", "spec.volumes[config]", "the operator's"},
	{"spec: {volumes: [{name: ca-jwks-3, emptyDir: {}}]}", "spec.volumes[ca-jwks-3]", "the operator's"},
	{own("volumeMounts: [{name: share, mountPath: /srv}]"), "spec.containers[component].volumeMounts[/srv]", "the operator's"},
	{extra("volumeMounts: [{name: share, mountPath: /srv}]"), "spec.containers[agent].volumeMounts[/srv]", "the operator's"},
	{own("volumeMounts: [{name: files, mountPath: /etc/openim}]"), "spec.containers[component].volumeMounts[/etc/openim]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /etc//openim/}]"), "spec.containers[component].volumeMounts[/etc//openim/]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /srv/../etc}]"), "spec.containers[component].volumeMounts[/srv/../etc]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /}]"), "spec.containers[component].volumeMounts[/]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: /run/supervisor/x}]"),
		"spec.containers[component].volumeMounts[/run/supervisor/x]", "would hide"},
	{own("volumeMounts: [{name: files, mountPath: srv}]"), "spec.containers[component].volumeMounts[srv]", "absolute path"},
	{own("volumeMounts: [{name: files, mountPath: /srv}, {name: more, mountPath: /srv}]"),
		"spec.containers[component].volumeMounts[/srv]", "two entries"},

	// Labels that selectors have.
	{"metadata: {labels: {app.kubernetes.io/component: api}}", "metadata.labels", "select pods by these"},
	{"metadata: {labels: {App.Kubernetes.io/name: x}}", "metadata.labels", "select pods by these"},
	{"metadata: {labels: {openimstack.dev/x: z}}", "metadata.labels", "the operator reads these"},
	{"metadata: {annotations: {openimstack.dev/template: z}}", "metadata.annotations", "the operator reads these"},
	{"metadata: {annotations: {x.openimstack.dev/y: z}}", "metadata.annotations", "the operator reads these"},
	{"metadata: {labels: {pod-template-hash: z}}", "metadata.labels", "Deployments find"},
	{"metadata: {annotations: {seccomp.security.alpha.kubernetes.io/pod: unconfined}}", "metadata.annotations", "seccompProfile"},
	{"metadata: {annotations: {container.apparmor.security.beta.kubernetes.io/gateway: unconfined}}",
		"metadata.annotations", "appArmorProfile"},

	// Variables that OpenIM reads.
	{own("env: [{name: IMENV_SHARE_SECRET, value: x}]"), "spec.containers[component].env[IMENV_SHARE_SECRET]", "configuration"},
	{own("env: [{name: imenv_share_secret, value: x}]"), "spec.containers[component].env[imenv_share_secret]", "configuration"},
	{own("env: [{name: USER, value: x}]"), "spec.containers[component].env[USER]", "configuration"},
	{own("env: [{name: USER_TOPIC, value: x}]"), "spec.containers[component].env[USER_TOPIC]", "configuration"},
	{own("env: [{name: GROUP, value: x}]"), "spec.containers[component].env[GROUP]", "configuration"},
	{own("env: [{name: GROUP_X, value: x}]"), "spec.containers[component].env[GROUP_X]", "configuration"},
	{own("env: [{name: FRIEND, value: x}]"), "spec.containers[component].env[FRIEND]", "configuration"},
	{own("env: [{name: FRIEND_X, value: x}]"), "spec.containers[component].env[FRIEND_X]", "configuration"},
	{own("env: [{name: CONVERSATION, value: x}]"), "spec.containers[component].env[CONVERSATION]", "configuration"},
	{own("env: [{name: CONVERSATION_X, value: x}]"), "spec.containers[component].env[CONVERSATION_X]", "configuration"},
	{own("env: [{name: CONFIG_PATH, value: x}]"), "spec.containers[component].env[CONFIG_PATH]", "configuration"},
	{own("env: [{name: POD_IP, value: x}]"), "spec.containers[component].env[POD_IP]", "configuration"},
	{own("envFrom: [{secretRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("envFrom: [{prefix: IMENV_, secretRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("envFrom: [{prefix: IM, secretRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("envFrom: [{prefix: USER_A, secretRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("envFrom: [{prefix: HTTPS_, secretRef: {name: a}}]"), "spec.containers[component].envFrom[0]", "write a prefix"},
	{own("env: [{name: HTTPS_PROXY, value: x}]"), "spec.containers[component].env", "write NO_PROXY"},
	{own("env: [{name: https_proxy, value: x}, {name: NO_PROXY, value: 10.0.0.0/8}]"), "spec.containers[component].env", "write at least"},
	{own("env: [{name: HTTPS_PROXY, value: x}, {name: NO_PROXY, value: x}, {name: no_proxy, value: '" + private + "'}]"),
		"spec.containers[component].env", "write at least"},
	{own("env: [{name: NO_PROXY, value: x}]"), "spec.containers[component].env", "write at least"}, // another template may have the proxy
	{own("env: [{name: NO_PROXY, valueFrom: {configMapKeyRef: {name: a, key: b}}}]"), "spec.containers[component].env", "write at least"},

	// What would remove something in a merge, and what is no template.
	{"metadata: {labels: {$patch: replace}}", "metadata.labels.$patch", "instruction for a merge"},
	{"spec: {nodeSelector: {$patch: delete}}", "spec.nodeSelector.$patch", "instruction for a merge"},
	{"metadata: {labels: null}", "metadata.labels", "null would remove"},
	{"spec: {containers: null}", "spec.containers", "null would remove"},
	{"spec: {securityContext: null}", "spec.securityContext", "null would remove"},
	{"spec: null", "spec", "null would remove"},
	{own("env: [{name: A, value: null}]"), "spec.containers[component].env[A].value", "null would remove"},
	{"spec: {tolerations: [null]}", "spec.tolerations[0]", "null would remove"},
	{"spec: {containers: [null]}", "spec.containers[0]", "it has no name"},
	{"spec: {tolerationz: []}", "", `unknown field "spec.tolerationz"`},
	{"spec: {HostNetwork: true}", "", `unknown field "spec.HostNetwork"`},
	{"spec: {containers: [{name: component, $patch: delete}]}", "", `unknown field "spec.containers[0].$patch"`},
	{"spec: {$setElementOrder/containers: []}", "", `unknown field`},
	{"status: {}", "", `unknown field "status"`},
	{"spec: {priorityClassName: 5}", "", "cannot unmarshal"},
	{"[]", "", "no PodTemplateSpec"},
	{"null", "", "write an object"},
	{"metadata: {annotations: {a: '" + strings.Repeat("x", 16<<10) + "'}}", "", "shorten it"},
}

func TestWhatIsRefused(t *testing.T) {
	for _, c := range refusals {
		t.Run(fmt.Sprintf("%.70s", c.template), func(t *testing.T) {
			g := NewWithT(t)
			spec := &v1alpha1.Pods{Template: template(t, c.template)}
			field := strings.TrimSuffix("spec.pods.template."+c.field, ".")
			found := refusalsOf(stackOf(spec))
			g.Expect(found).To(ContainElement(And(HaveField("Field", field), HaveField("Why", ContainSubstring(c.why)))))
			g.Expect(found).To(HaveEach(HaveField("Why", MatchRegexp("(write|remove|use|correct|leave|shorten|describe) ?"))), "each has a remedy")
			g.Expect(pods.Exceptions(spec)).To(BeEmpty(), "it reaches no pod")

			spec = &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "rpc", Template: template(t, c.template)}}}
			g.Expect(refusalsOf(stackOf(spec))).To(ContainElement(HaveField("Field", HavePrefix("spec.pods.components[rpc].template"))))
		})
	}
}

// What a template may hold, all at once.
const everything = `
metadata: {labels: {team: chat, example.com/tier: front}, annotations: {prometheus.io/scrape: "false"}}
spec:
  nodeSelector: {disk: ssd}
  affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: zone, labelSelector: {matchLabels: {a: b}}}]}}
  tolerations: [{key: dedicated, value: chat, effect: NoSchedule}]
  topologySpreadConstraints: [{topologyKey: topology.kubernetes.io/zone, maxSkew: 1, whenUnsatisfiable: DoNotSchedule}]
  priorityClassName: messaging
  preemptionPolicy: Never
  schedulerName: other
  runtimeClassName: gvisor
  terminationGracePeriodSeconds: 90
  imagePullSecrets: [{name: registry}]
  hostAliases: [{ip: 192.0.2.1, hostnames: [kafka.example.com]}]
  dnsConfig: {options: [{name: ndots, value: "2"}]}
  securityContext: {fsGroup: 2000, fsGroupChangePolicy: OnRootMismatch, supplementalGroups: [3000]}
  volumes:
  - {name: files, configMap: {name: files}}
  - {name: keys, secret: {secretName: keys}}
  - {name: both, projected: {sources: [{secret: {name: keys}}, {configMap: {name: files}}, {downwardAPI: {}}]}}
  - {name: scratch, emptyDir: {sizeLimit: 1Gi}}
  - {name: vault, csi: {driver: secrets-store.csi.k8s.io, readOnly: true}}
  - {name: labels, downwardAPI: {items: [{path: labels, fieldRef: {fieldPath: metadata.labels}}]}}
  - {name: claim, persistentVolumeClaim: {claimName: claim}}
  initContainers: [{name: first, image: first:1, restartPolicy: Always}]
  containers:
  - name: component
    env:
    - {name: GOMEMLIMIT, value: 900MiB}
    - {name: FROM_SECRET, valueFrom: {secretKeyRef: {name: user, key: GROUP}}}
    - {name: HTTPS_PROXY, value: "http://proxy.example.com:3128"}
    - {name: NO_PROXY, value: "example.com, 10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,fc00::/7,.svc"}
    envFrom: [{prefix: APP_, configMapRef: {name: files}}]
    volumeMounts: [{name: files, mountPath: /srv/files, readOnly: true}]
    resources: {limits: {cpu: "2"}, requests: {cpu: 200m}}
    securityContext: {runAsUser: 1000}
    lifecycle: {postStart: {httpGet: {port: 80}}, preStop: {sleep: {seconds: 5}}}
  - {name: agent, lifecycle: {preStop: {exec: {command: [agent, stop]}}}, image: agent:1, command: [agent], args: [--all], env: [{name: USER, value: agent}], ports: [{containerPort: 9999}],
     volumeMounts: [{name: files, mountPath: /etc/openim}], livenessProbe: {httpGet: {port: 9999}}, resources: {limits: {memory: 64Mi}}}
`

func TestWhatIsTaken(t *testing.T) {
	g := NewWithT(t)
	spec := &v1alpha1.Pods{Template: template(t, everything)}
	g.Expect(refusalsOf(stackOf(spec))).To(BeEmpty())
	g.Expect(refusalsOf(stackOf(nil))).To(BeEmpty())
	g.Expect(refusalsOf(stackOf(&v1alpha1.Pods{Template: template(t, "{}")}))).To(BeEmpty())
	gateway := template(t, "spec: {containers: [{name: gateway, resources: {limits: {memory: 1Gi}}}]}")
	g.Expect(refusalsOf(stackOf(&v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "gateway", Template: gateway}}}))).To(BeEmpty())
	backend := &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: "backend", Template: gateway}}}
	g.Expect(refusalsOf(stackOf(backend))).NotTo(BeEmpty())
}

func TestNoValueOfATemplateIsRepeated(t *testing.T) {
	for _, text := range []string{
		own("env: [{name: IMENV_A, value: hunter2}]"),
		own("env: [{name: A, value: {a: hunter2}}]"), own("env: hunter2"), "spec: {hostNetwork: hunter2}",
		"spec: {containers: [{name: component, env: [{value: hunter2}]}]}",
		`{"spec":{"priorityClassName":"hunter2","priorityClassName":"hunter3"}}`,
		"metadata: {annotations: {openimstack.dev/x: hunter2}}",
	} {
		raw := []byte(text)
		if converted, err := yaml.YAMLToJSON(raw); err == nil && raw[0] != '{' {
			raw = converted
		}
		g := NewWithT(t)
		found := refusalsOf(stackOf(&v1alpha1.Pods{Template: &runtime.RawExtension{Raw: raw}}))
		g.Expect(found).NotTo(BeEmpty(), text)
		g.Expect(fmt.Sprint(found)).NotTo(ContainSubstring("hunter"), text)
	}
}

// A status whose text changes is written again, and starts the next reconciliation.
func TestTheSameTemplateIsAlwaysRefusedWithTheSameText(t *testing.T) {
	g := NewWithT(t)
	const reserved = "{pod-template-hash: z, openimstack.dev/x: z, app.kubernetes.io/name: z}"
	spec := &v1alpha1.Pods{Template: template(t, "metadata: {labels: "+reserved+", annotations: "+reserved+"}")}
	first := refusalsOf(stackOf(spec))
	g.Expect(first).To(HaveEach(HaveField("Why", HavePrefix("app.kubernetes.io/name: "))), "the first by name")
	for range 50 {
		g.Expect(refusalsOf(stackOf(spec))).To(Equal(first))
	}
}

func TestOneTemplateReportsEightFieldsAtMost(t *testing.T) {
	var env []string
	for i := range 40 {
		env = append(env, fmt.Sprintf("{name: IMENV_%d}", i))
	}
	spec := &v1alpha1.Pods{Template: template(t, own("env: ["+strings.Join(env, ",")+"]"))}
	NewWithT(t).Expect(refusalsOf(stackOf(spec))).To(HaveLen(8))
}

func TestTheSizeOfAllTemplatesIsBounded(t *testing.T) {
	g := NewWithT(t)
	of := func(bytes int) *runtime.RawExtension {
		return template(t, "metadata: {annotations: {a: '"+strings.Repeat("x", bytes-len(`{"metadata":{"annotations":{"a":""}}}`))+"'}}")
	}
	spec := &v1alpha1.Pods{Template: of(16 << 10), Components: []v1alpha1.ComponentPods{{Name: "rpc", Template: of(16 << 10)}}}
	g.Expect(refusalsOf(stackOf(spec))).To(BeEmpty())
	spec.Components = append(spec.Components, v1alpha1.ComponentPods{Name: "api", Template: template(t, "{}")})
	g.Expect(refusalsOf(stackOf(spec))).To(ConsistOf(HaveField("Field", "spec.pods")))

	// A run revision writes some characters as six bytes.
	spec = &v1alpha1.Pods{Template: template(t, "metadata: {annotations: {a: '"+strings.Repeat("<", 3000)+"'}}")}
	g.Expect(refusalsOf(stackOf(spec))).To(ConsistOf(HaveField("Why", ContainSubstring("shorten it"))))
}
