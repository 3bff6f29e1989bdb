package exceptions

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// parser reads the nodes of a file. Nodes rather than structs: they have lines, and they show duplicate keys, aliases and tags, which a
// decoder would resolve.
type parser struct {
	file string
	now  time.Time
}

// errorf returns an error that starts with the file and the line of a node.
func (p parser) errorf(at *yaml.Node, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %w", p.file, at.Line, fmt.Errorf(format, args...))
}

// parse reads the content of a file:
//
//	exceptions:
//	- {finding: ServiceExposes, object: im/Service/msggateway-debug, reason: "load test, ticket 311", expires: 2027-03-31}
func parse(file string, content []byte, now time.Time) (*Set, error) {
	if len(content) > maxSize {
		return nil, fmt.Errorf("%s is larger than %d KiB", file, maxSize>>10)
	}
	p := parser{file: file, now: now.UTC()}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	if err := decoder.Decode(&document); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: invalid YAML: %w", file, err)
	}
	if len(document.Content) != 1 {
		return nil, fmt.Errorf("%s is empty: write `exceptions: []`", file)
	}
	var more yaml.Node
	if err := decoder.Decode(&more); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s has more than one document: write one list", file)
	}
	top, err := p.fields(document.Content[0], "exceptions")
	if err != nil {
		return nil, err
	}
	return p.list(top["exceptions"])
}

// list reads the list of exceptions.
func (p parser) list(node *yaml.Node) (*Set, error) {
	if err := p.plain(node); err != nil {
		return nil, err
	}
	if node.Kind != yaml.SequenceNode {
		return nil, p.errorf(node, "exceptions is not a list")
	}
	if len(node.Content) > maxCount {
		return nil, p.errorf(node, "there are %d exceptions, and at most %d are read", len(node.Content), maxCount)
	}
	set := &Set{file: p.file}
	for _, item := range node.Content {
		e, err := p.exception(item)
		if err != nil {
			return nil, err
		}
		same := func(other exception) bool { return other.finding == e.finding && other.object == e.object }
		if i := slices.IndexFunc(set.list, same); i >= 0 {
			return nil, p.errorf(item, "%s of %s is in line %d already: keep one of the two", e.finding, e.object, set.list[i].line)
		}
		set.list = append(set.list, e)
	}
	return set, nil
}

// fields returns the values of a mapping by key. It must have all of the keys, and no other.
func (p parser) fields(node *yaml.Node, keys ...string) (map[string]*yaml.Node, error) {
	if err := p.plain(node); err != nil {
		return nil, err
	}
	if node.Kind != yaml.MappingNode {
		return nil, p.errorf(node, "not a mapping with the fields %s", strings.Join(keys, ", "))
	}
	found := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		if err := p.plain(key); err != nil {
			return nil, err
		}
		if !slices.Contains(keys, key.Value) {
			return nil, p.errorf(key, "unknown field %q: the fields are %s", key.Value, strings.Join(keys, ", "))
		}
		if found[key.Value] != nil {
			return nil, p.errorf(key, "the field %s is there twice", key.Value)
		}
		found[key.Value] = value
	}
	for _, key := range keys {
		if found[key] == nil {
			return nil, p.errorf(node, "the field %s is missing", key)
		}
	}
	return found, nil
}

// plain refuses anchors, aliases and explicit tags: a reviewer must see what an entry says where it stands.
func (p parser) plain(node *yaml.Node) error {
	if node.Kind == yaml.AliasNode || node.Anchor != "" {
		return p.errorf(node, "anchors and aliases are not read: write the value")
	}
	if node.Style&yaml.TaggedStyle != 0 {
		return p.errorf(node, "the tag %s is not read: leave it out", node.Tag)
	}
	return nil
}

// text returns the text of a field. A number, a boolean and null are not texts.
func (p parser) text(node *yaml.Node, field string, tags ...string) (string, error) {
	if err := p.plain(node); err != nil {
		return "", err
	}
	if node.Kind != yaml.ScalarNode || !slices.Contains(append(tags, "!!str"), node.Tag) {
		return "", p.errorf(node, "%s is not a text: write it in quotes", field)
	}
	text := strings.Join(strings.Fields(node.Value), " ")
	if text == "" {
		return "", p.errorf(node, "%s is empty", field)
	}
	return text, nil
}
