package report_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
	"github.com/openimstack/openim-operator/openim"
)

// facts returns the facts of a stack whose stores are in namespace infra.
func facts() openim.Facts {
	at := func(name string, port int32) []openim.Endpoint {
		return []openim.Endpoint{{Port: port, Peers: []networkingv1.NetworkPolicyPeer{{
			NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "infra"}},
			PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{"app.kubernetes.io/name": name}},
		}}}}
	}
	f := openim.Facts{Endpoints: map[openim.Dependency][]openim.Endpoint{
		openim.Kafka: at("kafka", 9092), openim.Redis: at("redis", 6379), openim.MongoDB: at("mongodb", 27017), openim.Etcd: at("etcd", 2379),
	}}
	f.Wrapper = openim.WrapperFacts{
		Redis: openim.WrapperStore{Endpoints: at("redis-wrapper", 6379)}, MongoDB: openim.WrapperStore{Endpoints: at("mongodb", 27017)},
		KeySets: []openim.KeySet{{Endpoints: at("id", 443)}}, Tracing: at("collector", 4318),
	}
	return f
}

// clean returns the report of a complete stack without findings: users log in, Prometheus reads metrics.
func clean() audit.Report {
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im", Generation: 7}}
	stack.Spec.Wrapper.Auth.Users = &v1alpha1.UserAuth{Audience: "https://im.example.com"}
	stack.Spec.Network = &v1alpha1.Network{Monitoring: []v1alpha1.Peer{{
		NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "monitoring"}},
		PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{"app.kubernetes.io/name": "prometheus"}},
	}}}
	return of(stack, graph.New(stack, facts()))
}

// ownWrapper returns the report of a stack with an external wrapper.
func ownWrapper() audit.Report {
	stack := &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Name: "chat", Namespace: "im"}}
	stack.Spec.Wrapper.ExternalRef = &v1alpha1.ExternalWrapper{
		NamespaceSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": "edge"}},
		PodSelector:       &v1alpha1.Selector{MatchLabels: map[string]string{"app": "our-gateway"}},
	}
	r := of(stack, graph.New(stack, facts()))
	for _, c := range r.Connections {
		if !c.FromInside {
			r.Exceptions = []audit.Exception{{Name: "OwnWrapper", Field: c.Field, Lets: "pods app=our-gateway in namespace edge reach api:10002 " +
				"and msggateway:10001", Risk: "these pods must authenticate users themselves"}}
		}
	}
	return r
}

// large returns a report with many findings, peers and stores, and with names of the maximum length.
func large() audit.Report {
	r := breached()
	long := strings.Repeat("long-", 50) + "end"
	r.Stack.Namespace, r.Stack.Name, r.Source.Name = long[:63], long[:40], long
	for i := range 25 {
		f := r.Findings[i%len(r.Findings)]
		f.Object.Name = fmt.Sprintf("%s-%d", long, i)
		f.Reason += " " + strings.Repeat("because of one thing and another, ", 10)
		f.Ports = []string{fmt.Sprintf("%s:%d", []string{"api", "rpc-msg", "push", "gateway", "backend", "msggateway"}[i%6], 10000+i)}
		r.Findings = append(r.Findings, f)
	}
	for i := range 3 {
		name := fmt.Sprintf("extra/%s-%d", long[:20], i)
		r.Connections = append(r.Connections, audit.Connection{
			From: "push", FromInside: true, To: name, Ports: []audit.Port{{Name: "https", Number: 443, Protocol: "TCP"}}, Direction: "Egress",
			Reason: "notifications", Peers: []string{"203.0.113.0/24 except 203.0.113.7/32"}, Field: "spec.network.extraEgress",
		})
	}
	for _, from := range []string{"tools/" + long, "monitoring/node-exporter-x7k2p"} {
		r.Cells = append(
			r.Cells,
			audit.Cell{From: from, To: "redis", Port: audit.Port{Name: "redis", Number: 6379, Protocol: "TCP"}, Evaluated: true},
		)
		r.Cells = append(
			r.Cells,
			audit.Cell{From: from, To: "gateway", Port: audit.Port{Name: "telemetry", Number: 9090, Protocol: "TCP"}, Evaluated: true},
		)
	}
	r.Exceptions = append(r.Exceptions, audit.Exception{Name: "ExtraEgress", Field: "spec.network.extraEgress", Lets: "push reaches " +
		"203.0.113.0/24", Risk: "it may carry anything out"})
	count(&r)
	return r
}

