package pods

import (
	"slices"
	"strings"
)

// Fields are named by their path. [own] is an entry of the component's own container, [extra] one of another container or init
// container, [] one of any other list, * a key of a map, and ** stands for all that is below.

// taken are the fields that a template may set.
var taken = slices.Concat([]string{
	"metadata.labels.*", "metadata.annotations.*",
	"spec.nodeSelector.*", "spec.affinity.**", "spec.tolerations[].**", "spec.topologySpreadConstraints[].**",
	"spec.priorityClassName", "spec.preemptionPolicy", "spec.schedulerName", "spec.runtimeClassName",
	"spec.terminationGracePeriodSeconds", "spec.imagePullSecrets[].name", "spec.hostAliases[].**", "spec.dnsConfig.**",
	"spec.securityContext.runAsUser", "spec.securityContext.runAsGroup", "spec.securityContext.runAsNonRoot",
	"spec.securityContext.fsGroup", "spec.securityContext.fsGroupChangePolicy", "spec.securityContext.supplementalGroups[].**",
	"spec.securityContext.supplementalGroupsPolicy", "spec.securityContext.seLinuxOptions.**", "spec.securityContext.seLinuxChangePolicy",
	"spec.securityContext.seccompProfile.**", "spec.securityContext.appArmorProfile.**",

	"spec.initContainers", "spec.volumes[].name", "spec.volumes[].configMap.**", "spec.volumes[].secret.**", "spec.volumes[].emptyDir.**",
	"spec.volumes[].csi.**", "spec.volumes[].downwardAPI.**", "spec.volumes[].persistentVolumeClaim.**",
	"spec.volumes[].projected.defaultMode", "spec.volumes[].projected.sources[].secret.**",
	"spec.volumes[].projected.sources[].configMap.**", "spec.volumes[].projected.sources[].downwardAPI.**",

	"spec.containers[own].name", "spec.containers[own].env[].**", "spec.containers[own].envFrom[].**",
	"spec.containers[own].volumeMounts[].name", "spec.containers[own].volumeMounts[].mountPath",
	"spec.containers[own].volumeMounts[].readOnly", "spec.containers[own].volumeMounts[].subPath",
	"spec.containers[own].volumeMounts[].recursiveReadOnly",
	"spec.containers[own].resources.limits.*", "spec.containers[own].resources.requests.*",
	"spec.containers[own].lifecycle.postStart.httpGet.**", "spec.containers[own].lifecycle.preStop.httpGet.**",
	"spec.containers[own].lifecycle.postStart.tcpSocket.**", "spec.containers[own].lifecycle.preStop.tcpSocket.**",
	"spec.containers[own].lifecycle.postStart.sleep.**", "spec.containers[own].lifecycle.preStop.sleep.**",

	"spec.containers[extra].name", "spec.containers[extra].image", "spec.containers[extra].imagePullPolicy",
	"spec.containers[extra].command[].**", "spec.containers[extra].args[].**", "spec.containers[extra].workingDir",
	"spec.containers[extra].env[].**", "spec.containers[extra].envFrom[].**", "spec.containers[extra].restartPolicy",
	"spec.containers[extra].ports[].containerPort", "spec.containers[extra].ports[].protocol",
	"spec.containers[extra].volumeMounts[].name", "spec.containers[extra].volumeMounts[].mountPath",
	"spec.containers[extra].volumeMounts[].readOnly", "spec.containers[extra].volumeMounts[].subPath",
	"spec.containers[extra].volumeMounts[].recursiveReadOnly",
	"spec.containers[extra].resources.limits.*", "spec.containers[extra].resources.requests.*",
	"spec.containers[extra].livenessProbe.**", "spec.containers[extra].readinessProbe.**", "spec.containers[extra].startupProbe.**",
	"spec.containers[extra].lifecycle.postStart.**", "spec.containers[extra].lifecycle.preStop.**",
	"spec.containers[extra].terminationMessagePath", "spec.containers[extra].terminationMessagePolicy",
}, contextsOf("own"), contextsOf("extra"))

// contexts are the fields of a container's security context. They are taken of every container; some are exceptions.
var contexts = []string{
	"runAsUser", "runAsGroup", "runAsNonRoot", "allowPrivilegeEscalation", "privileged", "readOnlyRootFilesystem", "procMount",
	"capabilities.add[].**", "capabilities.drop[].**", "seccompProfile.**", "appArmorProfile.**", "seLinuxOptions.**",
}

const (
	leavesThePolicies = "the pod would leave the network that the stack's policies seal: remove it"
	isOurs            = "the operator sets it, and readiness, restarts and rollouts rely on it: remove it"
	ranInside         = "it runs a program with the credentials of the component: remove it, and use sleep, httpGet or a container of its own"
	isLinux           = "the components are programs for Linux, and a hostProcess container of Windows runs on the node itself: remove it"
	noToken           = "no component calls the API server, and a token would let whoever holds the pod do so: remove it"
)

