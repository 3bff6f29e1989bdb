package openim

import (
	"reflect"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

func key(secret, key string) corev1.SecretKeySelector {
	return corev1.SecretKeySelector{LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: key}
}

// hashedFacts has every hash that facts can have, made with one key of the hashes.
func hashedFacts(by string) Facts {
	password, previous, file := key("redis", "password"), key("share-1", "key"), key("fcm", "file")
	return Facts{
		Credentials: map[Dependency][]corev1.EnvVar{
			Redis: {{Name: "P", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &password}}},
			Kafka: {{Name: "Q", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &password}}},
		},
		Files:            map[Dependency][]StoreFile{Etcd: {{Key: key("ca", "ca.crt"), Name: CAFile}}},
		CredentialHashes: map[Dependency]string{Redis: "redis by " + by, Kafka: "kafka by " + by, Etcd: "etcd by " + by},
		ShareSecret:      key("share-2", "key"), ShareSecretHash: "share-2 by " + by,
		PreviousShareSecret: &previous, PreviousShareSecretHash: "share-1 by " + by,
		AssertionKey: key("assertion", "key"), AssertionKeyHash: "assertion by " + by,
		Push: PushFacts{File: &file, Hash: "fcm by " + by},
		Wrapper: WrapperFacts{
			Redis:   WrapperStore{Files: []StoreFile{{Key: key("redis-ca", "ca.crt"), Name: CAFile}}, FilesHash: "redis-ca by " + by},
			MongoDB: WrapperStore{Files: []StoreFile{{Key: key("ca", "ca.crt"), Name: CAFile}}, FilesHash: "mongodb by " + by},
		},
	}
}

func TestHashesOfUnchangedSecretsAreKept(t *testing.T) {
	g := NewWithT(t)
	all := func(string) bool { return true }
	now, before := hashedFacts("b"), hashedFacts("a")
	g.Expect(now.WithHashesOf(before, all)).To(Equal(before))
	g.Expect(now).To(Equal(hashedFacts("b")), "the facts themselves stay")
	g.Expect(now.WithHashesOf(before, func(string) bool { return false })).To(Equal(now))
	g.Expect(now.SameHashes(before)).To(BeFalse())
	g.Expect(now.SameHashes(hashedFacts("b"))).To(BeTrue())

	some := now.WithHashesOf(before, func(secret string) bool { return secret != "redis" && secret != "ca" })
	g.Expect(some.CredentialHashes).To(Equal(map[Dependency]string{Redis: "redis by b", Kafka: "kafka by b", Etcd: "etcd by b"}))
	g.Expect(some.Wrapper.MongoDB.FilesHash).To(Equal("mongodb by b"))
	g.Expect(some.Wrapper.Redis.FilesHash).To(Equal("redis-ca by a"))
	g.Expect(some.ShareSecretHash).To(Equal("share-2 by a"))
	g.Expect(some.SameHashes(before)).To(BeFalse())
}

func TestHashesOfOtherKeysAreNotKept(t *testing.T) {
	g := NewWithT(t)
	now, before := hashedFacts("b"), hashedFacts("a")
	another := key("redis", "other")
	before.Credentials[Redis][0].ValueFrom.SecretKeyRef = &another
	before.AssertionKeyHash = ""
	kept := now.WithHashesOf(before, func(string) bool { return true })
	g.Expect(kept.CredentialHashes[Redis]).To(Equal("redis by b"), "another key of the same Secret")
	g.Expect(kept.AssertionKeyHash).To(Equal("assertion by b"), "nothing is known of it")
	g.Expect(kept.CredentialHashes[Kafka]).To(Equal("kafka by a"))
}

// The share.secret that is replaced becomes the previous one: the process that keeps it must not restart for that.
func TestAReplacedShareSecretKeepsItsHash(t *testing.T) {
	g := NewWithT(t)
	before, now := hashedFacts("a"), hashedFacts("b")
	before.PreviousShareSecret, before.PreviousShareSecretHash = nil, ""
	before.ShareSecret, before.ShareSecretHash = key("share-1", "key"), "share-1 by a"
	kept := now.WithHashesOf(before, func(string) bool { return true })
	g.Expect(kept.PreviousShareSecretHash).To(Equal("share-1 by a"))
	g.Expect(kept.ShareSecretHash).To(Equal("share-2 by b"))
}

func TestHashedSecrets(t *testing.T) {
	g := NewWithT(t)
	g.Expect(hashedFacts("a").HashedSecrets()).To(Equal([]string{"assertion", "ca", "fcm", "redis", "redis-ca", "share-1", "share-2"}))
	g.Expect(Facts{}.HashedSecrets()).To(BeEmpty())
}

// Each field of the facts that is named as a hash is one of those above.
func TestEveryHashIsKnown(t *testing.T) {
	of := 0
	var count func(v reflect.Value, name string)
	count = func(v reflect.Value, name string) {
		switch {
		case v.Kind() == reflect.Struct:
			for i := range v.NumField() {
				count(v.Field(i), v.Type().Field(i).Name)
			}
		case strings.HasSuffix(name, "Hash"):
			of++
			if v.String() == "" {
				t.Errorf("%s: add it to hashes and to hashedFacts", name)
			}
		case strings.HasSuffix(name, "Hashes"):
			of += v.Len()
		}
	}
	facts := hashedFacts("a")
	count(reflect.ValueOf(facts), "")
	if known := len(facts.hashes()); known != of {
		t.Errorf("hashes has %d of %d", known, of)
	}
}
