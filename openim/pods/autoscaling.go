package pods

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// The default target: a share of the request, or CPU for each pod where the spec requests none. The operator's own default request of 20m
// is for a process without users: a share of that would ask for all pods at the first load.
const (
	defaultPercent int32 = 70
	defaultAverage       = "500m"
)

// Scaling is what spec.pods says of the number of a component's pods.
type Scaling struct {
	// Field of the spec, for example spec.pods.components[rpc].autoscaling.
	Field string
	// Managed is true when the operator makes the component's HorizontalPodAutoscaler. Min, Max and Targets are its own.
	Managed  bool
	Min, Max int32
	Targets  []v1alpha1.ScalingTarget
}

// ScalingOf returns the autoscaling of a component: its own, or else that of the smallest of its groups that has some. nil for none, and
// for a component that has one pod at any time.
func ScalingOf(spec *v1alpha1.OpenIMStackSpec, component string) *Scaling {
	process, known := openim.Lookup(openim.Name(component))
	if spec.Pods == nil || component == v1alpha1.ComponentCheck || known && process.Singleton {
		return nil
	}
	for _, name := range slices.Backward(Names(component)) {
		for _, c := range spec.Pods.Components {
			if string(c.Name) == name && c.Autoscaling != nil {
				return scaling(spec, component, fmt.Sprintf("spec.pods.components[%s].autoscaling", name), c.Autoscaling)
			}
		}
	}
	return nil
}

func scaling(spec *v1alpha1.OpenIMStackSpec, component, field string, a *v1alpha1.Autoscaling) *Scaling {
	if a.Mode == v1alpha1.AutoscalingExternal {
		return &Scaling{Field: field}
	}
	most := ptr.Deref(a.MaxReplicas, 1)
	s := &Scaling{
		Field: field, Managed: true, Max: most, Min: ptr.Deref(a.MinReplicas, min(openim.DefaultReplicas(component), most)), Targets: a.Targets,
	}
	if len(s.Targets) == 0 {
		s.Targets = []v1alpha1.ScalingTarget{defaultTarget(openim.SizeOf(spec, component).Resources)}
	}
	return s
}

// defaultTarget returns the target of a component of which the spec has these resources. A request of 0 is none.
func defaultTarget(resources *v1alpha1.Resources) v1alpha1.ScalingTarget {
	const cpu = string(corev1.ResourceCPU)
	target := v1alpha1.ScalingTarget{Metric: cpu, Average: defaultAverage}
	if resources == nil {
		return target
	}
	if request := resources.Requests[cpu]; request.Sign() > 0 {
		return v1alpha1.ScalingTarget{Metric: cpu, Percent: ptr.To(defaultPercent)}
	}
	return target
}

// String returns one line for the status, for example "2 to 6 pods by cpu 70%".
func (s *Scaling) String() string {
	if !s.Managed {
		return string(v1alpha1.AutoscalingExternal)
	}
	var targets []string
	for _, t := range s.Targets {
		value := t.Average
		if t.Percent != nil {
			value = fmt.Sprintf("%d%%", *t.Percent)
		}
		targets = append(targets, t.Metric+" "+value)
	}
	return fmt.Sprintf("%d to %d pods by %s", s.Min, s.Max, strings.Join(targets, ", "))
}

// scaled returns the components that a spec may have an autoscaler for.
func scaled(spec *v1alpha1.OpenIMStackSpec) []string {
	if spec.Wrapper.ExternalRef == nil {
		return components()
	}
	return slices.DeleteFunc(components(), func(name string) bool { return slices.Contains(Names(name), string(v1alpha1.GroupWrapper)) })
}

// consumers are the components whose pods share the partitions of a topic.
var consumers = []string{string(openim.MsgTransfer), string(openim.Push)}

// ScalingRefusal is an autoscaling that is not taken.
type ScalingRefusal struct {
	// Reason of the condition, one of those of api/v1alpha1.
	Reason string
	Refusal
}

// RefusedScaling returns what is not taken of the autoscaling of a stack, by component: at most eight.
func RefusedScaling(spec *v1alpha1.OpenIMStackSpec) []ScalingRefusal {
	var found []ScalingRefusal
	refuse := func(reason string, s *Scaling, format string, args ...any) {
		found = append(found, ScalingRefusal{reason, Refusal{s.Field, fmt.Sprintf(format, args...)}})
	}
	for _, component := range scaled(spec) {
		s := ScalingOf(spec, component)
		if s == nil {
			continue
		}
		size := openim.SizeOf(spec, component)
		if size.Replicas != nil {
			refuse(v1alpha1.ReasonInvalidSpec, s, "%s.replicas is a number of its own for %s, and two would set it in turns: remove replicas, or "+
				"this autoscaling", size.Field, component)
		}
		partitions, known := openim.PartitionsOf(spec.Dependencies.Kafka.Topics)
		if known && s.Max > partitions && slices.Contains(consumers, component) {
			refuse(v1alpha1.ReasonSettingRefused, s, "maxReplicas is %d, and each topic of the stack has %d partitions, so that further pods of %s "+
				"would have nothing to do: write at most %d in an entry for %s, or topics with more partitions and their number to "+
				"spec.dependencies.kafka.topics.partitions", s.Max, partitions, component, partitions, component)
		}
		if metric := unrequested(s, size); metric != "" {
			refuse(v1alpha1.ReasonSettingRefused, s, "percent of %s is a share of the request, and %s.resources.requests.%s is 0: write a request, "+
				"or average instead of percent", metric, size.Field, metric)
		}
	}
	return found[:min(len(found), maxRefusals)]
}

// unrequested returns the metric of a target that is a share of a request of 0, "" without one: Kubernetes could not compute the share, and
// the number of pods would stay as it is.
func unrequested(s *Scaling, size openim.Size) string {
	if size.Resources == nil {
		return ""
	}
	for _, t := range s.Targets {
		if request, given := size.Resources.Requests[t.Metric]; t.Percent != nil && given && request.Sign() <= 0 {
			return t.Metric
		}
	}
	return ""
}
