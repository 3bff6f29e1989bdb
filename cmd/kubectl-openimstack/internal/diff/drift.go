package diff

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/report"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// drift holds the differences between a stack and what the operator writes.
type drift struct {
	stack  *load.Stack
	report audit.Report
	// missing, left over and changed objects, a line each.
	missing, extra, changed []string
	// open are open cells that should be closed; closed is the reverse.
	open, closed []string
}

// compare fills the lists of a drift.
func (d *drift) compare() error {
	var wanted snapshot.Snapshot
	wanted.AddIntended(d.stack.Children()...)
	live := d.stack.Snapshot
	livePolicies := slices.DeleteFunc(d.ours(policies(live.Policies)), d.undecided)
	wantedPolicies := slices.DeleteFunc(policies(wanted.Policies), d.undecided)
	if err := d.objects("NetworkPolicy", wantedPolicies, livePolicies, exactly); err != nil {
		return err
	}
	if err := d.objects("Service", services(wanted.Services), d.ours(services(live.Services)), atLeast); err != nil {
		return err
	}
	for _, pod := range wanted.Pods {
		d.labels(pod)
	}
	for _, cell := range d.report.Cells {
		line := fmt.Sprintf("%s -> %s:%d/%s", cell.From, cell.To, cell.Port.Number, cell.Port.Protocol)
		switch {
		case cell.Evaluated && !cell.Expected:
			d.open = append(d.open, line)
		case !cell.Evaluated && cell.Expected:
			d.closed = append(d.closed, line)
		}
	}
	return nil
}

// object is an object to compare: its name, labels and spec.
type object struct {
	metav1.Object
	spec any
}

// policies returns NetworkPolicies as objects to compare.
func policies(list []networkingv1.NetworkPolicy) []object {
	var all []object
	for i := range list {
		all = append(all, object{&list[i], &list[i].Spec})
	}
	return all
}

// services returns Services as objects to compare.
func services(list []corev1.Service) []object {
	var all []object
	for i := range list {
		all = append(all, object{&list[i], &list[i].Spec})
	}
	return all
}

// undecided reports whether a policy is for egress alone while references of the spec do not resolve: its wanted rules are then not known.
// The report names the references.
func (d *drift) undecided(o object) bool {
	spec, ok := o.spec.(*networkingv1.NetworkPolicySpec)
	return ok && len(d.stack.Problems) > 0 && !slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeIngress)
}

// ours returns the objects of the stack's namespace that belong to the stack by their labels or their names.
func (d *drift) ours(all []object) []object {
	common := labels.SelectorFromSet(manifests.CommonLabels(d.stack.Object.Name))
	names := map[string]bool{}
	for _, child := range d.stack.Objects {
		names[child.GetName()] = true
	}
	return slices.DeleteFunc(all, func(o object) bool {
		return o.GetNamespace() != d.stack.Object.Namespace || !names[o.GetName()] && !common.Matches(labels.Set(o.GetLabels()))
	})
}

// objects compares the objects of one kind.
func (d *drift) objects(kind string, wanted, live []object, how strictness) error {
	for _, w := range wanted {
		i := slices.IndexFunc(live, func(o object) bool { return o.GetName() == w.GetName() })
		if i < 0 {
			d.missing = append(d.missing, fmt.Sprintf("%s %s/%s", kind, w.GetNamespace(), w.GetName()))
			continue
		}
		found := differencesOfLabels(live[i].GetLabels(), w.GetLabels())
		liveSpec, err := plain(live[i].spec)
		if err != nil {
			return err
		}
		wantedSpec, err := plain(w.spec)
		if err != nil {
			return err
		}
		for _, f := range append(found, differences("spec", liveSpec, wantedSpec, how)...) {
			d.changed = append(d.changed, fmt.Sprintf("%s %s/%s %s", kind, w.GetNamespace(), w.GetName(), f))
		}
	}
	for _, l := range live {
		if !slices.ContainsFunc(wanted, func(o object) bool { return o.GetName() == l.GetName() }) {
			d.extra = append(d.extra, fmt.Sprintf("%s %s/%s", kind, l.GetNamespace(), l.GetName()))
		}
	}
	return nil
}

// plain returns a spec as maps and lists.
func plain(spec any) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return nil, fmt.Errorf("comparing objects: %w", err)
	}
	return content, nil
}

// labels compares the labels of the pods that a component's Deployment created: a pod that lost a label is no longer selected by the
// policies that protect it.
func (d *drift) labels(wanted corev1.Pod) {
	component := wanted.Labels[v1alpha1.LabelComponent]
	for i := range d.stack.Snapshot.Pods {
		pod := &d.stack.Snapshot.Pods[i]
		if pod.Namespace != wanted.Namespace || !madeBy(pod, wanted.Name) {
			continue
		}
		for _, f := range differencesOfLabels(pod.Labels, wanted.Labels) {
			d.changed = append(d.changed, fmt.Sprintf("Pod %s/%s of %s %s", pod.Namespace, pod.Name, component, f))
		}
	}
}

// madeBy reports whether a pod belongs to a ReplicaSet of a Deployment, or to the Deployment itself, as expected pods of manifests do.
func madeBy(pod *corev1.Pod, deployment string) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return false
	}
	hash, isReplica := strings.CutPrefix(owner.Name, deployment+"-")
	return owner.Kind == "Deployment" && owner.Name == deployment ||
		owner.Kind == "ReplicaSet" && isReplica && !strings.Contains(hash, "-")
}

// any reports whether there is a difference.
func (d *drift) any() bool {
	return len(d.missing)+len(d.extra)+len(d.changed)+len(d.open)+len(d.closed) > 0
}

// exitCode returns the exit code. Differences outrank what could not be read.
func (d *drift) exitCode() int {
	switch {
	case d.any():
		return cli.ExitFindings
	case len(d.report.Unread) > 0:
		return cli.ExitUnknown
	default:
		return cli.ExitSealed
	}
}

// page returns the differences by kind.
func (d *drift) page() page {
	result := "as the operator writes it"
	p := page{title: fmt.Sprintf("OpenIMStack %s: %s", d.stack.Name(), result)}
	if d.any() {
		result = "differs from what the operator writes"
		p.title = fmt.Sprintf("OpenIMStack %s %s", d.stack.Name(), result)
	}
	p.heading = fmt.Sprintf("OpenIMStack `%s`: %s", strings.ReplaceAll(report.Line(d.stack.Name()), "`", "'"), result)
	var unread []string
	for _, u := range d.report.Unread {
		unread = append(unread, u.Kind+": "+u.Reason)
	}
	p.sections = []section{
		{heading: "missing", lines: d.missing}, {heading: "changed (live, then intended)", lines: d.changed},
		{heading: "left over", lines: d.extra},
		{heading: "open, should be closed", lines: d.open}, {heading: "closed, should be open", lines: d.closed},
		{heading: "could not be read", lines: unread},
	}
	return p
}
