package manifests

import (
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Each case is what a spec says, and the effective requests and limits as cpu/memory.
func TestDefaultsNeverContradictTheSpec(t *testing.T) {
	type list = map[string]string
	cases := []struct {
		name             string
		requests, limits list
		request, limit   string
	}{
		{"nothing", nil, nil, "20m/96Mi", "-/1Gi"},
		{"a request below the default limit", list{"memory": "512Mi"}, nil, "20m/512Mi", "-/1Gi"},
		{"a request of the default limit", list{"memory": "1Gi"}, nil, "20m/1Gi", "-/1Gi"},
		{"a request above the default limit", list{"memory": "2Gi"}, nil, "20m/2Gi", "-/-"},
		{"a limit below the default request", nil, list{"memory": "64Mi", "cpu": "10m"}, "10m/64Mi", "10m/64Mi"},
		{"a limit above the default", nil, list{"memory": "4Gi"}, "20m/96Mi", "-/4Gi"},
		{"no limit", nil, list{"memory": "0"}, "20m/96Mi", "-/-"},
		{"no limit of a resource without a default", nil, list{"cpu": "0"}, "20m/96Mi", "-/1Gi"},
		{"a request and no limit", list{"memory": "2Gi"}, list{"memory": "0"}, "20m/2Gi", "-/-"},
		{"both", list{"memory": "2Gi"}, list{"memory": "3Gi"}, "20m/2Gi", "-/3Gi"},
		{"no request", list{"memory": "0"}, nil, "20m/0", "-/1Gi"},
	}
	quantities := func(l list) map[string]resource.Quantity {
		out := map[string]resource.Quantity{}
		for name, value := range l {
			out[name] = resource.MustParse(value)
		}
		return out
	}
	text := func(l corev1.ResourceList) string {
		one := func(name corev1.ResourceName) string {
			quantity, ok := l[name]
			if !ok {
				return "-"
			}
			return quantity.String()
		}
		return one(corev1.ResourceCPU) + "/" + one(corev1.ResourceMemory)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			r := resources(&v1alpha1.Resources{Requests: quantities(c.requests), Limits: quantities(c.limits)})
			g.Expect(text(r.Requests)).To(Equal(c.request))
			g.Expect(text(r.Limits)).To(Equal(c.limit))
		})
	}
	NewWithT(t).Expect(text(resources(nil).Limits)).To(Equal("-/1Gi"))
}
