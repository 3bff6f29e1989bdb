package admission

import (
	"strconv"
	"strings"

	admissionv1 "k8s.io/api/admissionregistration/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Expressions are in Kubernetes' dialect of the Common Expression Language
// (https://kubernetes.io/docs/reference/using-api/cel/). Fields are always accessed as optional (`.?`), so that an object without a field
// is evaluated instead of causing an error.

// text returns a string literal.
func text(s string) string { return "'" + s + "'" }

// texts returns a list of string literals.
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

// fill replaces <placeholders> in an expression and joins its lines. values alternate placeholders and replacements.
func fill(expression string, values ...string) string {
	for range 2 { // a value may contain a placeholder
		expression = strings.NewReplacer(values...).Replace(expression)
	}
	return strings.Join(strings.Fields(expression), " ")
}

func variable(name, expression string, values ...string) admissionv1.Variable {
	return admissionv1.Variable{Name: name, Expression: fill(expression, values...)}
}

// Names of the variables that the admin sets. A chart or a kustomization replaces them by their index.
const (
	operatorVariable = "operator"
	usersVariable    = "exemptUsers"
	groupsVariable   = "exemptGroups"
)

// Operator is the user name of the operator of config/default.
const Operator = "system:serviceaccount:openim-operator-system:openim-operator"

// identities returns the first variables of each admission policy, in this order.
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

// unchanged returns an expression that is true when an update does not change a field. Objects that are older than the admission policy
// can so still be annotated and finalised.
func unchanged(field string) string {
	return "(oldObject != null && object.?" + field + " == oldObject.?" + field + ")"
}

// stackPods returns the variable pods: the labels of the stack's pods, one map for each component.
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

// reserved returns an expression that is true for labels of the stack's pods: those that the stack's NetworkPolicies select, either as
// their subject or as a peer.
func reserved(labels string) string {
	return fill(`(<l>[?'<instance>'].orValue('') == variables.stack && (<l>[?'<part-of>'].orValue('') == '<part>' ||
		variables.pods.exists(p, p['<name>'] == <l>[?'<name>'].orValue('') && p['<component>'] == <l>[?'<component>'].orValue(''))))`,
		"<l>", labels, "<part>", v1alpha1.PartOf, "<name>", v1alpha1.LabelName, "<instance>", v1alpha1.LabelInstance,
		"<component>", v1alpha1.LabelComponent, "<part-of>", v1alpha1.LabelPartOf)
}

// stackServices returns the variables services, the names of the stack's Services; direct, whether the WebSocket is direct; and open, the
// ports of each Service that sources outside the stack may reach.
func stackServices() []admissionv1.Variable {
	var names []string
	for _, c := range served() {
		names = append(names, suffix(c))
	}
	always, direct := openPorts()
	var entries []string
	for _, c := range served() {
		var open, opened []string
		for _, p := range always {
			if p.component == c {
				open = append(open, p.references()...)
			}
		}
		for _, p := range direct {
			if p.component == c {
				opened = append(opened, p.references()...)
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
		variable("open", "{"+strings.Join(entries, ", ")+"}"),
	}
}

// list returns a list of strings, also when the list is empty: in CEL an empty literal list has another type.
func list(all []string) string {
	if len(all) == 0 {
		return "[''].filter(p, p != '')"
	}
	return texts(all)
}
