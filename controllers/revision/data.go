package revision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// SchemaVersion is the version of Data that this operator writes. It reads this one and the one before it.
const SchemaVersion = 1

// oldestSchema is the oldest version that is read: the first version has no predecessor.
const oldestSchema = 1

// maxBytes bounds the encoded data. A revision of a stack with all features takes about 150 KB; etcd accepts 1.5 MB.
const maxBytes = 1 << 20

// maxComponents bounds the components of a revision. A stack has fourteen.
const maxComponents = 64

// Inputs are what templates are rendered from. They hold no secret value: facts name Secrets, and hold keyed hashes of their content.
type Inputs struct {
	Spec   v1alpha1.OpenIMStackSpec `json:"spec"`
	Facts  openim.Facts             `json:"facts"`
	Images Images                   `json:"images"`
	// Unresolved are the components whose references did not resolve. They cannot be rendered from these inputs.
	Unresolved []string `json:"unresolved,omitempty"`
}

// Images are the operator's own images, for a spec that names none. A revision pins them: an upgrade of the operator changes no pod.
type Images struct {
	Wrapper    string `json:"wrapper"`
	Supervisor string `json:"supervisor"`
	// WrapperFormat and SupervisorFormat number what the images read. 0 is that of an operator which recorded none.
	WrapperFormat    int `json:"wrapperFormat,omitempty"`
	SupervisorFormat int `json:"supervisorFormat,omitempty"`
}

// Text returns the images as the annotation openimstack.dev/images has them.
func (i Images) Text() string {
	text, err := json.Marshal(i)
	if err != nil {
		panic(err) // texts and numbers
	}
	return string(text)
}

// maxImagesText bounds the annotation openimstack.dev/images, in bytes: two references of images.
const maxImagesText = 4096

// recordedImages returns the images that the annotation openimstack.dev/images has, and false when it is absent or not of the operator's.
func recordedImages(text string) (Images, bool) {
	if text == "" || len(text) > maxImagesText {
		return Images{}, false
	}
	var i Images
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&i); err != nil || i.Text() != text {
		return Images{}, false
	}
	return i, i.WrapperFormat >= 0 && i.SupervisorFormat >= 0
}

// withFormatsOf returns the images with the formats of those that have the same names.
func (i Images) withFormatsOf(known Images) Images {
	if i.Wrapper == known.Wrapper {
		i.WrapperFormat = known.WrapperFormat
	}
	if i.Supervisor == known.Supervisor {
		i.SupervisorFormat = known.SupervisorFormat
	}
	return i
}

// Component is what one Deployment is built from.
type Component struct {
	// Hash of the template.
	Hash string `json:"hash"`
	// Template of the pods. Its annotation openimstack.dev/template holds Hash, except in a template that was read from a Deployment.
	Template corev1.PodTemplateSpec `json:"template"`
	// ConfigMaps are the names of the content-named ConfigMaps that the template mounts.
	ConfigMaps []string `json:"configMaps,omitempty"`
	// Carried is true for a template of an earlier revision whose component could not be rendered, because a reference did not resolve.
	Carried bool `json:"carried,omitempty"`
	// Inputs is the set of inputs that the template belongs to: 0 for Data.Inputs, n for Data.Earlier[n-1].
	Inputs int `json:"inputs,omitempty"`
}

// Data is the content of a run revision.
type Data struct {
	SchemaVersion int    `json:"schemaVersion"`
	Inputs        Inputs `json:"inputs"`
	// Earlier are the inputs of carried components.
	Earlier []Inputs `json:"earlier,omitempty"`
	// Components by name.
	Components map[string]Component `json:"components"`
	// ConfigMaps are the files of the content-named ConfigMaps, by the name of the ConfigMap and of the file. A file is the key of Files.
	ConfigMaps map[string]map[string]string `json:"configMaps"`
	// Files are the texts, by hash. Most files are the same in several ConfigMaps.
	Files map[string]string `json:"files"`
}

// NewerSchemaError reports data that a newer operator wrote: of a newer version, or of the same one with fields that this operator does not
// know.
type NewerSchemaError struct{ Version int }

func (e *NewerSchemaError) Error() string {
	if e.Version == SchemaVersion {
		return "it has fields that this operator does not know: upgrade the operator to the version that wrote it"
	}
	return fmt.Sprintf("schema version %d is newer than %d: upgrade the operator to the version that wrote it", e.Version, SchemaVersion)
}

