package snapshot

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"strconv"
	"strings"

	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const (
	// maxDocuments in one file.
	maxDocuments = 100_000
	// maxListDepth is how deep Lists may be in Lists.
	maxListDepth = 4
)

// position is the file and line of an object.
type position struct {
	file string
	line int
}

func (o position) String() string { return o.file + ":" + strconv.Itoa(o.line) }

// errorf returns an error that starts with the position.
func (o position) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", o, fmt.Errorf(format, args...))
}

// documents splits a file into documents and passes each object to take. Items of Lists are passed one by one.
func documents(name string, content []byte, take func(position, map[string]any) error) error {
	if before, _, found := bytes.Cut(content, []byte{0}); found {
		return position{name, 1 + bytes.Count(before, []byte("\n"))}.errorf("contains a zero byte: write UTF-8 text")
	}
	split := yamlDocuments
	if strings.EqualFold(path.Ext(name), ".json") {
		split = jsonDocuments
	}
	count := 0
	return split(name, content, func(at position, document []byte) error {
		if count++; count > maxDocuments {
			return at.errorf("contains more than %d documents: split the file", maxDocuments)
		}
		var value any
		twice, err := kjson.UnmarshalStrict(document, &value, kjson.DisallowDuplicateFields)
		if err != nil {
			return at.errorf("%w", err)
		}
		if len(twice) > 0 { // kubectl refuses duplicate fields, and parsers differ in which of the two they use
			return at.errorf("%w: remove one of the two", twice[0])
		}
		return open(at, value, 0, take)
	})
}

// open passes an object, or the items of a List, to take.
func open(at position, value any, depth int, take func(position, map[string]any) error) error {
	switch value := value.(type) {
	case nil: // only comments
		return nil
	case []any:
		return at.errorf("a list without apiVersion and kind: write a List, or one document for each object")
	case map[string]any:
		items, isList := value["items"].([]any)
		kind := text(value, "kind")
		if !isList || !strings.HasSuffix(kind, "List") {
			return take(at, value)
		}
		if depth == maxListDepth {
			return at.errorf("Lists are nested more than %d deep", maxListDepth)
		}
		for _, item := range items {
			inherit(item, value, kind)
			if err := open(at, item, depth+1, take); err != nil {
				return err
			}
		}
		return nil
	default:
		return at.errorf("a %T, not an object", value)
	}
}

// inherit sets the kind of an item of a typed list, such as a PodList. The API omits the kind in such items.
func inherit(item any, list map[string]any, listKind string) {
	object, ok := item.(map[string]any)
	if !ok || listKind == "List" || text(object, "kind") != "" {
		return
	}
	object["kind"], object["apiVersion"] = strings.TrimSuffix(listKind, "List"), list["apiVersion"]
}

// yamlDocuments splits at lines of "---" and "...", which always end a document (YAML 1.2, 9.1.2), and converts to JSON.
func yamlDocuments(name string, content []byte, take func(position, []byte) error) error {
	start, line := 1, 0
	var document bytes.Buffer
	flush := func() error {
		if len(bytes.TrimSpace(document.Bytes())) == 0 {
			return nil
		}
		at := position{name, start}
		converted, err := yaml.YAMLToJSONStrict(document.Bytes())
		if err != nil {
			return yamlError(at, content, err)
		}
		return take(at, converted)
	}
	for text := range bytes.Lines(content) {
		line++
		rest, cut := separator(text)
		if !cut {
			document.Write(text)
			continue
		}
		if err := flush(); err != nil {
			return err
		}
		document.Reset()
		document.Write(rest)
		start = line
		if len(bytes.TrimSpace(rest)) == 0 {
			document.Reset()
			start = line + 1
		}
	}
	return flush()
}

// separator reports whether a line separates two documents, and returns the part of the line that belongs to the next document.
func separator(line []byte) (rest []byte, cut bool) {
	for _, mark := range []string{"---", "..."} {
		after, ok := bytes.CutPrefix(line, []byte(mark))
		if ok && (len(after) == 0 || strings.ContainsRune(" \t\r\n", rune(after[0]))) {
			return after, true
		}
	}
	return nil, false
}

var yamlLine = regexp.MustCompile(`^(?:error converting YAML to JSON: )?yaml: (?:unmarshal errors:\s+)?(?:line (\d+): )?`)

// yamlError converts the line number of a parser's message, which is relative to the document, to a line of the file.
func yamlError(at position, content []byte, err error) error {
	message := err.Error()
	if found := yamlLine.FindStringSubmatch(message); found != nil {
		message = message[len(found[0]):]
		if n, err := strconv.Atoi(found[1]); err == nil && n > 0 {
			at.line += n - 1
		}
	}
	message, _, _ = strings.Cut(message, "\n")
	if strings.Contains(message, "already set in map") || strings.Contains(message, "already defined") {
		return at.errorf("%s: kubectl refuses duplicate keys, and parsers differ in which of the two they use: remove one", message)
	}
	if bytes.Contains(content, []byte("{{")) {
		return at.errorf("invalid YAML: %s: the file looks like a template: render it first, for example with `helm template`", message)
	}
	return at.errorf("invalid YAML: %s", message)
}

// jsonDocuments passes one JSON value after the other to take.
func jsonDocuments(name string, content []byte, take func(position, []byte) error) error {
	decoder := json.NewDecoder(bytes.NewReader(content))
	for {
		end := decoder.InputOffset()
		start := int64(len(content) - len(bytes.TrimLeft(content[end:], " \t\r\n")))
		var value json.RawMessage
		err := decoder.Decode(&value)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
			start = max(start, min(syntax.Offset, int64(len(content))))
		}
		at := position{name, lineOf(content, start)}
		if err != nil {
			return at.errorf("invalid JSON: %w", err)
		}
		if err := take(at, value); err != nil {
			return err
		}
	}
}

func lineOf(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:offset], []byte("\n"))
}
