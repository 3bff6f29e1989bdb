package main

import (
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// The stack of the page asks for everything that adds a connection.
const (
	namespace = "im"
	name      = "chat"
)

// pods in a namespace, as a spec names them.
func pods(namespace, app string) v1alpha1.Peer {
	return v1alpha1.Peer{
		NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": namespace}},
		PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{"app": app}},
	}
}

func meta() metav1.ObjectMeta { return metav1.ObjectMeta{Name: name, Namespace: namespace} }

// fullest is a stack with the operator's gateway and backend.
func fullest() graph.Graph {
	spec := v1alpha1.OpenIMStackSpec{
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
	return graph.NewGraph(&v1alpha1.OpenIMStack{ObjectMeta: meta(), Spec: spec}, facts())
}

// own is one with a wrapper that the operator does not run.
func own() graph.Graph {
	spec := v1alpha1.OpenIMStackSpec{Wrapper: v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{PodSelector: pods("", "bridge").PodSelector}}}
	return graph.NewGraph(&v1alpha1.OpenIMStack{ObjectMeta: meta(), Spec: spec}, facts())
}

// plain is the stack whose spec names nobody, with users.
func plain() graph.Graph {
	spec := v1alpha1.OpenIMStackSpec{Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Users: &v1alpha1.UserAuth{}}}}
	return graph.NewGraph(&v1alpha1.OpenIMStack{ObjectMeta: meta(), Spec: spec}, facts())
}

// facts place each store at its usual port.
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
		Wrapper: openim.WrapperFacts{
			Redis: openim.Store{Endpoints: at("redis-wrapper", 6379)}, MongoDB: openim.Store{Endpoints: at("mongodb", 27017)},
			KeySets: []openim.KeySet{{Endpoints: at("id", 443)}}, Tracing: at("collector", 4318),
		},
	}
}
