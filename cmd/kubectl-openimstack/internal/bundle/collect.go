package bundle

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/status"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/report"
	"github.com/openimstack/openim-operator/version"
)

const (
	// maxLines bounds the lines of one container's log that are asked for, maxLog the bytes that are read of them.
	maxLines = 5000
	maxLog   = 64 << 20
)

// kinds are the lists that are read in a namespace, by the name of their file. No Secret is among them.
func kinds() map[string]client.ObjectList {
	return map[string]client.ObjectList{
		"deployments": &appsv1.DeploymentList{}, "replicasets": &appsv1.ReplicaSetList{},
		"controllerrevisions": &appsv1.ControllerRevisionList{}, "pods": &corev1.PodList{}, "services": &corev1.ServiceList{},
		"endpointslices": &discoveryv1.EndpointSliceList{}, "configmaps": &corev1.ConfigMapList{},
		"serviceaccounts": &corev1.ServiceAccountList{}, "networkpolicies": &networkingv1.NetworkPolicyList{},
		"poddisruptionbudgets": &policyv1.PodDisruptionBudgetList{}, "resourcequotas": &corev1.ResourceQuotaList{},
		"horizontalpodautoscalers": &autoscalingv2.HorizontalPodAutoscalerList{},
		"limitranges":              &corev1.LimitRangeList{}, "events": &eventsv1.EventList{}, "ingresses": &networkingv1.IngressList{},
	}
}

// unlabelled are the kinds of which all objects of the stack's namespace are kept: those of others decide about the stack, too.
var unlabelled = []string{"networkpolicies", "ingresses", "resourcequotas", "limitranges", "events"}

// notOperators are the kinds that are not read in the operator's namespace: the operator has none of them.
var notOperators = []string{"configmaps", "ingresses"}

// collect reads everything but the audit.
func (c *collection) collect(ctx context.Context) {
	c.addObject("stack.yaml", c.stack)
	var text bytes.Buffer
	if err := status.Write(&text, c.stack); err != nil {
		c.omitError("status.txt", err)
	} else {
		c.add("status.txt", text.Bytes())
	}
	pods := c.addLists(ctx, "objects/", c.stack.Namespace, client.MatchingLabels(manifests.CommonLabels(c.stack.Name)))
	operators := c.addLists(ctx, "operator/", c.operatorNamespace, client.MatchingLabels{v1alpha1.LabelName: "openim-operator"})
	c.addVersions(append(slices.Clone(operators), pods...))
	for _, pod := range operators {
		c.addLogs(ctx, "operator/logs/", &pod)
	}
	for _, pod := range pods {
		c.addLogs(ctx, "logs/", &pod)
	}
}

// addLists adds the lists of a namespace, and returns its pods.
func (c *collection) addLists(ctx context.Context, folder, namespace string, labels client.MatchingLabels) []corev1.Pod {
	var pods []corev1.Pod
	all := kinds()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if folder != "objects/" && slices.Contains(notOperators, name) {
			continue
		}
		list, where := all[name], []client.ListOption{client.InNamespace(namespace), client.Limit(maxObjects)}
		if !slices.Contains(unlabelled, name) {
			where = append(where, labels)
		}
		if err := c.source.List(ctx, list, where...); err != nil {
			c.omitError(folder+name+".yaml", err)
			continue
		}
		if list.GetContinue() != "" {
			c.omit(folder+name+".yaml", fmt.Sprintf("objects beyond the first %d", maxObjects))
		}
		if found, ok := list.(*corev1.PodList); ok {
			pods = found.Items
		}
		c.addList(folder+name+".yaml", list)
	}
	if len(pods) > maxPods {
		c.omit(folder+"logs", fmt.Sprintf("pods beyond the first %d", maxPods))
		pods = pods[:maxPods]
	}
	return pods
}

// maxObjects bounds the objects of one kind.
const maxObjects = 2000

