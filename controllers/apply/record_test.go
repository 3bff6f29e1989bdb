package apply

import (
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestDataAreStoredInTheOrderOfTheAPIServer(t *testing.T) {
	g := NewWithT(t)
	given := &appsv1.ControllerRevision{Data: runtime.RawExtension{Raw: []byte(`{"b":{"d":"<&>","c":12345678901234567},"a":[{"z":1,"y":null}]}`)}}
	sorted, err := ordered(given)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(sorted.Data.Raw)).To(Equal(`{"a":[{"y":null,"z":1}],"b":{"c":12345678901234567,"d":"\u003c\u0026\u003e"}}`))
	g.Expect(sorted.Data.Raw).To(MatchJSON(given.Data.Raw))
	again, err := ordered(sorted)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(again.Data.Raw).To(Equal(sorted.Data.Raw))
	_, err = ordered(&appsv1.ControllerRevision{Data: runtime.RawExtension{Raw: []byte("{")}})
	g.Expect(err).To(HaveOccurred())
}
