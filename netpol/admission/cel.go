package admission

import (
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Expressions are in the Common Expression Language as Kubernetes has it
// (https://kubernetes.io/docs/reference/using-api/cel/). What a rule looks at is always optional (`.?`), so that an object which lacks
// a field is judged and not an error.

// text is a string literal.
func text(s string) string { return "'" + s + "'" }

// texts is a list of string literals.
func texts(all []string) string {
	quoted := make([]string, 0, len(all))
	for _, s := range all {
		quoted = append(quoted, text(s))
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

func numbers(all []int32) string {
	written := make([]string, 0, len(all))
	for _, n := range all {
		written = append(written, strconv.Itoa(int(n)))
	}
	return "[" + strings.Join(written, ", ") + "]"
}

// fill puts values into an expression's <places>, and lays it out on one line.
func fill(expression string, values ...string) string {
	for range 2 { // a value may hold a place itself
		expression = strings.NewReplacer(values...).Replace(expression)
	}
	return strings.Join(strings.Fields(expression), " ")
}

func variable(name, expression string, values ...string) admissionv1.Variable {
	return admissionv1.Variable{Name: name, Expression: fill(expression, values...)}
}

// Names of the variables with which the admin says who is who. A chart or a kustomization replaces them by their place.
const (
	operatorVariable = "operator"
	usersVariable    = "exemptUsers"
	groupsVariable   = "exemptGroups"
)

// Operator is the user as which the operator of config/default writes.
const Operator = "system:serviceaccount:openim-operator-system:openim-operator"

// identities are the first variables of each guard, in this order.
func identities() []admissionv1.Variable {
	return []admissionv1.Variable{
		variable(operatorVariable, strconv.Quote(Operator)),
		variable(usersVariable, "[]"),
		variable(groupsVariable, "[]"),
		variable("trusted", `request.userInfo.username == variables.operator || request.userInfo.username in variables.exemptUsers ||
			request.userInfo.?groups.orValue([]).exists(g, g in variables.exemptGroups)`),
		variable("stack", "string(params.metadata.name)"),
		variable("it", `request.kind.kind + ' "' + string((object == null ? oldObject : object).metadata.?name.orValue('')) + '"'`),
	}
}

// unchanged tells whether an update leaves a field as it was: what was there before the guard can still be annotated and finalised.
func unchanged(field string) string {
	return "(oldObject != null && object.?" + field + " == oldObject.?" + field + ")"
}

// stackPods are the labels of the stack's pods, one map for each component.
func stackPods() admissionv1.Variable {
	var parts []string
	for _, a := range apps() {
		parts = append(parts, fill(`<components>.map(c, {'<name>': '<app>', '<instance>': variables.stack, '<component>': c,
			'<part-of>': '<part>', '<managed-by>': '<operator>'})`,
			"<components>", texts(a.components), "<app>", a.name, "<part>", v1alpha1.PartOf, "<operator>", v1alpha1.ManagedBy,
			"<name>", v1alpha1.LabelName, "<instance>", v1alpha1.LabelInstance, "<component>", v1alpha1.LabelComponent,
			"<part-of>", v1alpha1.LabelPartOf, "<managed-by>", v1alpha1.LabelManagedBy))
	}
	return variable("pods", strings.Join(parts, " + "))
}

// reserved tells of labels whether they are those of a stack's pods: what the stack's policies select, or let in.
func reserved(labels string) string {
	return fill(`(<l>[?'<instance>'].orValue('') == variables.stack && (<l>[?'<part-of>'].orValue('') == '<part>' ||
		variables.pods.exists(p, p['<name>'] == <l>[?'<name>'].orValue('') && p['<component>'] == <l>[?'<component>'].orValue(''))))`,
		"<l>", labels, "<part>", v1alpha1.PartOf, "<name>", v1alpha1.LabelName, "<instance>", v1alpha1.LabelInstance,
		"<component>", v1alpha1.LabelComponent, "<part-of>", v1alpha1.LabelPartOf)
}

// stackServices are the names of the stack's Services; stackDoors which ports of them outsiders may reach.
func stackServices() []admissionv1.Variable {
	var names []string
	for _, c := range served() {
		names = append(names, suffix(c))
	}
	always, direct := openPorts()
	var entries []string
	for _, c := range served() {
		var open, opened []string
		for _, d := range always {
			if d.component == c {
				open = append(open, d.references()...)
			}
		}
		for _, d := range direct {
			if d.component == c {
				opened = append(opened, d.references()...)
			}
		}
		if len(open)+len(opened) == 0 {
			continue
		}
		entries = append(entries, fill("variables.stack + '<suffix>': <open>.filter(p, true) + <direct>.filter(p, variables.direct)",
			"<suffix>", suffix(c), "<open>", list(open), "<direct>", list(opened)))
	}
	return []admissionv1.Variable{
		variable("services", texts(names)+".map(c, variables.stack + c)"),
		variable("direct", "params.spec.?network.?webSocket.orValue('') == '"+string(v1alpha1.WebSocketDirect)+"'"),
		variable("doors", "{"+strings.Join(entries, ", ")+"}"),
	}
}

// list of strings that is one even when it is empty: CEL tells lists of strings from lists of nothing.
func list(all []string) string {
	if len(all) == 0 {
		return "[''].filter(p, p != '')"
	}
	return texts(all)
}
