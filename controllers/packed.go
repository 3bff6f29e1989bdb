package controllers

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"

	"github.com/openimstack/openim-operator/controllers/revision"
)

// packedRuns keeps the data of run revisions by name, as compressed JSON. The templates of a stack are some 160 KB as objects, and a
// reconciliation that changes nothing does not need them.
type packedRuns map[string][]byte

// put keeps the data of a revision. Data that no ControllerRevision could hold are not kept.
func (p packedRuns) put(name string, d revision.Data) {
	delete(p, name)
	text, err := revision.Encode(d)
	if err != nil {
		return
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	if err != nil {
		panic(err) // a constant
	}
	_, err = w.Write(text)
	if errors.Join(err, w.Close()) == nil {
		p[name] = bytes.Clone(packed.Bytes())
	}
}

// get returns the data of a revision as a new operator would read it, and reports whether it is kept.
func (p packedRuns) get(name string) (revision.Data, bool) {
	packed, ok := p[name]
	if !ok {
		return revision.Data{}, false
	}
	text, err := io.ReadAll(flate.NewReader(bytes.NewReader(packed)))
	if err != nil {
		return revision.Data{}, false
	}
	d, err := revision.Decode(text)
	return d, err == nil
}
