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

// position is where an object stands.
type position struct {
	file string
	line int
}

func (o position) String() string { return o.file + ":" + strconv.Itoa(o.line) }

// errorf names the place before what is wrong there.
func (o position) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: %w", o, fmt.Errorf(format, args...))
}

// documents takes a file apart, and hands on each object in it. Lists are opened.
func documents(name string, content []byte, take func(position, map[string]any) error) error {
	if before, _, found := bytes.Cut(content, []byte{0}); found {
		return position{name, 1 + bytes.Count(before, []byte("\n"))}.errorf("it holds a zero byte: write UTF-8 text")
	}
	split := yamlDocuments
	if strings.EqualFold(path.Ext(name), ".json") {
		split = jsonDocuments
	}
	count := 0
	return split(name, content, func(at position, document []byte) error {
		if count++; count > maxDocuments {
			return at.errorf("it holds more than %d documents: split it", maxDocuments)
		}
		var value any
		twice, err := kjson.UnmarshalStrict(document, &value, kjson.DisallowDuplicateFields)
		if err != nil {
			return at.errorf("%w", err)
		}
		if len(twice) > 0 { // kubectl refuses it, and parsers differ in which of the two they take
			return at.errorf("%w: leave one of the two out", twice[0])
		}
		return open(at, value, 0, take)
	})
}

// open hands on an object, or what is in a List.
func open(at position, value any, depth int, take func(position, map[string]any) error) error {
	switch value := value.(type) {
	case nil: // comments alone
		return nil
	case []any:
		return at.errorf("it is a list without apiVersion and kind: write a List, or one document each")
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
		return at.errorf("it is %T, not an object", value)
	}
}

// inherit gives an item of a typed list, such as a PodList, the kind that the API leaves out there.
func inherit(item any, list map[string]any, listKind string) {
	object, ok := item.(map[string]any)
	if !ok || listKind == "List" || text(object, "kind") != "" {
		return
	}
	object["kind"], object["apiVersion"] = strings.TrimSuffix(listKind, "List"), list["apiVersion"]
}

// yamlDocuments cuts at lines of "---" and "...", which end a document wherever they stand (YAML 1.2, 9.1.2), and converts to JSON.
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

// separator recognises the line between two documents, and returns what of the next one stands on it.
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

// yamlError moves the line of a parser's message, which counts from the document, to where it is in the file.
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
		return at.errorf("%s: kubectl refuses that, and parsers differ in which of the two they take: leave one out", message)
	}
	if bytes.Contains(content, []byte("{{")) {
		return at.errorf("it is not YAML: %s. It looks like a template: render it first, for example with `helm template`", message)
	}
	return at.errorf("it is not YAML: %s", message)
}

// jsonDocuments takes one value after the other.
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
			return at.errorf("it is not JSON: %w", err)
		}
		if err := take(at, value); err != nil {
			return err
		}
	}
}

func lineOf(content []byte, offset int64) int {
	return 1 + bytes.Count(content[:offset], []byte("\n"))
}
