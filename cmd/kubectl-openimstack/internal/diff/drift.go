package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/netpol/audit"
	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// drift is what of a stack differs from what the operator writes.
type drift struct {
	view   *view
	report audit.Report
	// missing, left over and changed objects, a line each.
	missing, extra, changed []string
	// open cells that should be shut, and the reverse.
	open, shut []string
}

// compare fills the lists.
func (d *drift) compare() error {
	var wanted snapshot.World
	wanted.Intend(d.view.children()...)
	w := d.view.world
	live := slices.DeleteFunc(d.ours(policies(w.Policies)), d.undecided)
	if err := d.objects("NetworkPolicy", slices.DeleteFunc(policies(wanted.Policies), d.undecided), live, exactly); err != nil {
		return err
	}
	if err := d.objects("Service", services(wanted.Services), d.ours(services(w.Services)), atLeast); err != nil {
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
			d.shut = append(d.shut, line)
		}
	}
	return nil
}

// thing is an object to compare: its name, labels and spec.
type thing struct {
	metav1.Object
	spec any
}

func policies(list []networkingv1.NetworkPolicy) []thing {
	var all []thing
	for i := range list {
		all = append(all, thing{&list[i], &list[i].Spec})
	}
	return all
}

func services(list []corev1.Service) []thing {
	var all []thing
	for i := range list {
		all = append(all, thing{&list[i], &list[i].Spec})
	}
	return all
}

// undecided are policies about ways out, when it is not known where the spec's references lead. The report names those.
func (d *drift) undecided(t thing) bool {
	spec, ok := t.spec.(*networkingv1.NetworkPolicySpec)
	return ok && len(d.view.problems) > 0 && !slices.Contains(spec.PolicyTypes, networkingv1.PolicyTypeIngress)
}

// ours are the objects of the stack's namespace that are the stack's by their labels, or by their names.
func (d *drift) ours(all []thing) []thing {
	common := labels.SelectorFromSet(manifests.CommonLabels(d.view.stack.Name))
	names := map[string]bool{}
	for _, o := range d.view.objects {
		names[o.GetName()] = true
	}
	return slices.DeleteFunc(all, func(t thing) bool {
		return t.GetNamespace() != d.view.stack.Namespace || !names[t.GetName()] && !common.Matches(labels.Set(t.GetLabels()))
	})
}

// objects compares those of one kind.
func (d *drift) objects(kind string, wanted, live []thing, how strictness) error {
	for _, w := range wanted {
		i := slices.IndexFunc(live, func(t thing) bool { return t.GetName() == w.GetName() })
		if i < 0 {
			d.missing = append(d.missing, fmt.Sprintf("%s %s/%s", kind, w.GetNamespace(), w.GetName()))
			continue
		}
		found := differencesOfLabels(live[i].GetLabels(), w.GetLabels())
		is, err := plain(live[i].spec)
		if err != nil {
			return err
		}
		should, err := plain(w.spec)
		if err != nil {
			return err
		}
		for _, f := range append(found, differences("spec", is, should, how)...) {
			d.changed = append(d.changed, fmt.Sprintf("%s %s/%s %s", kind, w.GetNamespace(), w.GetName(), f))
		}
	}
	for _, l := range live {
		if !slices.ContainsFunc(wanted, func(t thing) bool { return t.GetName() == l.GetName() }) {
			d.extra = append(d.extra, fmt.Sprintf("%s %s/%s", kind, l.GetNamespace(), l.GetName()))
		}
	}
	return nil
}

func plain(spec any) (map[string]any, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(spec)
	if err != nil {
		return nil, fmt.Errorf("comparing: %w", err)
	}
	return content, nil
}

// labels compares those of the pods that a component's Deployment made: a pod that has lost one is no longer selected by what
// guards it.
func (d *drift) labels(wanted corev1.Pod) {
	component := wanted.Labels[v1alpha1.LabelComponent]
	for i := range d.view.world.Pods {
		pod := &d.view.world.Pods[i]
		if pod.Namespace != wanted.Namespace || !madeBy(pod, wanted.Name) {
			continue
		}
		for _, f := range differencesOfLabels(pod.Labels, wanted.Labels) {
			d.changed = append(d.changed, fmt.Sprintf("Pod %s/%s of %s %s", pod.Namespace, pod.Name, component, f))
		}
	}
}

// madeBy tells whether a pod belongs to a ReplicaSet of a Deployment, or stands for it.
func madeBy(pod *corev1.Pod, deployment string) bool {
	owner := metav1.GetControllerOfNoCopy(pod)
	if owner == nil {
		return false
	}
	hash, isReplica := strings.CutPrefix(owner.Name, deployment+"-")
	return owner.Kind == "Deployment" && owner.Name == deployment || owner.Kind == "ReplicaSet" && isReplica && !strings.Contains(hash, "-")
}

func (d *drift) any() bool {
	return len(d.missing)+len(d.extra)+len(d.changed)+len(d.open)+len(d.shut) > 0
}

func (d *drift) exit() int {
	switch {
	case d.any():
		return exitFindings
	case len(d.report.Unread) > 0:
		return exitUnknown
	default:
		return exitSealed
	}
}

func (d *drift) write(w io.Writer) error {
	if !d.any() {
		fmt.Fprintf(w, "OpenIMStack %s: as the operator writes it\n", d.view.name())
	} else {
		fmt.Fprintf(w, "OpenIMStack %s differs from what the operator writes\n", d.view.name())
	}
	var unread []string
	for _, u := range d.report.Unread {
		unread = append(unread, u.Kind+": "+u.Reason)
	}
	for _, s := range []struct {
		head  string
		lines []string
	}{
		{"missing:", d.missing}, {"changed (live, then intended):", d.changed}, {"left over:", d.extra},
		{"open, and should be shut:", d.open}, {"shut, and should be open:", d.shut}, {"could not be read:", unread},
	} {
		if err := section(w, s.head, s.lines); err != nil {
			return err
		}
	}
	return nil
}
