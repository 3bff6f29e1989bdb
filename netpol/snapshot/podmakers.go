package snapshot

import (
	"encoding/json"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Third-party kinds that create pods. They matter in manifests only: in a cluster, their pods exist and are read as pods.

// podMakers hold the paths to the pod templates of an object. A template has metadata and spec. "." is the object itself.
var podMakers = map[schema.GroupKind][]string{
	{Kind: "PodTemplate"}: {"template"},
	{Group: "apps.openshift.io", Kind: "DeploymentConfig"}:           {"spec.template"},
	{Group: "argoproj.io", Kind: "Rollout"}:                          {"spec.template"},
	{Group: "kubevirt.io", Kind: "VirtualMachine"}:                   {"spec.template"},
	{Group: "kubevirt.io", Kind: "VirtualMachineInstance"}:           {"."},
	{Group: "kubevirt.io", Kind: "VirtualMachineInstanceReplicaSet"}: {"spec.template"},
	{Group: "pool.kubevirt.io", Kind: "VirtualMachinePool"}:          {"spec.virtualMachineTemplate.spec.template"},
	{Group: "apps.kruise.io", Kind: "CloneSet"}:                      {"spec.template"},
	{Group: "apps.kruise.io", Kind: "StatefulSet"}:                   {"spec.template"},
	{Group: "apps.kruise.io", Kind: "DaemonSet"}:                     {"spec.template"},
	{Group: "apps.kruise.io", Kind: "BroadcastJob"}:                  {"spec.template"},
	{Group: "apps.kruise.io", Kind: "AdvancedCronJob"}: {
		"spec.template.jobTemplate.spec.template",
		"spec.template.broadcastJobTemplate.spec.template",
	},
	{Group: "apps.kruise.io", Kind: "UnitedDeployment"}: {
		"spec.template.statefulSetTemplate.spec.template", "spec.template.advancedStatefulSetTemplate.spec.template",
		"spec.template.cloneSetTemplate.spec.template", "spec.template.deploymentTemplate.spec.template",
	},
	{Group: "serving.knative.dev", Kind: "Service"}:       {"spec.template"},
	{Group: "serving.knative.dev", Kind: "Configuration"}: {"spec.template"},
	{Group: "serving.knative.dev", Kind: "Revision"}:      {"."},
	{Group: "batch.volcano.sh", Kind: "Job"}:              {"spec.tasks[].template"},
	{Group: "leaderworkerset.x-k8s.io", Kind: "LeaderWorkerSet"}: {
		"spec.leaderWorkerTemplate.leaderTemplate",
		"spec.leaderWorkerTemplate.workerTemplate",
	},
	{Group: "jobset.x-k8s.io", Kind: "JobSet"}:                {"spec.replicatedJobs[].template.spec.template"},
	{Group: "agones.dev", Kind: "GameServer"}:                 {"spec.template"},
	{Group: "agones.dev", Kind: "Fleet"}:                      {"spec.template.spec.template"},
	{Group: "sparkoperator.k8s.io", Kind: "SparkApplication"}: {"spec.driver.template", "spec.executor.template"},
}

// podMaker adds the pods that an object of a third-party kind creates.
func (c *collection) podMaker(at position, gvk schema.GroupVersionKind, paths []string, object map[string]any) error {
	fresh, err := c.register(at, gvk, object, false)
	if err != nil || !fresh {
		return err
	}
	owner := &unstructured.Unstructured{Object: object}
	for _, path := range paths {
		templates := []any{object}
		if path != "." {
			templates = valuesAt(object, path)
		}
		for _, template := range templates {
			if t, ok := template.(map[string]any); ok {
				c.pod(gvk.Kind, podOf(gvk, owner, templateOf(t)))
			}
		}
	}
	return nil
}

// templateOf reads a pod template and ignores fields of another type than a pod's, such as most fields of a virtual machine.
func templateOf(object map[string]any) corev1.PodTemplateSpec {
	var template corev1.PodTemplateSpec
	u := unstructured.Unstructured{Object: object}
	template.ObjectMeta = metav1.ObjectMeta{Labels: u.GetLabels(), Annotations: u.GetAnnotations()}
	spec, _ := object["spec"].(map[string]any)
	for field, value := range spec {
		content, err := json.Marshal(map[string]any{field: value})
		if err != nil {
			continue
		}
		var one corev1.PodSpec
		if json.Unmarshal(content, &one) == nil {
			_ = json.Unmarshal(content, &template.Spec) // the line above has decoded the same content
		}
	}
	for _, name := range valuesAt(object, "spec.networks[].multus.networkName") {
		if network, ok := name.(string); ok { // KubeVirt sets the annotation on a virtual machine's pod
			template.Annotations = with(template.Annotations, AnnotationNetworks, network)
		}
	}
	return template
}

func with(annotations map[string]string, key, value string) map[string]string {
	all := map[string]string{key: value}
	for k, v := range annotations {
		if k != key {
			all[k] = v
		}
	}
	return all
}

// AnnotationNetworks adds network interfaces to a pod (Multus and others, by the Kubernetes Network Plumbing Working Group).
const AnnotationNetworks = "k8s.v1.cni.cncf.io/networks"
