package manifests

import (
	"slices"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// Formats number what the operator's own images read: an image that does not know a field refuses its whole file, and a program that does
// not know a flag does not start. A run revision records the formats of its images (revision.Images), because pods keep the images of an
// earlier operator until an update is requested. 0 is what images read before formats were recorded.
//
// A new key of a file in wrapper/config, or a new flag or form of an argument of supervisor or preflight, raises the format of its program
// and has a row in the table of newer. TestEveryNewKeyHasAFormat compares both with testdata/formats.
const (
	WrapperFormat    = 1
	SupervisorFormat = 1
)

// newer is a field of the spec whose rendering an image of an earlier operator does not read.
type newer struct {
	// field of the spec, for messages.
	field string
	// supervisor is true for a field that the image of supervisor and preflight reads, false for one of the wrapper's.
	supervisor bool
	// since is the first format that reads it.
	since int
	// used reports whether the field is part of what is rendered for a component.
	used func(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool
}

// newerFields is the table. multiLogin is in no template, but in the file that the gateway reads again: see ReadsMultiLogin.
var newerFields = []newer{
	{"spec.wrapper.redis.mode", false, 1, func(_ *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool {
		return facts.Wrapper.Redis.Cluster && (component == v1alpha1.ComponentGateway || component == v1alpha1.ComponentBackend)
	}},
	{"spec.wrapper.mongodb", false, 1, func(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool { // tls and options
		return stack.Spec.Wrapper.MongoDB != nil && mongoOptions(facts, component)
	}},
	{"spec.dependencies.mongodb", false, 1, func(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool {
		return stack.Spec.Wrapper.MongoDB == nil && mongoOptions(facts, component)
	}},
	{"spec.dependencies.objectStorage.cos", false, 1, func(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool {
		return component == v1alpha1.ComponentBackend && stack.Spec.Wrapper.Auth.Users != nil && facts.Settings.ObjectStorage != nil &&
			facts.Settings.ObjectStorage.OnePart()
	}},
	// The wrapper of format 0 trusts either the authorities of TrustEnv or the public ones.
	{"spec.pods.trust", false, 1, func(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool {
		role := component == v1alpha1.ComponentGateway || component == v1alpha1.ComponentBackend
		return role && trusts(stack, facts, component)
	}},
	{"spec.dependencies.etcd.tls", true, 1, reads(openim.Etcd, func(_ *v1alpha1.OpenIMStack, facts openim.Facts) bool {
		return facts.Settings.EtcdTLS
	})},
	{"spec.dependencies.kafka.tls", true, 1, reads(openim.Kafka, func(_ *v1alpha1.OpenIMStack, facts openim.Facts) bool {
		return facts.Settings.KafkaTLS != nil
	})},
	{"spec.dependencies.kafka.topics.management", true, 1, reads(openim.Kafka, func(_ *v1alpha1.OpenIMStack, facts openim.Facts) bool {
		return facts.Settings.NewTopics != nil
	})},
	// The preflight of format 0 trusts no public authority.
	{"spec.dependencies.mongodb.tls", true, 1, reads(openim.MongoDB, func(stack *v1alpha1.OpenIMStack, facts openim.Facts) bool {
		return stack.Spec.Dependencies.MongoDB.TLS != nil || len(facts.Files[openim.MongoDB]) > 0 // of a resourceRef, TLS is in the facts alone
	})},
	{"spec.dependencies.objectStorage.minio.tls", true, 1, reads(openim.ObjectStorage, func(_ *v1alpha1.OpenIMStack, facts openim.Facts) bool {
		return facts.Settings.ObjectStorage != nil && facts.Settings.ObjectStorage.TLS
	})},
}

func mongoOptions(facts openim.Facts, component string) bool {
	return facts.Wrapper.MongoDB.Options != "" && component == v1alpha1.ComponentBackend
}

// reads returns a function for a field that concerns the supervised processes which use a store.
func reads(store openim.Dependency, used func(*v1alpha1.OpenIMStack, openim.Facts) bool) func(
	*v1alpha1.OpenIMStack, openim.Facts, string) bool {
	return func(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string) bool {
		process, known := openim.Lookup(openim.Name(component))
		return known && stack.Spec.Supervision != v1alpha1.SupervisionDisabled && slices.Contains(process.Dependencies, store) &&
			used(stack, facts)
	}
}

// Unread returns the fields of the spec that are rendered for a component and that images of these formats do not read, in the order of the
// table.
func Unread(stack *v1alpha1.OpenIMStack, facts openim.Facts, component string, wrapper, supervisor int) []string {
	var fields []string
	for _, n := range newerFields {
		format := wrapper
		if n.supervisor {
			format = supervisor
		}
		if format < n.since && n.used(stack, facts, component) {
			fields = append(fields, n.field)
		}
	}
	return fields
}

// multiLoginSince is the first format of the wrapper whose gateway reads spec.settings.multiLogin, and whose backend applies it.
const multiLoginSince = 1

// ReadsMultiLogin reports whether a wrapper of a format reads spec.settings.multiLogin in the gateway's hot file. An earlier one refuses
// the whole file, and with it the rules and limits.
func ReadsMultiLogin(wrapper int) bool { return wrapper >= multiLoginSince }
