package snapshot

import (
	"path/filepath"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ObjectKey names an object of any version of its kind.
type ObjectKey struct {
	schema.GroupKind
	Namespace, Name string
}

// Location is where an object was read from.
type Location struct {
	// File as a path below the folder or file that was read, with slashes.
	File string `json:"file"`
	// Line on which the document of the object begins, from 1. Items of a List have the line of the List.
	Line int `json:"line"`
}

// locate records the present position as the location of an object.
func (c *collection) locate(kind schema.GroupKind, namespace, name string) {
	c.snapshot.Locations[ObjectKey{kind, namespace, name}] = Location{File: c.at.file, Line: c.at.line}
}

// placeBelow puts the name of the folder before the files of all locations: deploy, and then deploy/stack.yaml.
func (w *Snapshot) placeBelow(folder string) {
	for key, location := range w.Locations {
		location.File = filepath.ToSlash(filepath.Join(folder, filepath.FromSlash(location.File)))
		w.Locations[key] = location
	}
}