func (c *collection) addList(name string, list client.ObjectList) {
	items, err := apimeta.ExtractList(list)
	if err != nil {
		c.omitError(name, err)
		return
	}
	var text bytes.Buffer
	for _, item := range items {
		switch o := item.(type) {
		case *eventsv1.Event:
			if !c.concerns(o.Regarding.Name) {
				continue
			}
		case *corev1.ConfigMap:
			if !metav1.IsControlledBy(o, c.stack) {
				continue // its content is not the operator's
			}
		}
		content, err := manifest(item)
		if err != nil {
			c.omitError(name, err)
			return
		}
		text.WriteString("---\n")
		text.Write(content)
	}
	if text.Len() > 0 {
		c.add(name, text.Bytes())
	}
}

// concerns reports whether an object of this name may be the stack's, the operator's, or a pod or ReplicaSet of one of them that is gone.
func (c *collection) concerns(name string) bool {
	if name == c.stack.Name || strings.HasPrefix(name, c.stack.Name+"-probe-") ||
		name == "openim-operator" || strings.HasPrefix(name, "openim-operator-") {
		return true
	}
	return slices.ContainsFunc(graph.Components(), func(component graph.Component) bool {
		child := v1alpha1.ChildName(c.stack.Name, component.Name)
		return name == child || strings.HasPrefix(name, child+"-")
	})
}

func (c *collection) addObject(name string, object runtime.Object) {
	content, err := manifest(object)
	if err != nil {
		c.omitError(name, err)
		return
	}
	c.add(name, content)
}

var scheme = load.Scheme()

// manifest returns an object as YAML, without what may hold the secrets of others.
func manifest(object runtime.Object) ([]byte, error) {
	copied := object.DeepCopyObject()
	gvk, err := apiutil.GVKForObject(copied, scheme)
	if err != nil {
		return nil, err
	}
	copied.GetObjectKind().SetGroupVersionKind(gvk) // objects of lists lack it
	if o, ok := copied.(client.Object); ok {
		o.SetManagedFields(nil)
		maps.DeleteFunc(o.GetAnnotations(), foreign)
	}
	switch o := copied.(type) {
	case *v1alpha1.OpenIMStack:
		load.HideRefused(o.Spec.Settings, o.Spec.Version)
	case *appsv1.ControllerRevision:
		o.Data = runtime.RawExtension{} // whole templates, and the spec
	case *corev1.Pod:
		strip(nil, &o.Spec)
	case *appsv1.Deployment:
		strip(o.Spec.Template.Annotations, &o.Spec.Template.Spec)
	case *appsv1.ReplicaSet:
		strip(o.Spec.Template.Annotations, &o.Spec.Template.Spec)
	}
	return yaml.Marshal(copied)
}

// foreign reports whether an annotation is neither the operator's, nor one of Kubernetes' that holds no text of others.
func foreign(key, _ string) bool {
	return !strings.HasPrefix(key, v1alpha1.GroupVersion.Group+"/") && !strings.HasPrefix(key, "deployment.kubernetes.io/") &&
		key != "kubectl.kubernetes.io/restartedAt"
}

