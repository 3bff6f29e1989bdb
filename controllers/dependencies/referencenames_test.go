package dependencies_test

import (
	"fmt"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
)

// A client refuses such a name before it asks, and the stack would be tried again for ever without a word of why.
func TestANameThatNoObjectCanHaveIsRefused(t *testing.T) {
	for _, wrong := range []string{"..", "a/b", "a?b", "a%2fb", "Upper", "\n", "-a"} {
		for field, change := range map[string]func(*v1alpha1.ResourceReference){
			"name":      func(r *v1alpha1.ResourceReference) { r.Name = wrong },
			"namespace": func(r *v1alpha1.ResourceReference) { r.Namespace = wrong },
			"user":      func(r *v1alpha1.ResourceReference) { r.User = wrong },
			"kind":      func(r *v1alpha1.ResourceReference) { r.Kind = strings.Replace(wrong, "Upper", "-", 1) },
			"group":     func(r *v1alpha1.ResourceReference) { r.APIVersion = wrong + "/v1" },
			"version":   func(r *v1alpha1.ResourceReference) { r.APIVersion = "kafka.strimzi.io/" + wrong },
		} {
			t.Run(field+fmt.Sprintf(" %q", wrong), func(t *testing.T) {
				g := NewWithT(t)
				_, problems := resolveWith(t, dependencies.Access{}, strimziRef(change), newStrimziCluster(t).objects()...)
				g.Expect(problems).To(HaveLen(1))
				g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonInvalidSpec), problems[0].String())
				g.Expect(problems[0].Field).To(Equal("spec.dependencies.kafka.resourceRef"))
				g.Expect(problems[0].Stalled).To(BeTrue())
			})
		}
		t.Run(fmt.Sprintf("status.secret %q", wrong), func(t *testing.T) {
			g := NewWithT(t)
			c := newStrimziCluster(t)
			g.Expect(unstructured.SetNestedField(c.user.Object, wrong, "status", "secret")).To(Succeed())
			_, problems := resolveWith(t, dependencies.Access{}, strimziRef(), c.objects()...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotReady))
			g.Expect(problems[0].Message).To(ContainSubstring("status.secret of KafkaUser kafka/openim is not the name of a Secret"))
		})
		t.Run(fmt.Sprintf("status.binding.name %q", wrong), func(t *testing.T) {
			g := NewWithT(t)
			database := object(t, databases, "chat", `{}`)
			database.SetNamespace("im")
			g.Expect(unstructured.SetNestedField(database.Object, wrong, "status", "binding", "name")).To(Succeed())
			_, problems := resolveWith(t, dependencies.Access{}, boundTo("mongodb", &v1alpha1.ResourceReference{
				APIVersion: "databases.example.com/v1", Kind: "Database", Name: "chat",
			}), database)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotReady))
			g.Expect(problems[0].Message).To(ContainSubstring("status.binding.name of Database im/chat is not the name of a Secret"))
		})
	}
}

// Addresses go to ConfigMaps and to the record of places: one that the API server would not take in the spec is none.
func TestAnAddressOfABindingIsAsLongAsOneOfTheSpec(t *testing.T) {
	for length, addressed := range map[int]bool{253: true, 255: true, 256: false, 100000: false} {
		g := NewWithT(t)
		_, problems := resolveWith(t, dependencies.Access{}, boundTo("redis", bindingOf()),
			secret("bound", map[string]string{"host": strings.Repeat("a", length), "port": "26379", "password": "p"}))
		g.Expect(problems).To(HaveLen(1))
		if addressed {
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonPeersNeeded))
		} else {
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonSecretKeyNotFound), length)
			g.Expect(len(problems[0].Message)).To(BeNumerically("<", 300))
		}
	}
}

// The own namespace permits references to its own objects. Those of a cluster are nobody's own, also not to learn whether they exist.
func TestAnObjectWithoutANamespaceIsNotFollowed(t *testing.T) {
	cluster := schema.GroupVersionKind{Version: "v1", Kind: "Namespace"}
	access := dependencies.Access{Namespaced: func(o runtime.Object) (bool, error) {
		switch kind := o.GetObjectKind().GroupVersionKind(); kind.Kind {
		case "Gone":
			return false, fmt.Errorf("looking for it: %w", &apimeta.NoKindMatchError{GroupKind: kind.GroupKind()})
		default:
			return kind.Kind == "Database", nil
		}
	}}
	ref := func(kind schema.GroupVersionKind) *v1alpha1.OpenIMStack {
		return boundTo("mongodb", &v1alpha1.ResourceReference{APIVersion: kind.GroupVersion().String(), Kind: kind.Kind, Name: "production"})
	}
	there := object(t, cluster, "production", `{}`)
	there.SetNamespace("")
	for name, objects := range map[string][]client.Object{"exists": {there}, "does not exist": nil} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			_, problems := resolveWith(t, access, ref(cluster), objects...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceUnsupported))
			g.Expect(problems[0].Message).To(ContainSubstring("kind Namespace of v1 has no namespace"))
			g.Expect(problems[0].Stalled).To(BeTrue())
		})
	}
	g := NewWithT(t)
	_, problems := resolveWith(t, access, ref(databases))
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceNotFound))
	_, problems = resolveWith(t, access, ref(databases.GroupVersion().WithKind("Gone")))
	g.Expect(problems).To(HaveLen(1))
	g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonReferenceKindMissing))
}
