package controllers_test

import (
	"errors"
	"testing"

	. "github.com/onsi/gomega"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openimstack/openim-operator/controllers"
)

type brokenMapper struct{ apimeta.RESTMapper }

func (brokenMapper) RESTMapping(schema.GroupKind, ...string) (*apimeta.RESTMapping, error) {
	return nil, errors.New("the API server is away")
}

func TestThePlatformChoosesUserIDsWhereOpenShiftsConstraintsAre(t *testing.T) {
	g := NewWithT(t)
	mapper := apimeta.NewDefaultRESTMapper(nil)
	g.Expect(controllers.PlatformUserIDs(mapper)).To(BeFalse())
	mapper.Add(schema.GroupVersionKind{Group: "security.openshift.io", Version: "v1", Kind: "RangeAllocation"}, apimeta.RESTScopeRoot)
	g.Expect(controllers.PlatformUserIDs(mapper)).To(BeFalse(), "another kind of the group")
	mapper.Add(schema.GroupVersionKind{
		Group: "security.openshift.io", Version: "v1", Kind: "SecurityContextConstraints",
	}, apimeta.RESTScopeRoot)
	g.Expect(controllers.PlatformUserIDs(mapper)).To(BeTrue())
	_, err := controllers.PlatformUserIDs(brokenMapper{})
	g.Expect(err).To(MatchError("asking the API server for SecurityContextConstraints.security.openshift.io: the API server is away"))
}
