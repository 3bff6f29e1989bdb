package settings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/settings"
)

// Verdicts of a report.
const (
	verdictAccepted = "Accepted"
	verdictRefused  = "Refused"
	verdictUnknown  = "Unknown"
)

// report is the result for a stack. All texts are one line each.
type report struct {
	// Stack is namespace and name.
	Stack string `json:"stack"`
	// Version is spec.version.
	Version string `json:"version"`
	// Release is the one that Refused and Takes are about, empty when it is not supported.
	Release string `json:"release"`
	Verdict string `json:"verdict"`
	// Problem says why the verdict is Unknown.
	Problem string `json:"problem,omitempty"`
	// Refused is what the release does not take, in the order of the spec. It is never filtered.
	Refused []refusal `json:"refused"`
	// Set are the fields of spec.settings, by their paths.
	Set []value `json:"set"`
	// InForce are the values that hold, defaults included. InForceNote says which spec they are of, when it is not the one in Set.
	InForce     []value `json:"inForce"`
	InForceNote string  `json:"inForceNote,omitempty"`
	// Takes are the keys of OpenIM's configuration and who sets them: those of one file, or all that spec.settings sets.
	Takes []key `json:"takes"`
}

// refusal is a setting that is refused: the operator's reason, field and text.
type refusal struct {
	Reason string `json:"reason"`
	Field  string `json:"field"`
	Why    string `json:"why"`
}

// value is a value of the spec by its path without spec, for example settings.log.level.
type value struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// key is a key of a configuration file, or a pattern of several.
type key struct {
	File string `json:"file"`
	Key  string `json:"key"`
	// Values is what an override may be.
	Values string `json:"values,omitempty"`
	SetBy  string `json:"setBy"`
}

// subject is a stack and what is in force for it.
type subject struct {
	stack   *v1alpha1.OpenIMStack
	inForce []v1alpha1.EffectiveValue
	note    string
}

// observed returns a stack of a cluster. What is in force is what the operator has written to the status.
func observed(stack *v1alpha1.OpenIMStack) subject {
	s := subject{stack: stack, inForce: stack.Status.Effective}
	accepted := apimeta.FindStatusCondition(stack.Status.Conditions, v1alpha1.ConditionSettingsAccepted)
	switch {
	case len(s.inForce) == 0:
		s.note = "the operator has not reported what is in force"
	case stack.Status.ObservedGeneration < stack.Generation:
		s.note = fmt.Sprintf("generation %d of the spec is not applied yet; these are of generation %d or earlier",
			stack.Generation, stack.Status.ObservedGeneration)
	case accepted != nil && accepted.Status != metav1.ConditionTrue:
		s.note = "the operator has not accepted this spec; these are of the last one that it accepted"
	}
	return s
}

// computed returns a stack of a folder. What is in force is what the operator would put in force: nothing of a spec that is refused.
func computed(stack *load.Stack) subject {
	release, err := openim.ParseRelease(stack.Object.Spec.Version)
	if err != nil || len(settings.Refusals(release, stack.Object.Spec.Settings)) > 0 {
		return subject{stack: stack.Object, note: "the operator would refuse this spec, and keep what it accepted before"}
	}
	s := subject{stack: stack.Object, inForce: stack.Effective}
	if load.DatabaseUnread(stack.Object.Spec.Dependencies.MongoDB) {
		s.note = "dependencies.mongodb.database is in a Secret, which is not read"
	}
	return s
}

// newReport returns the report of a stack. Without a release it is about that of the spec, without a file about all of them.
func newReport(s subject, tag string, file openim.File) report {
	object := s.stack
	r := report{
		Stack: cli.OneLine(object.Namespace + "/" + object.Name), Version: text(object.Spec.Version), Verdict: verdictAccepted,
		InForceNote: s.note, Refused: []refusal{}, Set: []value{}, InForce: []value{}, Takes: []key{},
	}
	if tag == "" {
		tag = object.Spec.Version
	}
	show := selection(file)
	for _, v := range s.inForce {
		if show(v.Name) {
			r.InForce = append(r.InForce, value{text(v.Name), text(v.Value)})
		}
	}
	shown := object.Spec.Settings.DeepCopy()
	load.HideRefused(shown, object.Spec.Version)
	load.HideRefused(shown, tag)
	for _, v := range chosen(shown) {
		if show(v.Name) {
			r.Set = append(r.Set, value{text(v.Name), text(v.Value)})
		}
	}
	release, err := openim.ParseRelease(tag)
	if err != nil {
		r.Verdict, r.Problem = verdictUnknown, cli.OneLine(fmt.Sprintf("spec.version: %.512s", err))
		return r
	}
	r.Release = release.Tag
	for _, refused := range settings.Refusals(release, object.Spec.Settings) {
		r.Verdict = verdictRefused
		r.Refused = append(r.Refused, refusal{refused.Reason, text(refused.Field), cli.OneLine(refused.Why)})
	}
	r.Takes = append(r.Takes, takes(release, file)...)
	return r
}

// exitCode returns the exit code for the verdict.
func (r report) exitCode() int {
	switch r.Verdict {
	case verdictAccepted:
		return cli.ExitSealed
	case verdictRefused:
		return cli.ExitFindings
	default:
		return cli.ExitUnknown
	}
}

// text returns a name or a value of a spec in one line. The schema bounds them in a cluster; files may hold anything.
func text(s string) string { return cli.OneLine(fmt.Sprintf("%.256s", s)) }

// takes returns the keys of one file of a release, or the rows of all files that spec.settings decides about.
func takes(release openim.Release, file openim.File) []key {
	dialect, _ := settings.DialectOf(release)
	var all []key
	if file != "" {
		for _, name := range slices.Sorted(maps.Keys(dialect.Files[file])) {
			if row, ok := settings.RowOf(file, name); ok {
				all = append(all, key{string(file), name, describe(row, dialect.Files[file][name]), row.SetBy()})
			}
		}
		return all
	}
	kinds := rowsOf(dialect)
	for _, row := range settings.Table() {
		kind, has := kinds[rowID{row.Files, row.Keys}]
		if has && (row.Class == settings.Free || row.Class == settings.Field && strings.HasPrefix(row.Field, "settings.")) {
			all = append(all, key{row.Files, row.Keys, describe(row, kind), row.SetBy()})
		}
	}
	return all
}

// rowID identifies a row of the table of settings.
type rowID struct{ files, keys string }

// rowsOf returns the rows of which a dialect has a key, with the type of such a key.
func rowsOf(dialect settings.Dialect) map[rowID]settings.Type {
	found := map[rowID]settings.Type{}
	for file, keys := range dialect.Files {
		for name, kind := range keys {
			if row, ok := settings.RowOf(file, name); ok {
				found[rowID{row.Files, row.Keys}] = kind
			}
		}
	}
	return found
}

// describe says what an override may be, empty for keys that are not set by one.
func describe(row settings.Row, kind settings.Type) string {
	if row.Class != settings.Free {
		return ""
	}
	return row.Values.Describe(kind)
}
