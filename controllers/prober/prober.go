package prober

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// The probe's rights: pods of its own, and reading what decides who reaches a stack.
//
// +kubebuilder:rbac:groups="",resources=pods,verbs=get;list;watch;create;delete
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.k8s.io,resources=ingresses,verbs=get;list;watch
// +kubebuilder:rbac:groups=gateway.networking.k8s.io,resources=httproutes;grpcroutes;tlsroutes;tcproutes;udproutes,verbs=get;list;watch
// +kubebuilder:rbac:groups=policy.networking.k8s.io,resources=clusternetworkpolicies;adminnetworkpolicies;baselineadminnetworkpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=cilium.io,resources=ciliumnetworkpolicies;ciliumclusterwidenetworkpolicies;ciliumlocalredirectpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=cilium.io,resources=ciliumenvoyconfigs;ciliumclusterwideenvoyconfigs,verbs=get;list;watch
// +kubebuilder:rbac:groups=route.openshift.io,resources=routes,verbs=get;list;watch
// +kubebuilder:rbac:groups=traefik.io,resources=ingressroutes;ingressroutetcps;ingressrouteudps;traefikservices;middlewares,verbs=get;list;watch
// +kubebuilder:rbac:groups=traefik.containo.us,resources=ingressroutes;ingressroutetcps;ingressrouteudps;traefikservices,verbs=get;list;watch
// +kubebuilder:rbac:groups=projectcontour.io,resources=httpproxies,verbs=get;list;watch
// +kubebuilder:rbac:groups=configuration.konghq.com,resources=tcpingresses;udpingresses,verbs=get;list;watch
// +kubebuilder:rbac:groups=incubator.ingress-controller.konghq.com,resources=kongservicefacades,verbs=get;list;watch
// +kubebuilder:rbac:groups=apisix.apache.org,resources=apisixroutes,verbs=get;list;watch
// +kubebuilder:rbac:groups=getambassador.io,resources=mappings;tcpmappings,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.istio.io,resources=virtualservices,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8s.nginx.org,resources=virtualservers;virtualserverroutes;transportservers,verbs=get;list;watch
// +kubebuilder:rbac:groups=zalando.org,resources=routegroups,verbs=get;list;watch
// +kubebuilder:rbac:groups=gloo.solo.io,resources=upstreams,verbs=get;list;watch
// +kubebuilder:rbac:groups=elbv2.k8s.aws,resources=targetgroupbindings,verbs=get;list;watch
// +kubebuilder:rbac:groups=networking.gke.io,resources=serviceattachments,verbs=get;list;watch
// +kubebuilder:rbac:groups=multicluster.x-k8s.io;net.gke.io,resources=serviceexports,verbs=get;list;watch
// +kubebuilder:rbac:groups=apiregistration.k8s.io,resources=apiservices,verbs=get;list;watch
// +kubebuilder:rbac:groups=k8s.cni.cncf.io,resources=multi-networkpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=crd.projectcalico.org;projectcalico.org,resources=networkpolicies;globalnetworkpolicies,verbs=get;list;watch
// +kubebuilder:rbac:groups=crd.antrea.io,resources=networkpolicies;clusternetworkpolicies,verbs=get;list;watch

// Options of a Prober.
type Options struct {
	// Image of the operator, which holds the probe's program. Empty: nothing is probed, and the condition says so.
	Image string
	// PullSecrets of the image, in the namespaces where the probe's pods run.
	PullSecrets []corev1.LocalObjectReference
	// PlatformUserIDs is true where the cluster chooses the users and groups of pods: the default of spec.pods.userIDs.
	PlatformUserIDs bool
	// Namespace of the operator, which holds the second intruder. Empty: the only intruder is in the stack's namespace.
	Namespace string
	// WatchNamespaces limits what is watched and read. Empty: the cluster.
	WatchNamespaces []string
}

// Prober audits and probes the lockdowns of all stacks.
type Prober struct {
	client  client.Client
	live    client.Reader
	options Options
	now     func() time.Time
	// ownQueue requeues stacks in the prober's loop. statusQueue requeues them in the reconcile loop, which writes the status.
	ownQueue, statusQueue *requeuer

	// watched is the cache that Watched returns.
	watched cache.Cache
	// catalog remembers which kinds the cluster lacks.
	catalog *snapshot.AbsentKinds

	mutex  sync.Mutex
	stacks map[types.NamespacedName]*stackState
}

// stackState is what is known of one stack. The mutex guards the fields above the line. The fields below it belong to the prober's loop,
// which never handles one stack twice at once.
type stackState struct {
	// intent is the desired graph; nil until the first call of Intend.
	intent *intent
	// applying is true while the reconcile loop writes the policies of a new intent.
	applying bool
	// dirty is true when something changed since the last audit.
	dirty bool
	// latest is the assessment that Latest returns.
	latest Assessment
	// --- the prober's loop alone uses the fields below

	// knownSince is when this process first saw the stack.
	knownSince time.Time
	// auditedAt is when the live objects were last read.
	auditedAt time.Time
	// lastRunStarted is when the last run started.
	lastRunStarted time.Time
	// unproven is the number of results in a row that are NotVerified.
	unproven int
	run      *run
}

