package audit

import (
	"fmt"
	"slices"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// unexplained are cells that are not as expected, and that no finding accounts for. An opening must not stay unsaid because nobody
// thought of its cause; something needed that is shut is worth knowing.
func (s *scene) unexplained(cells []Cell, found []Finding) []Finding {
	var all []Finding
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == OwnPolicyMissing || f.Kind == OwnPolicyChanged }) {
		return nil // they account for both, whatever else is there
	}
	for _, cell := range cells {
		if cell.Evaluated == cell.Expected {
			continue
		}
		place := portPlace(cell.To, graph.Port{Number: cell.Port.Number})
		if s.accountedFor(found, cell, place) {
			continue
		}
		if !cell.Evaluated {
			all = append(all, s.connectionShut(cell, place))
			continue
		}
		severity := Medium
		if i := s.targetAt(cell.To, cell.Port.Number); i >= 0 {
			severity = s.targets[i].impact()
		}
		all = append(all, Finding{
			Kind: Unexplained, Severity: severity, Object: s.cellObject(cell), Reason: "a connection is open that the stack does not intend: " + because(cell),
			Lets: fmt.Sprintf("%s reaches %s", cell.From, place), Fix: "see which of the policies named here lets it through, and narrow it", Ports: s.ifOwn(place),
		})
	}
	return all
}

// ifOwn is a place if it is a port of the stack.
func (s *scene) ifOwn(place string) []string {
	if slices.ContainsFunc(s.targets, func(t target) bool { return t.String() == place }) {
		return []string{place}
	}
	return nil
}

// accountedFor: a finding names the port or the store, or is about a way out, or about a pod that no policy binds.
func (s *scene) accountedFor(found []Finding, cell Cell, place string) bool {
	inward := s.component(cell.To) != nil
	return slices.ContainsFunc(found, func(f Finding) bool {
		switch f.Kind {
		case HostNetwork:
			return true
		case SecondInterface, PeerMatchesNothing:
			return false // what policies say of a cell is another matter
		case EgressWidens:
			return cell.Evaluated && !inward
		case StoreReachable:
			return f.store == place
		}
		return cell.Evaluated && slices.Contains(f.Ports, place)
	})
}

func (s *scene) connectionShut(cell Cell, place string) Finding {
	return Finding{
		Kind: ConnectionShut, Severity: Low, Object: s.cellObject(cell),
		Reason: "a connection that the stack intends is shut: " + because(cell),
		Lets:   fmt.Sprintf("nothing; %s does not reach %s", cell.From, place),
		Fix:    "add a rule to the policy named here, or one beside it, that lets this connection through",
	}
}

// cellObject is the policy that decides a cell, or the stack when none does.
func (s *scene) cellObject(cell Cell) Object {
	for _, d := range slices.Backward(cell.Decided) {
		if d.Policy != "" && d.Allowed == cell.Evaluated {
			namespace, name := split(d.Policy)
			return Object{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: namespace, Name: name}
		}
	}
	return s.stackObject()
}

func because(cell Cell) string {
	for _, d := range slices.Backward(cell.Decided) {
		if d.Allowed == cell.Evaluated {
			return joinWords(d.Policy, d.Reason)
		}
	}
	return "nothing that was read decides it"
}
