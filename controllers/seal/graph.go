package seal

import (
	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// Graph returns the graph that a stack's policies are made from: the connections of the newest spec, to the places of the record.
func (r Record) Graph(stack *v1alpha1.OpenIMStack) graph.Graph {
	facts := openim.Facts{Endpoints: map[openim.Dependency][]openim.Endpoint{}}
	for _, d := range []openim.Dependency{openim.Kafka, openim.Redis, openim.MongoDB, openim.Etcd, openim.ObjectStorage} {
		facts.Endpoints[d] = r.Endpoints(openim.Party(d))
	}
	facts.Wrapper.Redis.Endpoints = r.Endpoints(openim.PartyWrapperRedis)
	facts.Wrapper.MongoDB.Endpoints = r.Endpoints(openim.PartyWrapperMongoDB)
	facts.Wrapper.Tracing = r.Endpoints(openim.PartyTracing)
	facts.Wrapper.KeySets = []openim.KeySet{{Endpoints: r.Endpoints(openim.PartyJWKS)}}
	facts.Push.Endpoints = r.Endpoints(openim.PartyPush)
	facts.Webhooks = map[openim.Name][]openim.Endpoint{}
	for _, process := range openim.HookCallers() {
		facts.Webhooks[process] = r.Endpoints(openim.PartyWebhooks(process))
	}
	return graph.New(stack, facts)
}
