package openim

import (
	"maps"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// hashed is one hash of the facts, with the keys of Secrets that it was made of. Two hashes of one kind and of the same sources were made
// in the same way.
type hashed struct {
	kind    string
	sources []corev1.SecretKeySelector
	hash    string
	set     func(hash string)
}

func (h hashed) alike(other hashed) bool {
	return h.kind == other.kind && reflect.DeepEqual(h.sources, other.sources)
}

// hashes returns all hashes that are not empty.
func (f *Facts) hashes() []hashed {
	var all []hashed
	add := func(kind, hash string, set func(string), sources ...corev1.SecretKeySelector) {
		if hash != "" {
			all = append(all, hashed{kind, sources, hash, set})
		}
	}
	for store, hash := range f.CredentialHashes {
		sources := slices.Concat(keysOf(f.Credentials[store]), filesOf(f.Files[store]))
		add(string(store), hash, func(hash string) { f.CredentialHashes[store] = hash }, sources...)
	}
	const key = "key" // one key alone: the present share.secret becomes the previous one
	add(key, f.ShareSecretHash, func(hash string) { f.ShareSecretHash = hash }, f.ShareSecret)
	if previous := f.PreviousShareSecret; previous != nil {
		add(key, f.PreviousShareSecretHash, func(hash string) { f.PreviousShareSecretHash = hash }, *previous)
	}
	add(key, f.AssertionKeyHash, func(hash string) { f.AssertionKeyHash = hash }, f.AssertionKey)
	push := keysOf(f.Push.Credentials)
	if f.Push.File != nil {
		push = append(push, *f.Push.File)
	}
	add("push", f.Push.Hash, func(hash string) { f.Push.Hash = hash }, push...)
	for _, store := range []*WrapperStore{&f.Wrapper.Redis, &f.Wrapper.MongoDB} {
		add("files", store.FilesHash, func(hash string) { store.FilesHash = hash }, filesOf(store.Files)...)
	}
	return all
}

func keysOf(variables []corev1.EnvVar) []corev1.SecretKeySelector {
	var keys []corev1.SecretKeySelector
	for _, v := range variables {
		if v.ValueFrom != nil && v.ValueFrom.SecretKeyRef != nil {
			keys = append(keys, *v.ValueFrom.SecretKeyRef)
		}
	}
	return keys
}

func filesOf(files []StoreFile) []corev1.SecretKeySelector {
	var keys []corev1.SecretKeySelector
	for _, file := range files {
		keys = append(keys, file.Key)
	}
	return keys
}

// HashedSecrets returns the names of the Secrets that the hashes were made of, sorted.
func (f Facts) HashedSecrets() []string {
	var names []string
	for _, h := range f.hashes() {
		for _, key := range h.sources {
			names = append(names, key.Name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// WithHashesOf returns the facts with the hashes of earlier facts, as far as both were made of the same keys of Secrets that are unchanged
// since. So a new key of the hashes changes nothing by itself. For example the hash of Redis is kept while its Secret is as it was, and
// that of MongoDB, whose Secret was changed, is the new one.
func (f Facts) WithHashesOf(earlier Facts, unchanged func(secret string) bool) Facts {
	f.CredentialHashes = maps.Clone(f.CredentialHashes)
	before := earlier.hashes()
	for _, h := range f.hashes() {
		i := slices.IndexFunc(before, h.alike)
		if i >= 0 && !slices.ContainsFunc(h.sources, func(key corev1.SecretKeySelector) bool { return !unchanged(key.Name) }) {
			h.set(before[i].hash)
		}
	}
	return f
}

// SameHashes reports whether two facts have the same hashes of the same keys of Secrets.
func (f Facts) SameHashes(other Facts) bool {
	mine, theirs := f.hashes(), other.hashes()
	return len(mine) == len(theirs) && !slices.ContainsFunc(mine, func(h hashed) bool {
		return !slices.ContainsFunc(theirs, func(o hashed) bool { return o.hash == h.hash && o.alike(h) })
	})
}