// New returns a Prober. live reads from the API server: the pods and policies of others are in no cache.
func New(c client.Client, live client.Reader, options Options) *Prober {
	return &Prober{
		client: c, live: live, options: options, now: time.Now, ownQueue: newRequeuer(), statusQueue: newRequeuer(),
		stacks: map[types.NamespacedName]*stackState{}, catalog: &snapshot.AbsentKinds{},
	}
}

// Changes requeues each stack whose assessment changed. It is a source for the reconcile loop.
func (p *Prober) Changes() source.Source { return p.statusQueue }

// Watched returns the cache that watches, by metadata alone, the objects that decide who reaches stacks: Services are among them. It is nil
// before SetupWithManager.
func (p *Prober) Watched() cache.Cache { return p.watched }

// Latest returns the latest assessment of a stack's lockdown.
func (p *Prober) Latest(key types.NamespacedName) Assessment {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if s := p.stacks[key]; s != nil {
		return s.latest
	}
	return Assessment{}
}

// state returns the state of a stack, a new one for an unknown stack. The caller holds the mutex.
func (p *Prober) state(key types.NamespacedName) *stackState {
	s := p.stacks[key]
	if s == nil {
		s = &stackState{knownSince: p.now()}
		p.stacks[key] = s
	}
	return s
}

// markDirty notes that something changed, and requeues the stack after a delay.
func (p *Prober) markDirty(key types.NamespacedName, after time.Duration) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if s := p.stacks[key]; s != nil {
		s.dirty = true
		p.ownQueue.requeue(key, after)
	}
}

const (
	// debounce lets a burst of changes pass, and lets the operator repair what it can.
	debounce = 500 * time.Millisecond
	// minAuditInterval is the shortest time between two audits of a stack.
	minAuditInterval = time.Second
	// pollInterval is how often the pods of a run are checked, in addition to when they change.
	pollInterval = time.Second
)

// Reconcile does the next step for a stack: an audit, the start of a run, or a step of the current run. It never waits for a pod.
func (p *Prober) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	key := request.NamespacedName
	var stack v1alpha1.OpenIMStack
	err := p.client.Get(ctx, key, &stack)
	if client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("reading OpenIMStack %s: %w", key, err)
	}
	if err != nil || !stack.DeletionTimestamp.IsZero() {
		return ctrl.Result{}, p.forget(ctx, key)
	}
	s, wanted, dirty := p.take(key)
	if wanted == nil {
		return ctrl.Result{}, nil // Applied requeues the stack
	}
	if s.run != nil && s.run.intent != wanted {
		return p.abandon(ctx, &stack, s)
	}
	if s.run != nil && !dirty {
		return p.advance(ctx, &stack, s)
	}
	if wait := s.auditedAt.Add(minAuditInterval).Sub(p.now()); wait > 0 {
		p.keepDirty(s, dirty)
		if s.run != nil {
			return p.advance(ctx, &stack, s)
		}
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	current, err := p.auditLive(ctx, &stack, s, wanted)
	if errors.Is(err, errOutdated) {
		return ctrl.Result{}, nil // Applied requeues the stack
	}
	if err != nil {
		p.keepDirty(s, true)
		return ctrl.Result{}, err
	}
	if s.run != nil {
		return p.advance(ctx, &stack, s)
	}
	return p.decide(ctx, &stack, s, wanted, current)
}

// keepDirty restores the mark that take removed.
func (p *Prober) keepDirty(s *stackState, dirty bool) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	s.dirty = s.dirty || dirty
}

// auditLive audits the live objects, and returns the plan of a run that would start now. It returns errOutdated when the intent was
// replaced meanwhile.
func (p *Prober) auditLive(ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState, wanted *intent) (plan, error) {
	s.auditedAt = p.now()
	w, err := p.read(ctx, s, wanted)
	if err != nil {
		return plan{}, fmt.Errorf("auditing OpenIMStack %s/%s: %w", stack.Namespace, stack.Name, err)
	}
	report := audit.Run(audit.Input{Stack: bare(stack), Graph: wanted.graph, Snapshot: w, Now: s.auditedAt, Problems: wanted.problems})
	current, err := newPlan(wanted.graph, w, expectedIntruders(wanted.graph, p.intruderNamespaces(stack)))
	if err != nil {
		return plan{}, err
	}
	last, proxies := p.lastResult(stack, s), audit.ProxiesInFront(wanted.graph, w)
	onHostNetwork, nothing := audit.UnmatchedClients(wanted.graph, w)
	p.updateAssessment(s, client.ObjectKeyFromObject(stack), func(a *Assessment) {
		a.Audited, a.Findings, a.Exceptions, a.Unread = true, report.Findings, report.Exceptions, unread(w)
		a.Proxies, a.PeersOnHostNetwork, a.PeersSelectNothing = proxies, onHostNetwork, nothing
		a.Outdated = a.Outdated || a.Probe == nil && last != nil && !sameRules(last.Digest, current.digest) // the result of an earlier process
		switch {
		case p.options.Image == "":
			a.Waiting = "the operator has no image for the probe's pods: set --probe-image"
		case len(current.targets) == 0:
			a.Waiting = "no pod of the stack is ready"
		default:
			a.Waiting = ""
		}
	})
	return current, nil
}