// Encode returns the data as JSON.
func Encode(d Data) ([]byte, error) {
	text, err := json.Marshal(d)
	if err != nil {
		return nil, fmt.Errorf("encoding a revision: %w", err)
	}
	if len(text) > maxBytes {
		return nil, fmt.Errorf("encoding a revision: %d bytes are more than %d: shorten the largest settings of the spec", len(text), maxBytes)
	}
	return text, nil
}

// Decode parses data that Encode returned. It accepts no unknown field, and checks what other functions rely on. A version that is newer
// than SchemaVersion is a *NewerSchemaError.
func Decode(text []byte) (Data, error) {
	if len(text) > maxBytes {
		return Data{}, fmt.Errorf("decoding a revision: %d bytes are more than %d", len(text), maxBytes)
	}
	var version struct {
		SchemaVersion int `json:"schemaVersion"`
	}
	if err := json.Unmarshal(text, &version); err != nil {
		return Data{}, fmt.Errorf("decoding a revision: %w", err)
	}
	if version.SchemaVersion > SchemaVersion {
		return Data{}, fmt.Errorf("decoding a revision: %w", &NewerSchemaError{version.SchemaVersion})
	}
	if version.SchemaVersion < oldestSchema {
		return Data{}, fmt.Errorf("decoding a revision: schema version %d is not supported: the oldest is %d",
			version.SchemaVersion, oldestSchema)
	}
	var d Data
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&d); err != nil {
		if json.Unmarshal(text, new(Data)) == nil {
			err = &NewerSchemaError{version.SchemaVersion}
		}
		return Data{}, fmt.Errorf("decoding a revision: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Data{}, errors.New("decoding a revision: text follows the data")
	}
	return d, d.check()
}

// check reports data that refers to parts which it does not have.
func (d Data) check() error {
	if len(d.Components) > maxComponents {
		return fmt.Errorf("decoding a revision: %d components are more than %d", len(d.Components), maxComponents)
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components)) {
		c := d.Components[name]
		if !validHash(c.Hash) {
			return fmt.Errorf("decoding a revision: component %q has the hash %q: it must be %d hexadecimal digits", name, c.Hash, hashDigits)
		}
		if c.Inputs < 0 || c.Inputs > len(d.Earlier) {
			return fmt.Errorf("decoding a revision: component %q has inputs %d of %d", name, c.Inputs, len(d.Earlier))
		}
		for _, configMap := range c.ConfigMaps {
			if _, ok := d.ConfigMaps[configMap]; !ok {
				return fmt.Errorf("decoding a revision: component %q mounts ConfigMap %q, which is absent", name, configMap)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.ConfigMaps)) {
		for _, file := range slices.Sorted(maps.Keys(d.ConfigMaps[name])) {
			if _, ok := d.Files[d.ConfigMaps[name][file]]; !ok {
				return fmt.Errorf("decoding a revision: file %q of ConfigMap %q is absent", file, name)
			}
		}
	}
	return nil
}

// InputsOf returns the inputs that the template of one of the components belongs to.
func (d Data) InputsOf(c Component) Inputs {
	if c.Inputs == 0 {
		return d.Inputs
	}
	return d.Earlier[c.Inputs-1]
}

// ConfigMap returns the files of a content-named ConfigMap, nil when the revision has none of this name.
func (d Data) ConfigMap(name string) map[string]string {
	hashes, ok := d.ConfigMaps[name]
	if !ok {
		return nil
	}
	files := make(map[string]string, len(hashes))
	for file, hash := range hashes {
		files[file] = d.Files[hash]
	}
	return files
}

// addConfigMap stores the files of a ConfigMap, each text once.
func (d *Data) addConfigMap(name string, files map[string]string) {
	if d.ConfigMaps == nil {
		d.ConfigMaps, d.Files = map[string]map[string]string{}, map[string]string{}
	}
	hashes := make(map[string]string, len(files))
	for file, text := range files {
		hash := fileKey(text)
		hashes[file], d.Files[hash] = hash, text
	}
	d.ConfigMaps[name] = hashes
}

// Hashes returns the components' hashes, by name.
func (d Data) Hashes() map[string]string {
	hashes := make(map[string]string, len(d.Components))
	for name, c := range d.Components {
		hashes[name] = c.Hash
	}
	return hashes
}

// Images returns the images of each component's containers, by name, separated by spaces.
func (d Data) Images() map[string]string {
	images := make(map[string]string, len(d.Components))
	for name, c := range d.Components {
		var all []string
		for _, container := range slices.Concat(c.Template.Spec.InitContainers, c.Template.Spec.Containers) {
			all = append(all, container.Image)
		}
		images[name] = strings.Join(all, " ")
	}
	return images
}
