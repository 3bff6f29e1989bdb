package explain

import (
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// The fields that explain names exist in the spec, and the ports that they open exist in the catalogue.
func TestExposedPortsAreOfTheSpecAndTheCatalogue(t *testing.T) {
	g := NewWithT(t)
	for _, d := range exposedPorts() {
		c, ok := graph.Lookup(d.component)
		g.Expect(ok).To(BeTrue(), d.component)
		g.Expect(c.Port(d.port).Number).NotTo(BeZero(), d.port)
		g.Expect(isField(reflect.TypeFor[v1alpha1.OpenIMStack](), d.field)).To(BeTrue(), d.field)
	}
	for _, field := range []string{"spec.network.extraEgress", "spec.network.monitoring", "spec.network.webSocketClients"} {
		g.Expect(isField(reflect.TypeFor[v1alpha1.OpenIMStack](), field)).To(BeTrue(), field)
	}
	g.Expect(isField(reflect.TypeFor[v1alpha1.OpenIMStack](), "spec.network.nothing")).To(BeFalse())
}

func isField(t reflect.Type, path string) bool {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if path == "" {
		return true
	}
	first, rest, _ := strings.Cut(path, ".")
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if name == first {
			return isField(field.Type, rest)
		}
	}
	return false
}