// unread returns the kinds that the cluster has and that could not be read, sorted as they were read.
func unread(w *snapshot.Snapshot) []string {
	var kinds []string
	for _, u := range w.Unread {
		if !slices.Contains(kinds, u.Kind) {
			kinds = append(kinds, u.Kind)
		}
	}
	return kinds
}

// bare returns the stack without its status: an earlier result of the probe must not come back as a finding.
func bare(stack *v1alpha1.OpenIMStack) *v1alpha1.OpenIMStack {
	copied := stack.DeepCopy()
	copied.Status = v1alpha1.OpenIMStackStatus{}
	return copied
}

// decide starts a run when one is due.
func (p *Prober) decide(
	ctx context.Context, stack *v1alpha1.OpenIMStack, s *stackState, wanted *intent, current plan,
) (ctrl.Result, error) {
	if p.options.Image == "" {
		return ctrl.Result{RequeueAfter: Interval(stack)}, nil
	}
	o := scheduleInput{
		now: p.now(), interval: Interval(stack), since: s.knownSince, last: p.lastResult(stack, s), started: s.lastRunStarted,
		unproven: s.unproven,
		digest:   current.digest,
		outdated: p.Latest(client.ObjectKeyFromObject(stack)).Outdated,
		request:  truncate(stack.Annotations[v1alpha1.AnnotationProbeRequested], maxRequest),
		settled:  settled(stack), noReadyPods: len(current.targets) == 0,
	}
	trigger, wait := o.due()
	if trigger == "" {
		return ctrl.Result{RequeueAfter: wait}, nil
	}
	return p.startRun(ctx, stack, s, &run{id: newID(), trigger: trigger, request: o.request, intent: wanted, plan: current})
}

// maxRequest bounds the value of the annotation that requests a probe, in bytes.
const maxRequest = 128

// lastResult returns the last result of this process, or that of an earlier process from the status. It returns nil when there is none.
func (p *Prober) lastResult(stack *v1alpha1.OpenIMStack, s *stackState) *v1alpha1.ProbeResult {
	if s.latest.Probe != nil {
		return s.latest.Probe
	}
	if stack.Status.Boundary == nil {
		return nil
	}
	return stack.Status.Boundary.LastProbe
}

// updateAssessment changes the assessment of a stack, and requeues the stack in the reconcile loop when the assessment differs.
func (p *Prober) updateAssessment(s *stackState, key types.NamespacedName, change func(*Assessment)) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	after := s.latest
	change(&after)
	if reflect.DeepEqual(s.latest, after) {
		return
	}
	s.latest = after
	p.statusQueue.requeue(key, 0)
}

// forget drops the state of a deleted stack, and deletes leftover pods of its probe.
func (p *Prober) forget(ctx context.Context, key types.NamespacedName) error {
	p.mutex.Lock()
	delete(p.stacks, key)
	p.mutex.Unlock()
	metrics.forget(key)
	return p.deletePods(ctx, key, "")
}

// intruderNamespaces returns the stack's namespace and, when it is another, the operator's.
func (p *Prober) intruderNamespaces(stack *v1alpha1.OpenIMStack) []string {
	if p.options.Namespace == "" || p.options.Namespace == stack.Namespace {
		return []string{stack.Namespace}
	}
	return []string{stack.Namespace, p.options.Namespace}
}

// scope returns what the audit reads: the stack's namespace, the operator's, and those of the stack's stores and other peers. All objects
// of a large cluster would need too much memory; `kubectl openimstack audit` reads them.
func (p *Prober) scope(g graph.Graph) snapshot.Scope {
	scope := snapshot.Scope{Namespaces: []string{g.Namespace}, AbsentKinds: p.catalog}
	add := func(namespace string) {
		outside := len(p.options.WatchNamespaces) > 0 && !slices.Contains(p.options.WatchNamespaces, namespace)
		if namespace != "" && !outside && !slices.Contains(scope.Namespaces, namespace) {
			scope.Namespaces = append(scope.Namespaces, namespace)
		}
	}
	add(p.options.Namespace)
	for _, c := range g.Edges {
		for _, party := range []graph.Peer{c.From, c.To} {
			for _, peer := range party.NetworkPeers {
				if peer.NamespaceSelector != nil {
					add(peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName])
				}
			}
		}
	}
	return scope
}
