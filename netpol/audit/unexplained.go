package audit

import (
	"fmt"
	"slices"

	"github.com/openimstack/openim-operator/netpol/graph"
)

// checkUnexplained returns a finding for each cell that is not as expected and that no other finding explains. An opening is reported even
// when no check knows its cause, and so is a connection that the stack needs and that is denied.
func checkUnexplained(m *Model, found []Finding) []Finding {
	if slices.ContainsFunc(found, func(f Finding) bool { return f.Kind == OwnPolicyMissing || f.Kind == OwnPolicyChanged }) {
		return nil // these explain both
	}
	var all []Finding
	for _, cell := range m.cells {
		if cell.Evaluated == cell.Expected {
			continue
		}
		port := portName(cell.To, graph.Port{Number: cell.Port.Number})
		switch {
		case isExplained(m, found, cell, port):
		case cell.Evaluated:
			all = append(all, unexplained(m, cell, port))
		default:
			all = append(all, connectionShut(m, cell, port))
		}
	}
	return all
}

// isExplained reports whether a finding names the port or the store of a cell, or is about egress, or about a pod to which no policy
// applies.
func isExplained(m *Model, found []Finding, cell Cell, port string) bool {
	toComponent := m.component(cell.To) != nil
	return slices.ContainsFunc(found, func(f Finding) bool {
		switch f.Kind {
		case HostNetwork:
			return true
		case SecondInterface, PeerMatchesNothing:
			return false // these do not depend on what policies say of the cell
		case EgressWidens:
			return cell.Evaluated && !toComponent
		case StoreReachable:
			return f.store == port
		}
		return cell.Evaluated && slices.Contains(f.Ports, port)
	})
}

// unexplained has the severity of the port, or Medium for a destination outside the stack.
func unexplained(m *Model, cell Cell, port string) Finding {
	f := Finding{
		Kind: Unexplained, Severity: Medium, Object: cellObject(m, cell),
		Reason: "a connection is open that the stack does not intend: " + because(cell),
		Lets:   fmt.Sprintf("%s reaches %s", cell.From, port),
		Fix:    "find which of the policies named here lets it through, and narrow it",
	}
	if i := m.targetAt(cell.To, cell.Port.Number); i >= 0 {
		f.Severity, f.Ports = m.targets[i].impact(), []string{port}
	}
	return f
}

func connectionShut(m *Model, cell Cell, port string) Finding {
	return Finding{
		Kind: ConnectionShut, Severity: Low, Object: cellObject(m, cell),
		Reason: "a connection that the stack intends is denied: " + because(cell),
		Lets:   fmt.Sprintf("nothing; %s does not reach %s", cell.From, port),
		Fix:    "add a rule to the policy named here, or a policy beside it, that lets this connection through",
	}
}

// cellObject returns the policy that decides a cell, or the stack when none does.
func cellObject(m *Model, cell Cell) Object {
	for _, d := range slices.Backward(cell.Decided) {
		if d.Policy != "" && d.Allowed == cell.Evaluated {
			o := Object{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy"}
			o.Namespace, o.Name = splitName(d.Policy)
			return o
		}
	}
	return m.stackObject()
}

// because returns the reason of the last decision that agrees with a cell. Ingress decisions come last, so the policy at the target is
// preferred.
func because(cell Cell) string {
	for _, d := range slices.Backward(cell.Decided) {
		if d.Allowed == cell.Evaluated {
			return prefixed(d.Policy, d.Reason)
		}
	}
	return "nothing that was read decides it"
}