func of(stack *v1alpha1.OpenIMStack, g graph.Graph) audit.Report {
	r := audit.Report{
		Schema: audit.Schema,
		Stack:  audit.Stack{Namespace: stack.Namespace, Name: stack.Name, Generation: stack.Generation, Version: "v3.8.3"},
		Source: snapshot.Origin{Kind: snapshot.Cluster, Name: "production"},
		Time:   time.Date(2026, 11, 22, 4, 30, 0, 0, time.UTC),
		Digest: "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08", Verdict: audit.VerdictSealed,
		Notes: []string{"Port-forward, exec and ephemeral containers go through the API server, and no policy sees them: check who may create " +
			"pods/portforward and pods/exec and update pods/ephemeralcontainers."},
	}
	for _, c := range g.Edges {
		r.Connections = append(r.Connections, connection(c))
	}
	for _, from := range []string{"intruder", "intruder-elsewhere"} {
		for _, cell := range g.TruthTable() {
			if cell.From == graph.Intruder {
				r.Cells = append(r.Cells, statement(from, cell, stack))
			}
		}
	}
	for _, cell := range g.TruthTable() {
		// A few sources are sufficient for the tests.
		if slices.Contains([]string{"gateway", "backend", "api", "push", "rpc-third"}, cell.From) {
			r.Cells = append(r.Cells, statement(cell.From, cell, stack))
		}
	}
	count(&r)
	return r
}

func connection(c graph.Edge) audit.Connection {
	out := audit.Connection{
		From:       c.From.Name,
		To:         c.To.Name,
		FromInside: c.From.Inside,
		ToInside:   c.To.Inside,
		Reason:     c.Reason,
		Direction:  "Internal",
		Field:      c.Field,
	}
	peer := c.From
	switch {
	case !c.From.Inside:
		out.Direction = "Ingress"
	case !c.To.Inside:
		out.Direction, peer = "Egress", c.To
	}
	for _, p := range c.Ports {
		out.Ports = append(out.Ports, audit.Port{Name: p.Name, Number: p.Number, Protocol: string(p.Protocol)})
	}
	for _, p := range peer.NetworkPeers {
		switch {
		case p.IPBlock != nil:
			out.Peers = append(out.Peers, p.IPBlock.CIDR)
		default:
			out.Peers = append(out.Peers, fmt.Sprintf("pods %s in namespaces %s",
				metav1.FormatLabelSelector(p.PodSelector), metav1.FormatLabelSelector(p.NamespaceSelector)))
		}
	}
	if out.Direction != "Internal" && len(peer.NetworkPeers) == 0 {
		out.Peers = []string{"anyone"}
	}
	return out
}

func statement(from string, c graph.Cell, stack *v1alpha1.OpenIMStack) audit.Cell {
	rule := 0
	cell := audit.Cell{
		From: from, To: c.To, Expected: c.Open, Evaluated: c.Open,
		Port: audit.Port{Name: c.Port.Name, Number: c.Port.Number, Protocol: string(c.Port.Protocol)},
		Decided: []audit.Decision{
			{Direction: "Egress", Allowed: true, Reason: "no policy selects the source"},
			{Direction: "Ingress", Policy: stack.Namespace + "/" + stack.Name + "-default-deny", Reason: "no rule lets it in"},
		},
	}
	if c.Open {
		cell.Decided[1] = audit.Decision{
			Direction: "Ingress", Allowed: true, Rule: &rule,
			Policy: stack.Namespace + "/" + stack.Name + "-" + c.To + "-ingress", Reason: "rule 0 lets it in",
		}
	}
	return cell
}

func count(r *audit.Report) {
	r.Counts = audit.Counts{Pods: 14, Policies: 29, Connections: len(r.Connections), Cells: len(r.Cells), Findings: map[audit.Severity]int{}}
	for _, c := range r.Cells {
		if c.Evaluated {
			r.Counts.Open++
		} else {
			r.Counts.Shut++
		}
		if c.Evaluated != c.Expected {
			r.Counts.Unexpected++
		}
	}
	for _, f := range r.Findings {
		r.Counts.Findings[f.Severity]++
		if f.Excepted != nil {
			r.Counts.Excepted++
		}
	}
}

