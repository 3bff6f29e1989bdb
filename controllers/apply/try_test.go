package apply

import (
	"context"
	"maps"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/openimstack/openim-operator/controllers/outcome"
)

// The API server compares a dry run with the live object. What it says of another's object is not about the wanted one.
func TestARefusedDryRunOfAnothersObjectIsANameConflict(t *testing.T) {
	for name, c := range map[string]struct {
		live *corev1.Service
		want string
	}{
		"of the stack's object": {labelled(controlledBy("ConfigMap", "chat", "new")), outcome.ReasonInvalid},
		"of a new object":       {nil, outcome.ReasonInvalid},
		"of another's object":   {unlabelled(controlledBy("ConfigMap", "other", "other")), outcome.ReasonNameConflict},
		"of nobody's object":    {unlabelled(func(*corev1.Service) {}), outcome.ReasonNameConflict},
	} {
		t.Run(name, func(t *testing.T) {
			builder := fake.NewClientBuilder()
			if c.live != nil {
				builder = builder.WithObjects(c.live)
			}
			cluster := builder.Build()
			refusing := interceptor.NewClient(cluster, interceptor.Funcs{
				Apply: func(context.Context, client.WithWatch, runtime.ApplyConfiguration, ...client.ApplyOption) error {
					return apierrors.NewInvalid(schema.GroupKind{Kind: "Service"}, "chat-api", nil)
				},
			})
			a := New(refusing, cluster, Options{Owner: "us", Identity: slices.Collect(maps.Keys(identity))})
			err := a.Try(t.Context(), labelled(controlledBy("ConfigMap", "chat", "new")))
			NewWithT(t).Expect(outcome.Worst(outcome.Of(err))).To(HaveField("Reason", c.want))
		})
	}
}

// unlabelled returns the Service without the labels of a stack's child.
func unlabelled(change func(*corev1.Service)) *corev1.Service {
	s := labelled(change)
	s.Labels = nil
	return s
}
