package snapshot

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// writerMarks are labels and annotations that platforms and tools set on the objects that they write, with the tool's name. An empty
// name means that the value of the label is the name.
var writerMarks = []struct{ key, tool string }{
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

// longestMark bounds the part of a label's or annotation's value that is shown.
const longestMark = 63

// noteWriters records the writer of each policy, before these fields are dropped.
func (w *Snapshot) noteWriters() {
	for i := range w.Policies {
		p := &w.Policies[i]
		if writer := writerOf(&p.ObjectMeta); writer != "" {
			if w.Writers == nil {
				w.Writers = map[types.NamespacedName]string{}
			}
			w.Writers[types.NamespacedName{Namespace: p.Namespace, Name: p.Name}] = writer
		}
	}
}

// writerOf returns the writer of an object, derived from its marks, its owner reference and its field managers, or an empty text.
func writerOf(meta *metav1.ObjectMeta) string {
	var signs []string
	writer := ""
	for _, m := range writerMarks {
		value, has := meta.Labels[m.key]
		if !has {
			value, has = meta.Annotations[m.key]
		}
		if !has {
			continue
		}
		name := m.tool
		if name == "" {
			name = cut(value)
		}
		if writer == "" {
			writer = name
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
	case writer == "" && len(signs) == 0:
		return ""
	case writer == "":
		return strings.Join(signs, "; ")
	default:
		return fmt.Sprintf("%s (%s)", writer, strings.Join(signs, "; "))
	}
}

func cut(s string) string {
	if len(s) > longestMark {
		return strings.ToValidUTF8(s[:longestMark], "") + "..."
	}
	return s
}
