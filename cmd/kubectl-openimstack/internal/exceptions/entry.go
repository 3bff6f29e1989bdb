package exceptions

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// exception reads one entry.
func (p parser) exception(node *yaml.Node) (exception, error) {
	e := exception{line: node.Line}
	fields, err := p.fields(node, "finding", "object", "reason", "expires")
	if err != nil {
		return e, err
	}
	if e.finding, err = p.finding(fields["finding"]); err != nil {
		return e, err
	}
	if e.object, err = p.object(fields["object"]); err != nil {
		return e, err
	}
	if e.reason, err = p.reason(fields["reason"]); err != nil {
		return e, err
	}
	e.expires, err = p.expires(fields["expires"])
	e.expired = !p.now.Before(e.expires)
	return e, err
}

// finding reads the kind of finding.
func (p parser) finding(node *yaml.Node) (string, error) {
	kind, err := p.text(node, "finding")
	if err != nil {
		return "", err
	}
	if !slices.ContainsFunc(audit.Kinds(), func(k audit.Kind) bool { return k.Name == kind }) {
		return "", p.errorf(node, "there is no finding %q: write the name as the audit prints it", kind)
	}
	if why := audit.NeverExcepted(kind); why != "" {
		return "", p.errorf(node, "%s cannot be excepted: %s", kind, why)
	}
	return kind, nil
}

// kinds matches the kind of an object.
var kinds = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,62}$`)

// object reads the path of one object. A pattern is refused: it would except objects that nobody has seen yet.
func (p parser) object(node *yaml.Node) (string, error) {
	path, err := p.text(node, "object")
	if err != nil {
		return "", err
	}
	if strings.ContainsAny(path, "*?[]{}^$|") {
		return "", p.errorf(node, "object %q is a pattern: name one object", path)
	}
	parts := strings.Split(path, "/")
	valid := len(parts) == 2 || len(parts) == 3 && len(validation.IsDNS1123Label(parts[0])) == 0
	if !valid || !kinds.MatchString(parts[len(parts)-2]) || len(validation.IsDNS1123Subdomain(parts[len(parts)-1])) > 0 {
		return "", p.errorf(node, "object %q is not namespace/kind/name, or kind/name for an object of the cluster: "+
			"write im/NetworkPolicy/debug", path)
	}
	return path, nil
}

// reason reads the reason.
func (p parser) reason(node *yaml.Node) (string, error) {
	reason, err := p.text(node, "reason")
	if err != nil {
		return "", err
	}
	if count := utf8.RuneCountInString(reason); count > maxReason {
		return "", p.errorf(node, "reason has %d characters, and at most %d are read", count, maxReason)
	}
	invisible := func(r rune) bool { return !unicode.IsGraphic(r) || r == utf8.RuneError }
	if strings.ContainsFunc(reason, invisible) {
		return "", p.errorf(node, "reason has characters that nobody sees")
	}
	return reason, nil
}

// expires reads the day from which an exception no longer counts.
func (p parser) expires(node *yaml.Node) (time.Time, error) {
	text, err := p.text(node, "expires", "!!timestamp")
	if err != nil {
		return time.Time{}, err
	}
	expires, err := time.Parse(day, text)
	if err != nil {
		return time.Time{}, p.errorf(node, "expires %q is not a date: write %s", text, p.now.AddDate(0, 3, 0).Format(day))
	}
	if latest := p.now.AddDate(1, 0, 0); expires.After(latest) {
		return time.Time{}, p.errorf(node, "expires %s is more than a year ahead: write %s or earlier, and review the exception then",
			text, latest.Format(day))
	}
	return expires, nil
}
