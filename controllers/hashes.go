package controllers

import (
	"context"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// A run revision holds keyed hashes of the Secrets that it was rendered from, and its annotation openimstack.dev/secret-versions the
// versions of these Secrets. While a Secret has that version its content is what it was, whatever the key of the hashes is now: a lost key
// restarts nothing (docs/decisions/0086-a-lost-digest-key-restarts-nothing.md).

// keptHashes returns the facts with the hashes of the run revision that the stack wanted last, for all Secrets that have the versions which
// that revision was made of.
func (r *Reconciler) keptHashes(ctx context.Context, s *scope, facts openim.Facts, names []string) (openim.Facts, error) {
	if len(names) == 0 {
		return facts, nil
	}
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == names[0] })
	recorded := parseVersions(s.history[i].secretVersions)
	if len(recorded) == 0 {
		return facts, nil
	}
	earlier, err := r.factsOf(ctx, s, names[0])
	if err != nil {
		return facts, err
	}
	return facts.WithHashesOf(earlier, func(secret string) bool {
		version := s.versionOf(secret)
		return version != "" && recorded[secret] == version
	}), nil
}

// factsOfRun are the facts that a run revision was rendered from.
type factsOfRun struct {
	name  string
	facts openim.Facts
}

// factsOf returns the facts of a run revision. Those of the last one are kept: each reconciliation compares its hashes, and need not unpack
// its data for them.
func (r *Reconciler) factsOf(ctx context.Context, s *scope, name string) (openim.Facts, error) {
	known := r.runs.of(s.stack)
	if known.hashed.name == name {
		return known.hashed.facts, nil
	}
	d, err := r.runData(ctx, s, name)
	if err != nil {
		return openim.Facts{}, err
	}
	known.hashed = factsOfRun{name, d.Inputs.Facts}
	return d.Inputs.Facts, nil
}

// recordVersions writes the versions of Secrets to the run revision that was proposed, if it has their hashes and other versions: after a
// write to a Secret that left its content alone.
func (r *Reconciler) recordVersions(ctx context.Context, s *scope, name string, facts openim.Facts) error {
	i := slices.IndexFunc(s.history, func(h runRevision) bool { return h.Name == name })
	versions := s.secretVersions(facts)
	if i < 0 || s.suspended() || versions == "" || versions == s.history[i].secretVersions {
		return nil
	}
	recorded, err := r.factsOf(ctx, s, name)
	if err != nil || !recorded.SameHashes(facts) {
		return err
	}
	key := types.NamespacedName{Namespace: s.stack.Namespace, Name: name}
	change := map[string]string{v1alpha1.AnnotationSecretVersions: versions}
	if err := r.applier.UpdateRevision(ctx, s.stack.UID, s.history[i].uid, key, 0, change); err != nil {
		return err
	}
	s.history[i].secretVersions = versions
	return nil
}

// secretVersions returns the value of the annotation for facts, "" when a version is not known.
func (s *scope) secretVersions(facts openim.Facts) string {
	var all []string
	for _, name := range facts.HashedSecrets() {
		version := s.versionOf(name)
		if version == "" {
			return ""
		}
		all = append(all, name+"="+version)
	}
	return strings.Join(all, ",")
}

// versionOf returns the version of a Secret that the facts were made of, "" when it was not read, or changed meanwhile. A copy is not read:
// its name changes with its content.
func (s *scope) versionOf(secret string) string {
	if s.read != nil {
		name := types.NamespacedName{Namespace: s.stack.Namespace, Name: secret}
		if version, read := s.read.objects[watchedObject{secretKind, name}]; read {
			return version
		}
	}
	if v1alpha1.IsReference(secret) {
		return secret
	}
	return ""
}

func parseVersions(text string) map[string]string {
	versions := map[string]string{}
	for _, one := range splitNames(text) {
		if name, version, ok := strings.Cut(one, "="); ok {
			versions[name] = version
		}
	}
	return versions
}
