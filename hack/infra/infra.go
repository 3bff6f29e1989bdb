package infra

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// Namespace of all objects of Objects.
const Namespace = "infra"

// Secrets with the passwords of OpenIM's Redis and of the wrapper's Redis, and their key.
const (
	RedisSecret        = "redis"
	WrapperRedisSecret = "redis-wrapper"
	PasswordKey        = "password"
)

// Secrets of the object store: its account, its certificate with the private key, and for its clients the certificate's authority. They
// have the keys below. FilesTLSSecret is not among Objects.
const (
	FilesSecret    = "s3"
	FilesTLSSecret = "s3-tls"
	FilesCASecret  = "s3-ca"
	AccessKeyIDKey = "accessKeyID"
	SecretKeyKey   = "secretAccessKey"
	CAKey          = "ca.crt"
	// FilesUser is the access key of the object store's account: a word that is nowhere else, because tests look for it in all texts.
	FilesUser = "objectstoreaccount"
)

// FilesHost is the name of the object store's Service, for which its certificate is.
const FilesHost = "s3." + Namespace + ".svc"

// AllowedLabel with the value Allowed on a namespace lets the stacks of the namespace reach the stores.
const (
	AllowedLabel = "openimstack.dev/stores"
	Allowed      = "allowed"
)

// Passwords of the two Redis servers, and the secret key of the object store. They must differ, so that one of them does not give access to
// another server.
type Passwords struct {
	OpenIM, Wrapper, Files string
}

//go:embed *.yaml
var files embed.FS

// Objects returns the namespace, the Secrets with the passwords, and the stores, in the order in which to apply them. images
// gives the reference of each image by its name without prefix and tag ("infra-etcd"), as hack/images prints it.
func Objects(images map[string]string, passwords Passwords) ([]*unstructured.Unstructured, error) {
	seen := map[string]bool{"": true}
	for _, password := range []string{passwords.OpenIM, passwords.Wrapper, passwords.Files} {
		if seen[password] {
			return nil, errors.New("invalid passwords of the demo's stores: write three different passwords that are not empty")
		}
		seen[password] = true
	}
	resources, err := resources()
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range resources {
		parsed, err := parse(file)
		if err != nil {
			return nil, err
		}
		for _, object := range parsed {
			if object.GetKind() == "Namespace" {
				objects = append(objects, object,
					secret(RedisSecret, map[string]any{PasswordKey: passwords.OpenIM}),
					secret(WrapperRedisSecret, map[string]any{PasswordKey: passwords.Wrapper}),
					secret(FilesSecret, map[string]any{AccessKeyIDKey: FilesUser, SecretKeyKey: passwords.Files}))
				continue
			}
			object.SetNamespace(Namespace)
			if err := setImages(object, images); err != nil {
				return nil, err
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}

// resources returns the files that kustomization.yaml names, so that kubectl and Objects use the same files.
func resources() ([]string, error) {
	content, err := files.ReadFile("kustomization.yaml")
	if err != nil {
		return nil, err
	}
	var k struct{ Resources []string }
	if err := yaml.Unmarshal(content, &k); err != nil {
		return nil, fmt.Errorf("reading kustomization.yaml: %w", err)
	}
	return k.Resources, nil
}

func parse(file string) ([]*unstructured.Unstructured, error) {
	content, err := files.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for decoder := utilyaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		object := &unstructured.Unstructured{}
		if err := decoder.Decode(object); errors.Is(err, io.EOF) {
			return objects, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
		if object.Object != nil { // nil for a comment before the first document
			objects = append(objects, object)
		}
	}
}

func secret(name string, data map[string]any) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1",
		"kind":       "Secret",
		"metadata":   map[string]any{"name": name, "namespace": Namespace},
		"type":       "Opaque",
		"stringData": data,
	}}
}

// setImages replaces "openimstack/NAME:dev" by the reference of the image.
func setImages(object *unstructured.Unstructured, images map[string]string) error {
	path := []string{"spec", "template", "spec", "containers"}
	containers, found, err := unstructured.NestedSlice(object.Object, path...)
	if err != nil || !found {
		return err
	}
	for i := range containers {
		container, _ := containers[i].(map[string]any)
		placeholder, _ := container["image"].(string)
		_, name, _ := strings.Cut(strings.TrimSuffix(placeholder, ":dev"), "/")
		ref, ok := images[name]
		if !ok {
			return fmt.Errorf("no image for %s: build it with `go run ./hack/images build --only %s`", name, name)
		}
		container["image"] = ref
	}
	return unstructured.SetNestedSlice(object.Object, containers, path...)
}
