package v1alpha1

// Autoscaling is who sets the number of a component's pods, when the spec names none.
// +kubebuilder:validation:XValidation:rule="has(self.mode) && self.mode == 'External' ? !has(self.minReplicas) && !has(self.maxReplicas) && !has(self.targets) : has(self.maxReplicas)",message="autoscaling needs maxReplicas, and with mode: External nothing else: the number of pods then belongs to whoever sets it"
// +kubebuilder:validation:XValidation:rule="!has(self.minReplicas) || !has(self.maxReplicas) || self.minReplicas <= self.maxReplicas",message="autoscaling.minReplicas must not be more than maxReplicas: lower it, or raise maxReplicas"
type Autoscaling struct {
	// mode is who sets the number of pods. Managed, the default: a HorizontalPodAutoscaler that the operator makes. External: whoever
	// scales the Deployment, for example an autoscaler of your own; for a component whose group has autoscaling.
	// +optional
	Mode AutoscalingMode `json:"mode,omitempty"`

	// minReplicas that always run. Default: 1, and 2 of gateway and backend, but not more than maxReplicas.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MinReplicas *int32 `json:"minReplicas,omitempty"`

	// maxReplicas that may run. Of msgtransfer and push not more than kafka.topics.partitions, where the stack makes its topics: further
	// pods would have nothing to do.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	MaxReplicas *int32 `json:"maxReplicas,omitempty"`

	// targets that the number of pods follows: the one that asks for the most pods counts. Default: 70 percent of the requested cpu, or 500m
	// of cpu for each pod of a component of which the spec requests no cpu.
	// +optional
	// +listType=map
	// +listMapKey=metric
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=4
	Targets []ScalingTarget `json:"targets,omitempty"`
}

// AutoscalingMode is who sets the number of pods.
// +kubebuilder:validation:Enum=Managed;External
type AutoscalingMode string

// Who sets the number of pods.
const (
	AutoscalingManaged  AutoscalingMode = "Managed"
	AutoscalingExternal AutoscalingMode = "External"
)

// ScalingTarget is the value of a metric that the number of pods is to keep.
// +kubebuilder:validation:XValidation:rule="has(self.percent) != has(self.average) && (!has(self.percent) || self.metric in ['cpu', 'memory'])",message="a target needs percent, of cpu and memory alone, or average: write one of the two"
type ScalingTarget struct {
	// metric is cpu or memory of the component's own container, or the name of a metric of the pods, which an adapter must serve in the API
	// custom.metrics.k8s.io, for example openim_wrapper_sockets.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=128
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_.-]*$`
	Metric string `json:"metric,omitempty"`

	// percent of what the container requests of cpu or memory.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Percent *int32 `json:"percent,omitempty"`

	// average over the pods, as a quantity above 0, for example 500m or "8000".
	// +optional
	// +kubebuilder:validation:MaxLength=12
	// +kubebuilder:validation:Pattern=`^[1-9][0-9]{0,8}(m|k|M|G|Ki|Mi|Gi)?$`
	Average string `json:"average,omitempty"`
}
