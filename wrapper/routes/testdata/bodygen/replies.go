package main

import (
	"fmt"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// forms has the messages of replies: name, field, and the field's line, such as "sendID text 1".
type forms map[string]map[string]string

// printReplies prints each message once, and the message of each route. files are outputs for other versions of the protocol; printReplies prints the
// union.
func printReplies(files []string) {
	all, routes := forms{}, map[string]string{}
	for _, b := range bodies {
		if b.reply != nil {
			routes[b.path] = all.add(b.reply.Elem())
		}
	}
	for _, file := range files {
		all.merge(file, routes)
	}
	fmt.Println("# The replies of OpenIM's routes: messages, with the JSON name, type and protobuf number of each field; then the message of")
	fmt.Println("# each route. The union of github.com/openimsdk/protocol v0.0.72-alpha.70, the module of v3.8.3, and v0.0.73-alpha.12, that of")
	fmt.Println("# v3.8.3-patch.5 to patch.16. Written by testdata/bodygen.")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Println(name)
		for _, field := range slices.Sorted(maps.Keys(all[name])) {
			fmt.Println("  " + all[name][field])
		}
	}
	for _, path := range slices.Sorted(maps.Keys(routes)) {
		fmt.Println(path, routes[path])
	}
}

var fieldNumber = regexp.MustCompile(`^[a-z0-9]+,(\d+),`)

func (f forms) add(t reflect.Type) string {
	name := t.String()
	if f[name] != nil {
		return name
	}
	fields := map[string]string{}
	f[name] = fields
	for i := range t.NumField() {
		field := t.Field(i)
		json, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		if !field.IsExported() || json == "-" {
			continue
		}
		number := fieldNumber.FindStringSubmatch(field.Tag.Get("protobuf"))
		step, kind := f.kind(json, field.Type)
		fields[json] = fmt.Sprintf("%s %s %s", step, kind, number[1])
	}
	return name
}

// kind returns the suffix of a list or map and the type of its elements.
func (f forms) kind(name string, t reflect.Type) (string, string) {
	switch {
	case t == reflect.TypeFor[[]byte]():
		return name, "bytes"
	case t.Kind() == reflect.Pointer && strings.HasSuffix(t.Elem().PkgPath(), "wrapperspb"):
		// OpenIM's wrapper types are encoded in JSON as their value; no reply in protobuf has one.
		held, _ := t.Elem().FieldByName("Value")
		return f.kind(name, held.Type)
	case t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Struct:
		return name, f.add(t.Elem())
	case t.Kind() == reflect.Pointer:
		return f.kind(name, t.Elem())
	case t.Kind() == reflect.Slice:
		return f.kind(name+"[]", t.Elem())
	case t.Kind() == reflect.Map:
		return f.kind(name+"{}", t.Elem())
	case t.Kind() == reflect.String:
		return name, "text"
	}
	return name, t.Kind().String()
}

// merge adds the fields of another version. A field with two types or numbers ends the program, because it needs a decision.
func (f forms) merge(file string, routes map[string]string) {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	message := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case line == "", line[0] == '#':
		case line[0] == '/':
			path, name, _ := strings.Cut(line, " ")
			if have := routes[path]; have != "" && have != name {
				panic(fmt.Sprintf("%s: %s and %s", path, have, name))
			}
			routes[path] = name
		case line[0] != ' ':
			message = line
			if f[message] == nil {
				f[message] = map[string]string{}
			}
		default:
			line = strings.TrimSpace(line)
			field, _, _ := strings.Cut(line, " ")
			field = strings.TrimRight(field, "[]{}")
			if have := f[message][field]; have != "" && have != line {
				panic(fmt.Sprintf("%s: %q and %q", message, have, line))
			}
			f[message][field] = line
		}
	}
}
