package snapshot

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// writerMarks are labels and annotations by which platforms and tools mark what they write, and the words for each.
var writerMarks = []struct{ key, who string }{
	{"cattle.io/creator", "Rancher"},
	{"field.cattle.io/projectId", "Rancher"},
	{"management.cattle.io/system-namespace", "Rancher"},
	{"generate.kyverno.io/policy-name", "Kyverno, by a policy that generates it"},
	{"hnc.x-k8s.io/inherited-from", "the Hierarchical Namespace Controller"},
	{"capsule.clastix.io/tenant", "Capsule"},
	{"kubesphere.io/creator", "KubeSphere"},
	{"olm.owner", "the Operator Lifecycle Manager"},
	{"argocd.argoproj.io/tracking-id", "Argo CD"},
	{"argocd.argoproj.io/instance", "Argo CD"},
	{"kustomize.toolkit.fluxcd.io/name", "Flux"},
	{"helm.toolkit.fluxcd.io/name", "Flux"},
	{"meta.helm.sh/release-name", "Helm"},
	{"app.kubernetes.io/managed-by", ""},
	{"app.kubernetes.io/created-by", ""},
}

// longestMark is how much of a label's or annotation's value is repeated.
const longestMark = 63

// noteWriters notes who wrote each policy, before that is dropped.
func (w *World) noteWriters() {
	for i := range w.Policies {
		p := &w.Policies[i]
		if who := writerOf(&p.ObjectMeta); who != "" {
			if w.Writers == nil {
				w.Writers = map[types.NamespacedName]string{}
			}
			w.Writers[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = who
		}
	}
}

// writerOf says who wrote an object, by its marks, its owner, and the managers of its fields. Empty when nothing tells.
func writerOf(meta *metav1.ObjectMeta) string {
	var signs []string
	who := ""
	for _, m := range writerMarks {
		value, has := meta.Labels[m.key]
		if !has {
			value, has = meta.Annotations[m.key]
		}
		if !has {
			continue
		}
		name := m.who
		if name == "" {
			name = cut(value)
		}
		if who == "" {
			who = name
		}
		signs = append(signs, m.key+"="+cut(value))
	}
	if owner := metav1.GetControllerOfNoCopy(meta); owner != nil {
		signs = append(signs, "owned by "+owner.Kind+" "+cut(owner.Name))
	}
	var managers []string
	for _, f := range meta.ManagedFields {
		if f.Subresource == "" && f.Manager != "" && !slices.Contains(managers, f.Manager) {
			managers = append(managers, f.Manager)
		}
	}
	if len(managers) > 0 {
		const most = 3
		signs = append(signs, "field manager "+strings.Join(managers[:min(len(managers), most)], ", "))
	}
	switch {
	case who == "" && len(signs) == 0:
		return ""
	case who == "":
		return strings.Join(signs, "; ")
	default:
		return fmt.Sprintf("%s (%s)", who, strings.Join(signs, "; "))
	}
}

func cut(s string) string {
	if len(s) > longestMark {
		return strings.ToValidUTF8(s[:longestMark], "") + "..."
	}
	return s
}
