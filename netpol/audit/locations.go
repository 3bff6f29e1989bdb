package audit

import (
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/openimstack/openim-operator/netpol/snapshot"
)

// locate sets the locations of findings. An object that no manifest holds, such as a pod that the operator will make, gets the location of
// the stack's manifest: code scanning drops results without a file.
func locate(findings []Finding, m *Model) {
	for i, f := range findings {
		location, known := locationOf(f.Object, m.snapshot)
		if !known {
			location, known = locationOf(m.stackObject(), m.snapshot)
		}
		if known {
			findings[i].Location = &location
		}
	}
}

// locationOf returns the location of an object, whatever the version of its API.
func locationOf(o Object, s *snapshot.Snapshot) (snapshot.Location, bool) {
	gv, err := schema.ParseGroupVersion(o.APIVersion)
	if err != nil {
		return snapshot.Location{}, false
	}
	location, known := s.Locations[snapshot.ObjectKey{
		GroupKind: gv.WithKind(o.Kind).GroupKind(), Namespace: o.Namespace, Name: o.Name,
	}]
	return location, known
}
