package infra

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// examplePasswords are those of pages and examples, of which no reader sees one.
var examplePasswords = Passwords{OpenIM: "one", Wrapper: "another", Files: "third"}

// ExampleObjects returns Objects for pages and examples made without a cluster. The images are image of their names, such as infra-redis.
func ExampleObjects(image func(name string) string) ([]*unstructured.Unstructured, error) {
	images := map[string]string{}
	for _, name := range []string{"infra-kafka", "infra-redis", "infra-mongodb", "infra-etcd", "infra-s3"} {
		images[name] = image(name)
	}
	return Objects(images, examplePasswords)
}

// ExampleSecrets returns the Secrets that a stack of a namespace needs for the stores of ExampleObjects.
func ExampleSecrets(namespace string) []client.Object {
	secret := func(name string, data map[string][]byte) client.Object {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
	}
	return []client.Object{
		secret(RedisSecret, map[string][]byte{PasswordKey: []byte(examplePasswords.OpenIM)}),
		secret(WrapperRedisSecret, map[string][]byte{PasswordKey: []byte(examplePasswords.Wrapper)}),
		secret(FilesSecret, map[string][]byte{AccessKeyIDKey: []byte(FilesUser), SecretKeyKey: []byte(examplePasswords.Files)}),
		secret(FilesCASecret, map[string][]byte{CAKey: exampleAuthority()}),
	}
}

// exampleAuthority returns the certificate of an authority, as PEM, that is the same in every run. Its key protects nothing.
func exampleAuthority() []byte {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, ed25519.SeedSize))
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Unix(0, 0), NotAfter: time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC), IsCA: true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(nil, template, template, key.Public(), key)
	if err != nil {
		return nil // the reference does not resolve then
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
