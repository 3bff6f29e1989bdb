package graph

import (
	"fmt"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

// Exception is a group of edges, or what else the spec requests beyond what a stack needs to work. The audit and the status list every
// exception for as long as the spec requests it.
type Exception struct {
	// Name is one of the constants below. For an entry of spec.network.extraEgress it is ExtraEgress/ and the entry's name.
	Name string
	// Field of the spec that requests the exception.
	Field string
	// Lets states the sources and targets of the edges. The exception opens nothing else. Without edges it states what gets out.
	Lets string
	// Risk states what an attacker gains from it.
	Risk string
}

// Names of exceptions.
const (
	ExceptionWebSocketDirect        = "WebSocketDirect"
	ExceptionOwnWrapper             = "OwnWrapper"
	ExceptionUnauthenticatedMetrics = "UnauthenticatedMetrics"
	ExceptionExtraEgress            = "ExtraEgress"
	ExceptionWebhookDirect          = "WebhookDirect"
	// ExceptionLogHoldsSecrets has no edge, and neither have the following ones. The names of the last two go on with a component or group.
	ExceptionLogHoldsSecrets    = "LogHoldsSecrets"
	ExceptionUnverifiedTLS      = "UnverifiedTLS"
	ExceptionFilesPublic        = "FilesPublic"
	ExceptionExtraContainer     = pods.ExtraContainer
	ExceptionPodSecurityLowered = pods.PodSecurityLowered
)

// risks in words, by kind of exception. The first two were observed on OpenIM v3.8.3: its WebSocket authenticates the connection, but
// checks neither the sender inside a message nor whose messages are pulled.
var risks = map[string]string{
	ExceptionWebSocketDirect: "OpenIM's WebSocket does not check the sender of a frame: a client with any user's OpenIM token " +
		"can send as another user and read others' chats. The gateway's limits, rules and audit log do not apply",
	ExceptionOwnWrapper: "the operator's gateway and backend do not protect OpenIM: the selected pods must prevent users " +
		"from calling OpenIM as another user, and every pod with the selected labels has the same access",
	ExceptionUnauthenticatedMetrics: "OpenIM's metrics ports have no authentication: the selected sources " +
		"read the number of messages and calls, and the running versions",
	ExceptionExtraEgress: "an attacker in one of these components can send all data of the component to these peers",
	ExceptionWebhookDirect: "OpenIM signs no webhook, and obeys the answer to one whose name begins with before: whoever answers in the " +
		"place of the service reads messages, changes or refuses them, and a service that is away stops what waits for it",
	ExceptionLogHoldsSecrets: "whoever reads the logs of OpenIM's pods, or the place where they are collected, reads users' messages and " +
		"can act as any user until the token expires",
	ExceptionUnverifiedTLS: "whoever can redirect the connection to a store, by DNS or on the way, answers as the store: they get its " +
		"password, and read and change what it holds",
	ExceptionFilesPublic: "whoever learns the address of a file reads it, without a login and for ever: one who has left a chat, and " +
		"whoever reads a log, a mail or a browser's history with the address",
	ExceptionExtraContainer: "whoever controls this program can send from the component's address: the policies and OpenIM take it for the " +
		"component, and see no difference",
	ExceptionPodSecurityLowered: "an attacker in one of these containers gets further: the restricted profile of pod security would stop them",
}

// disclosePods adds what the templates of pods ask for beyond what a stack needs.
func (g *Graph) disclosePods(spec *v1alpha1.Pods) {
	for _, e := range pods.Exceptions(spec) {
		kind, _, _ := strings.Cut(e.Name, "/")
		g.disclosures = append(g.disclosures, Exception{Name: e.Name, Field: e.Field, Lets: e.Lets, Risk: risks[kind]})
	}
}

// discloseWebhooks adds the callers of hooks that reach the service by entries of network.extraEgress: no edge of theirs is one of
// spec.webhooks, and OpenIM obeys the answers all the same.
func (g *Graph) discloseWebhooks(spec *v1alpha1.OpenIMStackSpec, facts openim.Facts) {
	if spec.Network == nil {
		return
	}
	var callers []string
	for _, process := range openim.HookCallers() {
		leaves := slices.ContainsFunc(spec.Network.ExtraEgress, func(e v1alpha1.ExtraEgress) bool {
			return slices.Contains(e.Components, v1alpha1.ComponentName(process))
		})
		if leaves && len(facts.Webhooks[process]) == 0 && len(openim.HooksOf(process, spec.Webhooks)) > 0 {
			callers = append(callers, string(process))
		}
	}
	if len(callers) > 0 {
		g.disclosures = append(g.disclosures, Exception{
			Name: ExceptionWebhookDirect, Field: "spec.webhooks", Risk: risks[ExceptionWebhookDirect],
			Lets: strings.Join(callers, ", ") + " out to the service of the webhooks, by entries of network.extraEgress",
		})
	}
}

// disclose adds the exceptions without an edge. Observed on OpenIM v3.8.3: as a warning it writes each call that failed with all that was
// in it.
func (g *Graph) disclose(spec *v1alpha1.OpenIMStackSpec) {
	if s := spec.Settings; s != nil && s.Log != nil && s.Log.Level != "" && s.Log.Level != v1alpha1.LogError {
		g.disclosures = append(g.disclosures, Exception{
			Name: ExceptionLogHoldsSecrets, Field: "spec.settings.log.level", Risk: risks[ExceptionLogHoldsSecrets],
			Lets: fmt.Sprintf("OpenIM writes tokens and messages into its log, at the level %s", s.Log.Level),
		})
	}
	for _, store := range unverified(spec) {
		g.disclosures = append(g.disclosures, Exception{
			Name: ExceptionUnverifiedTLS, Field: store.field, Risk: risks[ExceptionUnverifiedTLS],
			Lets: store.who + " accept every certificate of " + store.name,
		})
	}
	if storage, _, kind := openim.ObjectStorageOf(spec.Dependencies.ObjectStorage); storage != nil && storage.PublicRead {
		g.disclosures = append(g.disclosures, Exception{
			Name: ExceptionFilesPublic, Field: "spec.dependencies.objectStorage." + kind + ".access", Risk: risks[ExceptionFilesPublic],
			Lets: "clients read users' files at the object store by URLs without a signature",
		})
	}
}

// unverifiedStore is a store whose certificate nobody verifies.
type unverifiedStore struct{ field, who, name string }

func unverified(spec *v1alpha1.OpenIMStackSpec) []unverifiedStore {
	var all []unverifiedStore
	add := func(tls *v1alpha1.StoreTLS, field, who, name string) {
		if tls != nil && tls.Verification == v1alpha1.TLSVerificationNone {
			all = append(all, unverifiedStore{field + ".tls.verification", who, name})
		}
	}
	add(spec.Dependencies.Kafka.TLS, "spec.dependencies.kafka", "the pods that use it", "Kafka")
	add(spec.Dependencies.MongoDB.TLS, "spec.dependencies.mongodb", "the pods that use it", "MongoDB")
	if own := spec.Wrapper.MongoDB; own != nil {
		add(own.TLS, "spec.wrapper.mongodb", "the backend's pods", "its MongoDB")
	}
	return all
}

// IsDisclosure reports whether the text of an exception, as the status lists it, is one that may have no edge of its own. Pods keep such an
// exception until they are replaced.
func IsDisclosure(text string) bool {
	name, _, _ := strings.Cut(text, ":")
	kind, _, _ := strings.Cut(name, "/")
	return slices.Contains([]string{
		ExceptionLogHoldsSecrets, ExceptionUnverifiedTLS, ExceptionFilesPublic, ExceptionExtraContainer, ExceptionPodSecurityLowered,
		ExceptionWebhookDirect, // through network.extraEgress
	}, kind)
}

// Exceptions returns the exceptions of the spec, in the order of the edges. Edges that every stack has are not exceptions: stores, DNS,
// and the gateway's listeners, which authenticate the caller.
func (g Graph) Exceptions() []Exception {
	byName := map[string][]Edge{}
	var names []string
	for _, c := range g.Edges {
		if c.Exception == "" {
			continue
		}
		if byName[c.Exception] == nil {
			names = append(names, c.Exception)
		}
		byName[c.Exception] = append(byName[c.Exception], c)
	}
	var all []Exception
	for _, name := range names {
		all = append(all, exception(name, byName[name]))
	}
	return append(all, g.disclosures...)
}

// exception summarises its edges. All of them have the same peer and the same direction.
func exception(name string, connections []Edge) Exception {
	first := connections[0]
	kind, _, _ := strings.Cut(name, "/")
	e := Exception{Name: name, Field: first.Field, Risk: risks[kind]}
	var ends []string
	for _, c := range connections {
		if c.Direction == Egress {
			ends = append(ends, c.From.Name)
			continue
		}
		ends = append(ends, c.To.Name+":"+portList(c.Ports))
	}
	if first.Direction == Egress {
		e.Lets = fmt.Sprintf("%s out to %s, port %s (%s)", strings.Join(ends, ", "), DescribePeer(first.To), portList(first.Ports), first.Reason)
		return e
	}
	e.Lets = fmt.Sprintf("%s in to %s", DescribePeer(first.From), strings.Join(ends, ", "))
	return e
}

// DescribePeer returns a peer in words, for example "pods app=bot in namespaces team=chat; 192.0.2.0/24".
func DescribePeer(p Peer) string {
	if p.Inside {
		return "component " + p.Name
	}
	if p.Anyone() {
		return "anyone"
	}
	var all []string
	for _, peer := range p.NetworkPeers {
		all = append(all, describeNetworkPeer(peer))
	}
	return strings.Join(all, "; ")
}

func describeNetworkPeer(peer networkingv1.NetworkPolicyPeer) string {
	if b := peer.IPBlock; b != nil {
		if len(b.Except) > 0 {
			return b.CIDR + " except " + strings.Join(b.Except, ", ")
		}
		return b.CIDR
	}
	pods, namespaces := "all pods", "in the stack's namespace"
	if s := peer.PodSelector; s != nil && !selectsAll(s) {
		pods = "pods " + metav1.FormatLabelSelector(s)
	}
	if s := peer.NamespaceSelector; s != nil {
		namespaces = "in namespaces " + metav1.FormatLabelSelector(s)
		if selectsAll(s) {
			namespaces = "in all namespaces"
		}
	}
	return pods + " " + namespaces
}

func selectsAll(s *metav1.LabelSelector) bool { return len(s.MatchLabels)+len(s.MatchExpressions) == 0 }