// refused says why a field is refused. A field that is in no table is refused, too.
var refused = map[string]string{
	"spec.hostNetwork":                  leavesThePolicies,
	"spec.hostPID":                      "the pod would see the processes of its node: remove it",
	"spec.hostIPC":                      "the pod would share the memory of its node: remove it",
	"spec.shareProcessNamespace":        "the supervisor must be process 1 of its container: remove it",
	"spec.nodeName":                     "it goes past the scheduler, also when the node is full or gone: write nodeSelector or affinity",
	"spec.serviceAccountName":           "each component has an account of its own, without rights: remove it",
	"spec.serviceAccount":               "each component has an account of its own, without rights: remove it",
	"spec.automountServiceAccountToken": noToken,
	"spec.securityContext.sysctls": "they set the kernel and the network of the pod: " +
		"have the cluster's administrator set them on the nodes, " +
		"and remove them",
	"spec.securityContext.windowsOptions":                   isLinux,
	"spec.containers[own].securityContext.windowsOptions":   isLinux,
	"spec.containers[extra].securityContext.windowsOptions": isLinux,
	"spec.ephemeralContainers":                              "they are added to a running pod: use kubectl debug",
	"spec.restartPolicy":                                    "a Deployment has Always: remove it",
	"spec.enableServiceLinks":                               "the variables of other Services would change OpenIM's configuration: remove it",
	"spec.volumes[].hostPath": "it holds files of the node: use a persistentVolumeClaim, a configMap, " +
		"a secret or an emptyDir",
	"spec.volumes[].projected.sources[].serviceAccountToken": noToken,
	"spec.volumes[].projected.sources[].podCertificate":      "it holds an identity for the API server: use a secret",
	"spec.volumes[].ephemeral":                               "use a persistentVolumeClaim or an emptyDir",
	"spec.containers[own].command":                           isOurs,
	"spec.containers[own].args":                              isOurs,
	"spec.containers[own].image":                             "write spec.image or spec.wrapper.image, whose release the operator knows",
	"spec.containers[own].imagePullPolicy":                   "write spec.image.pullPolicy",
	"spec.containers[own].ports":                             "the policies and Services are made for the component's own ports: remove them",
	"spec.containers[own].livenessProbe":                     isOurs,
	"spec.containers[own].readinessProbe":                    isOurs,
	"spec.containers[own].startupProbe":                      isOurs,
	"spec.containers[own].lifecycle.stopSignal":              isOurs,
	"spec.containers[own].lifecycle.postStart.exec":          ranInside,
	"spec.containers[own].lifecycle.preStop.exec":            ranInside,
	"spec.containers[own].workingDir":                        isOurs,
	"spec.containers[own].terminationMessagePath":            isOurs,
	"spec.containers[own].terminationMessagePolicy":          isOurs,
	"spec.containers[own].volumeMounts[].mountPropagation":   "mounts would reach the node: remove it",
	"spec.containers[extra].ports[].hostPort":                leavesThePolicies,
	"spec.containers[extra].ports[].hostIP":                  leavesThePolicies,
	"spec.containers[extra].ports[].name":                    "Services find the component's ports by name: remove the name",
	"spec.containers[extra].volumeMounts[].mountPropagation": "mounts would reach the node: remove it",
}

const notTaken = "it is not among the fields that a template may set (docs/pods.md): remove it"

// keys are the fields by which entries of lists are told apart when templates are merged.
var keys = map[string]string{
	"spec.containers": "name", "spec.initContainers": "name", "spec.volumes": "name", "spec.imagePullSecrets": "name",
	"spec.topologySpreadConstraints": "topologyKey", "spec.hostAliases": "ip",
	"spec.containers[own].env": "name", "spec.containers[own].volumeMounts": "mountPath",
	"spec.containers[extra].env": "name", "spec.containers[extra].volumeMounts": "mountPath", "spec.containers[extra].ports": "containerPort",
}

// contextsOf returns the paths of a container's security context.
func contextsOf(kind string) []string {
	var paths []string
	for _, field := range contexts {
		paths = append(paths, "spec.containers["+kind+"].securityContext."+field)
	}
	return paths
}

// whole are the paths of which everything below is taken. known are those, all other paths that are taken, and all that lead to one.
var whole, known = index()

func index() (whole, known map[string]bool) {
	whole, known = map[string]bool{}, map[string]bool{"": true}
	for _, pattern := range taken {
		path, deep := strings.CutSuffix(pattern, ".**")
		if deep {
			whole[path] = true
		}
		for path != "" {
			known[path] = true
			path = path[:max(strings.LastIndexAny(path, ".["), 0)]
		}
	}
	return whole, known
}