// breached returns the report of a complete stack that other objects open, with an exception of the spec.
func breached() audit.Report {
	r := clean()
	r.Verdict = audit.VerdictFindings
	r.Exceptions = []audit.Exception{{
		Name: "WebSocketDirect", Field: "spec.network.webSocket",
		Lets: "websocket-clients (10.20.0.0/16) reach msggateway:10001 past the wrapper",
		Risk: "OpenIM alone authenticates these clients; the wrapper's limits, rules and audit log do not apply.",
	}}
	r.Connections = append(r.Connections, audit.Connection{
		From: "websocket-clients", To: "msggateway", ToInside: true, Ports: []audit.Port{{Name: "websocket", Number: 10001, Protocol: "TCP"}},
		Reason: "users' WebSockets, past the wrapper", Peers: []string{"10.20.0.0/16"}, Direction: "Ingress", Field: "spec.network.webSocket",
	})
	rule := 0
	open := func(from, to string, port int32, policy string) {
		for i := range r.Cells {
			if c := &r.Cells[i]; c.From == from && c.To == to && c.Port.Number == port {
				c.Evaluated = true
				c.Decided[1] = audit.Decision{Direction: "Ingress", Allowed: true, Policy: policy, Rule: &rule, Reason: "rule 0 lets it in"}
			}
		}
	}
	open("intruder", "api", 10002, "im/debug-open")
	open("intruder", "api", 12002, "im/debug-open")
	open("intruder-elsewhere", "rpc-auth", 10200, "im/allow-tools")
	open("rpc-third", "rpc-auth", 10200, "im/allow-tools")
	for i := range r.Cells {
		if c := &r.Cells[i]; c.From == "push" && c.To == "rpc-group" && c.Port.Number == 10260 {
			c.Evaluated, c.Decided[1] = false, audit.Decision{Direction: "Ingress", Policy: "im/chat-rpc-group-ingress", Reason: "no rule lets " +
				"it in"}
		}
	}
	r.Findings = []audit.Finding{
		{
			Kind: "ForeignPolicyWidens", Severity: audit.Critical, Object: audit.Object{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy",
				Namespace: "im", Name: "debug-open"},
			Reason: "the policy selects the api's pods and lets all pods of the namespace in", Lets: "any pod in namespace im reaches api:10002 " +
				"and api:12002",
			Fix: "Delete it: kubectl -n im delete networkpolicy debug-open", Ports: []string{"api:10002", "api:12002"},
		},
		{
			Kind: "StoreReachable", Severity: audit.Critical, Object: audit.Object{APIVersion: "apps/v1", Kind: "StatefulSet", Namespace: "infra",
				Name: "redis"},
			Reason: "no policy selects the pods of OpenIM's Redis", Lets: "any pod of the cluster reaches redis:6379 and with it all of OpenIM's " +
				"data",
			Fix: "Apply a policy that allows only OpenIM:\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata:\n  name: redis\n  " +
				"namespace: infra\nspec:\n  podSelector: {}\n  policyTypes: [Ingress]",
			Ports: []string{"redis:6379"},
		},
		{
			Kind: "ForeignPolicyWidens", Severity: audit.High, Object: audit.Object{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy",
				Namespace: "im", Name: "allow-tools"},
			Reason: "the policy selects the pods of rpc-auth and lets namespace tools in", Lets: "pods in namespace tools reach rpc-auth:10200",
			Fix: "Exclude the stack's pods from its podSelector", Ports: []string{"rpc-auth:10200"},
		},
		{
			Kind: "ServiceSelects", Severity: audit.Medium, Object: audit.Object{APIVersion: "v1", Kind: "Service", Namespace: "im", Name: "msg"},
			Reason: "the Service leads to msggateway", Lets: "a path to msggateway:10001, not an opening",
			Fix: "Delete it, or let it select the gateway", Ports: []string{"msggateway:10001"},
		},
		{
			Kind: "NamespaceUnguarded", Severity: audit.Low, Object: audit.Object{APIVersion: "v1", Kind: "Namespace", Name: "im"},
			Reason: "users who may write policies in the namespace can open the stack", Lets: "nothing today",
			Fix: "Install the admission policies of config/admission",
		},
	}
	r.Findings[0].Location = &snapshot.Location{File: "deploy/debug open.yaml", Line: 12}
	r.Findings[1].Excepted = &audit.Acceptance{Reason: "moves behind a policy in ticket 311", Expires: "2027-03-31"}
	r.Unread = []snapshot.Unread{{Kind: "TCPRoute", Reason: "forbidden: the user may not list tcproutes in namespace im"}}
	count(&r)
	return r
}

// small returns the report of three components, with every part of a report: the source of the golden files.
func small() audit.Report {
	r := breached()
	shown := []string{"gateway", "backend", "api", "admins", "clients", "monitoring", "etcd", "intruder"}
	r.Connections = slices.DeleteFunc(r.Connections, func(c audit.Connection) bool {
		return !slices.Contains(shown, c.From) || !slices.Contains(shown, c.To)
	})
	r.Cells = slices.DeleteFunc(r.Cells, func(c audit.Cell) bool {
		return !slices.Contains(shown, c.From) || !slices.Contains(shown, c.To) || c.From == "api"
	})
	for i := range r.Cells {
		if c := &r.Cells[i]; c.From == "gateway" && c.To == "backend" && c.Expected {
			c.Evaluated, c.Decided[1] = false, audit.Decision{Direction: "Ingress", Policy: "im/chat-backend-ingress", Reason: "no rule lets it in"}
		}
	}
	r.Exceptions = []audit.Exception{{
		Name: "UnauthenticatedMetrics", Field: "spec.network.monitoring",
		Lets: "pods app.kubernetes.io/name=prometheus in namespace monitoring to api:12002, gateway:9090, backend:9090",
		Risk: "OpenIM's metrics ports have no authentication",
	}}
	r.Findings = []audit.Finding{r.Findings[0], r.Findings[1], r.Findings[4]}
	count(&r)
	return r
}
