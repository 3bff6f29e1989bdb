package dependencies

import (
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/mongouri"
	"github.com/openimstack/openim-operator/openim"
)

// optionForm is the form of an option's name in a connection string.
var optionForm = regexp.MustCompile(`^[A-Za-z]{1,64}$`)

// mongoOptions returns the options of the spec as part of a connection string, in the order of their names. An option that has a field of
// its own is a problem.
func (r *resolver) mongoOptions(field string, spec v1alpha1.MongoDB) string {
	var all []string
	for _, name := range slices.Sorted(maps.Keys(spec.Options)) {
		lower := strings.ToLower(name)
		switch {
		case !optionForm.MatchString(name):
			r.invalid(v1alpha1.ReasonInvalidSpec, field+".options",
				"%.64q is not the name of an option: write letters alone, for example replicaSet", name)
		case strings.HasPrefix(lower, "tls"), strings.HasPrefix(lower, "ssl"):
			r.invalid(v1alpha1.ReasonInvalidSpec, field+".options", "%s has a field of its own: use %s.tls, and remove the option", name, field)
		case lower == "authsource":
			r.invalid(v1alpha1.ReasonInvalidSpec, field+".options",
				"%s has a field of its own: use %s.authSource, and remove the option", name, field)
		default:
			all = append(all, name+"="+string(spec.Options[name]))
		}
	}
	return strings.Join(all, "&")
}

// mongoOn is the option that turns TLS on.
const mongoOn = "tls=true"

// mongoTLS returns the options for TLS, with the files in a folder. The result is empty without TLS.
func mongoTLS(spec *v1alpha1.StoreTLS, dir string) string {
	if spec == nil {
		return ""
	}
	options := []string{mongoOn}
	if spec.CASecretRef != nil {
		options = append(options, "tlsCAFile="+escaped(path.Join(dir, openim.CAFile)))
	}
	if spec.ClientCertificate != nil {
		options = append(options, "tlsCertificateKeyFile="+escaped(path.Join(dir, openim.CombinedFile)))
	}
	if spec.Verification == v1alpha1.TLSVerificationNone {
		options = append(options, "tlsInsecure=true")
	}
	return strings.Join(options, "&")
}

// escaped returns a path of the operator's own as a part of a URL.
func escaped(file string) string { return strings.ReplaceAll(file, "/", "%2F") }

func joinOptions(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "&")
}

// missing returns those of the options for TLS that the connection string lacks: it may say tls=true itself.
func (c *connectionString) missing(options string) string {
	if mongouri.TLSOf(string(c.text)).On {
		return strings.TrimPrefix(strings.TrimPrefix(options, mongoOn), "&")
	}
	return options
}

// suffix returns what adds the options for TLS to the connection string.
func (c *connectionString) suffix(options string) string {
	return mongouri.Suffix(string(c.text), c.missing(options))
}
