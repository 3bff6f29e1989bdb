package revision

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// hashDigits is the length of the hashes in names and annotations: 40 bits.
const hashDigits = 10

var hashPattern = regexp.MustCompile(`^[0-9a-f]{10}$`)

func validHash(hash string) bool { return hashPattern.MatchString(hash) }

func digits(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:hashDigits]
}

// fileKey returns the key of a file's text: 80 bits, because two texts under one key would be one file.
func fileKey(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:10])
}

// canonical returns a value as JSON whose keys are sorted, also those of structs.
func canonical(value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var plain any
	if err := json.Unmarshal(text, &plain); err != nil {
		return nil, err
	}
	return json.Marshal(plain)
}

// TemplateHash returns the hash of a pod template without its annotation openimstack.dev/template.
func TemplateHash(template corev1.PodTemplateSpec) (string, error) {
	hash, err := longHash(template)
	if err != nil {
		return "", err
	}
	return hash[:hashDigits], nil
}

// longHash returns the whole SHA-256 of a pod template without its annotation openimstack.dev/template.
func longHash(template corev1.PodTemplateSpec) (string, error) {
	template.Annotations = maps.Clone(template.Annotations)
	delete(template.Annotations, v1alpha1.AnnotationTemplate)
	text, err := canonical(template)
	if err != nil {
		return "", fmt.Errorf("hashing a pod template: %w", err)
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// stamped returns the template with the annotation that holds its hash, and the hash.
func stamped(template corev1.PodTemplateSpec) (corev1.PodTemplateSpec, string, error) {
	hash, err := TemplateHash(template)
	if err != nil {
		return template, "", err
	}
	template.Annotations = maps.Clone(template.Annotations)
	if template.Annotations == nil {
		template.Annotations = map[string]string{}
	}
	template.Annotations[v1alpha1.AnnotationTemplate] = hash
	return template, hash, nil
}

// Hash returns the hash of a revision: that of its components' hashes. Two revisions with one hash run the same pods.
func (d Data) Hash() (string, error) {
	text, err := canonical(d.Hashes())
	if err != nil {
		return "", fmt.Errorf("hashing a revision: %w", err)
	}
	return digits(text), nil
}

// CheckHashes reports the first component whose hash is not that of its template, or whose ConfigMap is not named by its files. Revisions
// that this operator rendered have none. One that was made from Deployments may: their templates have the defaults of the API server, and
// the hash of their annotation. The inputs are not part of a hash.
func (d Data) CheckHashes() error {
	for _, name := range slices.Sorted(maps.Keys(d.Components)) {
		c := d.Components[name]
		hash, err := TemplateHash(c.Template)
		if err != nil {
			return err
		}
		if hash != c.Hash {
			return fmt.Errorf("component %s has the hash %s, and its template has %s", name, c.Hash, hash)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.ConfigMaps)) {
		if !strings.HasSuffix(name, "-"+openim.ConfigHash(d.ConfigMap(name))) {
			return fmt.Errorf("ConfigMap %s has other files than those that it is named by", name)
		}
	}
	return nil
}

// Equal reports whether two revisions run the same pods.
func (d Data) Equal(other Data) bool { return maps.Equal(d.Hashes(), other.Hashes()) }

// sameTemplate compares two templates without their annotation openimstack.dev/template.
func sameTemplate(a, b corev1.PodTemplateSpec) (bool, error) {
	one, err := longHash(a)
	if err != nil {
		return false, err
	}
	two, err := longHash(b)
	return one == two, err
}