// strip removes the annotations of others from a template's, and of each container the values of variables and of arguments: webhooks and
// kubectl debug add containers and variables of their own.
func strip(annotations map[string]string, spec *corev1.PodSpec) {
	maps.DeleteFunc(annotations, foreign)
	for i := range spec.InitContainers {
		stripContainer(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		stripContainer(&spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		common := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		stripContainer(&common)
		spec.EphemeralContainers[i].EphemeralContainerCommon = corev1.EphemeralContainerCommon(common)
	}
}

// stripContainer keeps the names of variables and the program of a command.
func stripContainer(c *corev1.Container) {
	for i := range c.Env {
		if c.Env[i].Value != "" {
			c.Env[i].Value = replacement
		}
	}
	if len(c.Command) > 1 {
		c.Command = []string{c.Command[0], replacement}
	}
	if len(c.Args) > 0 {
		c.Args = []string{replacement}
	}
	// Hooks and probes of others have commands, headers and URLs.
	c.Lifecycle, c.LivenessProbe, c.ReadinessProbe, c.StartupProbe = nil, nil, nil, nil
}

// addVersions adds the versions of plugin, API server and images.
func (c *collection) addVersions(pods []corev1.Pod) {
	server, err := c.source.ServerVersion()
	if err != nil {
		c.omitError("the version of the API server", err)
	}
	images := map[string][]string{}
	for _, pod := range pods {
		for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
			key := s.Image + " " + s.ImageID
			if !slices.Contains(images[key], s.Name) {
				images[key] = append(images[key], s.Name)
			}
		}
	}
	content, err := json.MarshalIndent(map[string]any{
		"plugin": version.String(), "kubernetes": server, "openim": c.stack.Status.Version, "images": images,
	}, "", "  ")
	if err != nil {
		c.omitError("versions.json", err)
		return
	}
	c.add("versions.json", append(content, '\n'))
}

// addLogs adds the logs of a pod's containers, and of their instances before.
func (c *collection) addLogs(ctx context.Context, folder string, pod *corev1.Pod) {
	restarts := map[string]int32{}
	for _, s := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		restarts[s.Name] = s.RestartCount
	}
	for _, container := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		keep, why := keeps(pod, container.Name)
		if keep == nil {
			c.omit(folder+pod.Name+"/"+container.Name+".log", why)
			continue
		}
		c.addLog(ctx, folder+pod.Name+"/"+container.Name+".log", pod, &corev1.PodLogOptions{Container: container.Name}, keep)
		if restarts[container.Name] > 0 {
			c.addLog(ctx, folder+pod.Name+"/"+container.Name+"-previous.log", pod,
				&corev1.PodLogOptions{Container: container.Name, Previous: true}, keep)
		}
	}
}

func (c *collection) addLog(
	ctx context.Context, name string, pod *corev1.Pod, options *corev1.PodLogOptions, keep func(line string) bool,
) {
	options.TailLines = ptr.To[int64](maxLines)
	stream, err := c.source.Logs(ctx, pod.Namespace, pod.Name, options)
	if err != nil {
		c.omitError(name, err)
		return
	}
	defer func() { _ = stream.Close() }()
	content, err := io.ReadAll(io.LimitReader(stream, maxLog))
	if err != nil || len(content) == maxLog {
		c.omitError(name, cmp.Or(err, fmt.Errorf("what is behind the first %d bytes", maxLog)))
	}
	var text strings.Builder
	lines, dropped := 0, 0
	for line := range strings.Lines(string(content)) {
		lines++
		if keep(line) {
			text.WriteString(line)
		} else {
			dropped++
		}
	}
	if dropped > 0 {
		c.omit(name, fmt.Sprintf("%d lines that OpenIM wrote itself", dropped))
	}
	kept := redact(text.String())
	if lines >= maxLines || len(kept) > c.maxFile {
		c.omit(name, fmt.Sprintf("what is before the last %d lines, or before the last %d bytes", maxLines, c.maxFile))
	}
	if len(kept) > c.maxFile {
		_, kept, _ = strings.Cut(kept[len(kept)-c.maxFile:], "\n") // the rest of a line is not kept
	}
	if kept != "" {
		c.add(name, []byte(kept))
	}
}

// keeps returns which lines of a container's log are kept, nil and the reason for none.
func keeps(pod *corev1.Pod, container string) (keep func(line string) bool, why string) {
	everything := func(string) bool { return true }
	component := pod.Labels[v1alpha1.LabelComponent]
	switch name := pod.Labels[v1alpha1.LabelName]; {
	case name == "openim-operator", name == v1alpha1.NameWrapper && container == component:
		return everything, ""
	case name == v1alpha1.NameOpenIM && container == "prepare":
		return everything, "" // the operator's own program
	case name == v1alpha1.NameOpenIM && strings.HasPrefix(container, "openim-"):
		return func(line string) bool { return strings.HasPrefix(line, "supervisor: ") }, ""
	default:
		return nil, "the container is none of the operator's"
	}
}

// addAudit adds the audit of the stack.
func (c *collection) addAudit(read func() (*load.Subject, error)) {
	subject, err := read()
	if err != nil {
		c.omitError("audit.json", err)
		return
	}
	var text bytes.Buffer
	if err := report.WriteAll(&text, report.JSON, subject.Audits(), report.Options{Version: version.String()}); err != nil {
		c.omitError("audit.json", err)
		return
	}
	c.add("audit.json", text.Bytes())
}
