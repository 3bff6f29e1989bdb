package main

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// The stack of the page requests everything that adds a connection.
const (
	namespace = "im"
	name      = "chat"
)

// pods returns the peer of a spec for pods in a namespace.
func pods(namespace, app string) v1alpha1.Peer {
	return v1alpha1.Peer{
		NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
		PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{"app": app}},
	}
}

func meta() metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: namespace} }

// fullest returns the graph of a stack with every optional connection.
func fullest() graph.Graph {
	spec := v1alpha1.OpenIMStackSpec{
		Dependencies: v1alpha1.Dependencies{
			MongoDB:       v1alpha1.MongoDB{TLS: &v1alpha1.StoreTLS{Verification: v1alpha1.TLSVerificationNone}},
			ObjectStorage: &v1alpha1.ObjectStorage{OSS: &v1alpha1.OSS{Access: v1alpha1.FilesPublic}},
		},
		Settings: &v1alpha1.Settings{Log: &v1alpha1.LogSettings{Level: v1alpha1.LogWarning}},
		Pods: &v1alpha1.Pods{Template: &runtime.RawExtension{Raw: []byte(`{"spec":{"containers":[
			{"name":"component","securityContext":{"readOnlyRootFilesystem":false}},{"name":"agent","image":"agent:1"}]}}`)}},
		Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: &v1alpha1.UserAuth{}}},
		Network: &v1alpha1.Network{
			Clients:          []v1alpha1.Peer{pods("ingress", "ingress")},
			Admins:           []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "203.0.113.0/24"}}},
			Monitoring:       []v1alpha1.Peer{pods("monitoring", "prometheus")},
			WebSocket:        v1alpha1.WebSocketDirect,
			WebSocketClients: []v1alpha1.Peer{pods("bots", "bot")},
			ExtraEgress: []v1alpha1.ExtraEgress{{
				Name: "push-vendor", Components: []v1alpha1.ComponentName{v1alpha1.ComponentName(openim.Push)},
				Peers: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"}}}, Ports: []v1alpha1.EgressPort{{Port: 443}},
				Reason: "notifications to phones",
			}},
		},
	}
	return graph.New(&v1alpha1.OpenIMStack{ObjectMeta: meta(), Spec: spec}, facts())
}

// own returns the graph of a stack with an external wrapper.
func own() graph.Graph {
	external := &v1alpha1.ExternalWrapper{PodSelector: pods("", "bridge").PodSelector}
	spec := v1alpha1.OpenIMStackSpec{Wrapper: v1alpha1.Wrapper{ExternalRef: external}}
	return graph.New(&v1alpha1.OpenIMStack{ObjectMeta: meta(), Spec: spec}, facts())
}

// plain returns the graph of a stack with users and without peers.
func plain() graph.Graph {
	spec := v1alpha1.OpenIMStackSpec{Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: &v1alpha1.UserAuth{}}}}
	return graph.New(&v1alpha1.OpenIMStack{ObjectMeta: meta(), Spec: spec}, facts())
}

// facts returns each store at its usual port.
func facts() openim.Facts {
	at := func(app string, port int32) []openim.Endpoint {
		return []openim.Endpoint{{Port: port, Peers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: openim.NamespaceNamed("stores"), PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": app}},
		}}}}
	}
	return openim.Facts{
		Endpoints: map[openim.Dependency][]openim.Endpoint{
			openim.Kafka: at("kafka", 9092), openim.Redis: at("redis", 6379), openim.MongoDB: at("mongodb", 27017),
			openim.Etcd: at("etcd", 2379), openim.ObjectStorage: at("minio", 9000),
		},
		Push:     openim.PushFacts{Endpoints: at("vendor", 443)},
		Webhooks: map[openim.Name][]openim.Endpoint{openim.RPCMsg: at("moderation", 8080)},
		Wrapper: openim.WrapperFacts{
			Redis: openim.WrapperStore{Endpoints: at("redis-wrapper", 6379)}, MongoDB: openim.WrapperStore{Endpoints: at("mongodb", 27017)},
			KeySets: []openim.KeySet{{Endpoints: at("id", 443)}}, Tracing: at("collector", 4318),
		},
	}
}
