package v1alpha1

// Listener is a listener of the gateway that clients reach.
// +kubebuilder:validation:Enum=Users;Admins
type Listener string

// Values of Listener.
const (
	// ListenerUsers serves users' calls and WebSockets.
	ListenerUsers Listener = "Users"
	// ListenerAdmins serves administrators' calls.
	ListenerAdmins Listener = "Admins"
)

// Exposure brings one listener of the gateway out of the cluster. The operator makes the Service <stack>-users or <stack>-admins, which has
// the port of this listener alone, and what leads to the Service.
// +kubebuilder:validation:XValidation:rule="has(self.service) || has(self.ingress) || has(self.httpRoute)",message="an entry of gateway.expose needs a way out of the cluster: write service, ingress or httpRoute, or remove the entry"
type Exposure struct {
	// listener that clients shall reach.
	// +required
	Listener Listener `json:"listener,omitempty"`

	// service makes the listener's Service one of type LoadBalancer or NodePort. Default: ClusterIP, to which ingress and httpRoute lead.
	// +optional
	Service *ExposedService `json:"service,omitempty"`

	// ingress makes an Ingress that leads to the listener's Service.
	// +optional
	Ingress *ExposedIngress `json:"ingress,omitempty"`

	// httpRoute makes an HTTPRoute of the Gateway API that leads to the listener's Service, and a BackendTLSPolicy for the Service when
	// gateway.tls is set. Needs the Gateway API 1.4 or later.
	// +optional
	HTTPRoute *ExposedRoute `json:"httpRoute,omitempty"`
}

// ExposedService is a listener's Service that clients outside the cluster reach.
// +kubebuilder:validation:XValidation:rule="self.type == 'LoadBalancer' || !(has(self.loadBalancerClass) || has(self.loadBalancerSourceRanges))",message="service.loadBalancerClass and service.loadBalancerSourceRanges belong to type LoadBalancer: remove them, or write type: LoadBalancer"
// +kubebuilder:validation:XValidation:rule="self.type != 'LoadBalancer' || oldSelf.type != 'LoadBalancer' || has(self.loadBalancerClass) == has(oldSelf.loadBalancerClass) && (!has(self.loadBalancerClass) || self.loadBalancerClass == oldSelf.loadBalancerClass)",message="service.loadBalancerClass cannot be changed, because Kubernetes refuses it: remove service, wait until the load balancer is gone, and write service again"
type ExposedService struct {
	// type of the Service.
	// +required
	Type ExposedServiceType `json:"type,omitempty"`

	// annotations of the Service, which cloud providers read.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// port of the Service. Default 443 when gateway.tls is set, else 80.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port *int32 `json:"port,omitempty"`

	// nodePort on which every node listens. Default: chosen by Kubernetes.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	NodePort *int32 `json:"nodePort,omitempty"`

	// loadBalancerClass selects the implementation of the load balancer. Default: the cluster's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$')",message="service.loadBalancerClass must be a name such as example.com/internal"
	LoadBalancerClass string `json:"loadBalancerClass,omitempty"`

	// loadBalancerSourceRanges are the addresses that the load balancer lets in, where the provider supports it. They add to
	// network.clients and network.admins, and do not replace them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=32
	// +kubebuilder:validation:items:XValidation:rule="isCIDR(self)",message="a CIDR must be an address and a prefix length, for example 192.0.2.0/24 or 2001:db8::/32"
	LoadBalancerSourceRanges []CIDR `json:"loadBalancerSourceRanges,omitempty"`

	// externalTrafficPolicy is Local (default): nodes hand on only to their own pods, so the gateway and the policies see the address of
	// the client; or Cluster: they hand on to any pod, and the address is that of a node.
	// +optional
	ExternalTrafficPolicy ExternalTrafficPolicy `json:"externalTrafficPolicy,omitempty"`
}

// ExposedServiceType is the type of a Service that clients outside the cluster reach.
// +kubebuilder:validation:Enum=LoadBalancer;NodePort
type ExposedServiceType string

// Values of ExposedServiceType.
const (
	ExposedLoadBalancer ExposedServiceType = "LoadBalancer"
	ExposedNodePort     ExposedServiceType = "NodePort"
)

