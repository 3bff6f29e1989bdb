package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// parsed is the package with the structs, as far as it is needed.
type parsed struct {
	structs map[string]*ast.StructType
	// names are the values of constants and variables that are text.
	names map[string]string
	// files are the names of the variables or constants with a struct's file name, by struct.
	files map[string]string
}

// keysOf returns the keys of each configuration file with their types, from the package's Go files. A key is a path with dots.
func keysOf(sources map[string]string) (map[string]map[string]string, error) {
	p := parsed{structs: map[string]*ast.StructType{}, names: map[string]string{}, files: map[string]string{}}
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		file, err := parser.ParseFile(token.NewFileSet(), name, sources[name], parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, decl := range file.Decls {
			p.read(decl)
		}
	}
	all := map[string]map[string]string{}
	for owner, variable := range p.files {
		file, ok := p.names[variable]
		if !ok {
			return nil, fmt.Errorf("the name of %s's file, %s, is not text", owner, variable)
		}
		if file == "notification.yaml" {
			file = "notification.yml" // what the programs open: pkg/common/cmd/constant.go
		}
		all[file] = map[string]string{}
		if err := p.add(all[file], "", p.structs[owner]); err != nil {
			return nil, fmt.Errorf("%s: %w", owner, err)
		}
	}
	if len(all) == 0 {
		return nil, errors.New("no struct has a method GetConfigFileName")
	}
	return all, nil
}

// read notes structs, texts, and which struct is in which file: the method GetConfigFileName returns it.
func (p parsed) read(decl ast.Decl) {
	switch d := decl.(type) {
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if fields, ok := s.Type.(*ast.StructType); ok {
					p.structs[s.Name.Name] = fields
				}
			case *ast.ValueSpec:
				for i, value := range s.Values {
					if text, ok := value.(*ast.BasicLit); ok && text.Kind == token.STRING {
						p.names[s.Names[i].Name], _ = strconv.Unquote(text.Value)
					}
				}
			}
		}
	case *ast.FuncDecl:
		if d.Name.Name != "GetConfigFileName" || d.Recv == nil || len(d.Body.List) != 1 {
			return
		}
		receiver, pointer := d.Recv.List[0].Type.(*ast.StarExpr)
		result, returns := d.Body.List[0].(*ast.ReturnStmt)
		if !pointer || !returns {
			return
		}
		owner, isName := receiver.X.(*ast.Ident)
		variable, isVariable := result.Results[0].(*ast.Ident)
		if isName && isVariable {
			p.files[owner.Name] = variable.Name
		}
	}
}

// add adds the keys of a struct. OpenIM reads a field under the name in its tag mapstructure, and under its own name without one: an
// upper-case letter at the start does not matter (github.com/spf13/viper).
func (p parsed) add(keys map[string]string, prefix string, fields *ast.StructType) error {
	for _, field := range fields.Fields.List {
		if len(field.Names) != 1 {
			return errors.New("an embedded field is not understood")
		}
		name := field.Names[0].Name
		key := strings.ToLower(name[:1]) + name[1:]
		if field.Tag != nil {
			text, err := strconv.Unquote(field.Tag.Value)
			if err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			if tagged := reflect.StructTag(text).Get("mapstructure"); tagged != "" {
				key = tagged
			}
		}
		switch kind := field.Type.(type) {
		case *ast.StructType:
			if err := p.add(keys, prefix+key+".", kind); err != nil {
				return err
			}
		case *ast.Ident:
			if inner, ok := p.structs[kind.Name]; ok {
				if err := p.add(keys, prefix+key+".", inner); err != nil {
					return err
				}
				continue
			}
			keys[prefix+key] = kind.Name
		case *ast.ArrayType:
			element, ok := kind.Elt.(*ast.Ident)
			if !ok {
				return fmt.Errorf("the type of %s is not understood", name)
			}
			keys[prefix+key] = "[]" + element.Name
		default:
			return fmt.Errorf("the type of %s is not understood", name)
		}
	}
	return nil
}