// ExternalTrafficPolicy selects the pods to which nodes hand on what comes from outside.
// +kubebuilder:validation:Enum=Local;Cluster
type ExternalTrafficPolicy string

// Values of ExternalTrafficPolicy. An empty value means TrafficLocal.
const (
	TrafficLocal   ExternalTrafficPolicy = "Local"
	TrafficCluster ExternalTrafficPolicy = "Cluster"
)

// AnnotationValue is the value of an annotation.
// +kubebuilder:validation:MaxLength=4096
type AnnotationValue string

// ExposedIngress is an Ingress that leads to a listener.
type ExposedIngress struct {
	// className is the name of the IngressClass. Default: the cluster's.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="ingress.className must be the name of an IngressClass, for example nginx"
	ClassName string `json:"className,omitempty"`

	// hosts by which clients reach the listener. All paths of these hosts lead to it.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Hosts []HostName `json:"hosts,omitempty"`

	// annotations of the Ingress, which its controller reads.
	// +optional
	// +kubebuilder:validation:MaxProperties=32
	Annotations map[string]AnnotationValue `json:"annotations,omitempty"`

	// tlsSecretRef names the Secret of type kubernetes.io/tls with the certificate of the hosts, as cert-manager writes it. The controller
	// of the Ingress reads it, the operator does not.
	// +optional
	TLSSecretRef *LocalReference `json:"tlsSecretRef,omitempty"`
}

// ExposedRoute is an HTTPRoute that leads to a listener.
type ExposedRoute struct {
	// parentRefs are the Gateways that serve the route. Their listeners must take routes of the stack's namespace (allowedRoutes).
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(p, self.filter(q, q.name == p.name && has(q.__namespace__) == has(p.__namespace__) && (!has(p.__namespace__) || q.__namespace__ == p.__namespace__)).size() == 1 || has(p.sectionName) && self.filter(q, q.name == p.name && has(q.__namespace__) == has(p.__namespace__) && (!has(p.__namespace__) || q.__namespace__ == p.__namespace__) && has(q.sectionName) && q.sectionName == p.sectionName).size() == 1)",message="httpRoute.parentRefs names a Gateway twice: write a different sectionName in each entry, or remove one"
	ParentRefs []GatewayReference `json:"parentRefs,omitempty"`

	// hostnames by which clients reach the listener. All paths of these names lead to it.
	// +required
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Hostnames []HostName `json:"hostnames,omitempty"`

	// backendCARef names the ConfigMap whose key ca.crt has the authority of the gateway's certificate. The implementation of the Gateway
	// API reads it, the operator does not. Default: the authorities that the implementation trusts.
	// +optional
	BackendCARef *ConfigMapReference `json:"backendCARef,omitempty"`

	// backendHostname is the name that the gateway's certificate must have. Default: the first of hostnames.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$') && !self.matches('^[0-9.]+$')",message="httpRoute.backendHostname must be a DNS name in lower case, for example im.example.com"
	BackendHostname string `json:"backendHostname,omitempty"`
}

// GatewayReference names a Gateway of the Gateway API.
type GatewayReference struct {
	// name of the Gateway.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="httpRoute.parentRefs needs the name of a Gateway, for example public"
	Name string `json:"name,omitempty"`

	// namespace of the Gateway. Default: the stack's namespace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="httpRoute.parentRefs needs the name of a namespace, for example gateways"
	Namespace string `json:"namespace,omitempty"`

	// sectionName is the listener of the Gateway. Default: every listener that takes the route.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="httpRoute.parentRefs needs the name of a listener of the Gateway, for example https"
	SectionName string `json:"sectionName,omitempty"`
}

// ConfigMapReference names a ConfigMap in the stack's own namespace.
type ConfigMapReference struct {
	// name of the ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$')",message="httpRoute.backendCARef needs the name of a ConfigMap, for example company-ca"
	Name string `json:"name,omitempty"`
}

// HostName is a DNS name in lower case. Its first label may be *.
// +kubebuilder:validation:MinLength=1
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:XValidation:rule="self.matches('^([*][.])?[a-z0-9]([-a-z0-9]*[a-z0-9])?([.][a-z0-9]([-a-z0-9]*[a-z0-9])?)*$') && !self.matches('^[0-9.]+$')",message="a host must be a DNS name in lower case, without port, for example im.example.com"
type HostName string
