// Command conditiondocs writes the tables of conditions and reasons into a page, from the comments of the constants:
//
//	conditiondocs SOURCE FILE
package main

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/hack/docpage"
)

// part is what is generated of the page.
var part = docpage.Part{Source: "api/v1alpha1/conditions.go", Command: "go generate ./api/v1alpha1"}

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: conditiondocs SOURCE FILE")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "conditiondocs:", err)
		os.Exit(1)
	}
}

// rewrite replaces the generated part of a page.
func rewrite(source, file string) error {
	code, err := os.ReadFile(source)
	if err != nil {
		return fmt.Errorf("reading the constants: %w", err)
	}
	text, err := tables(string(code))
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	return part.Rewrite(file, text)
}

// tables returns a table for each block of constants, headed by the comment of the block. Each constant needs a comment of its own, which
// begins with its name.
func tables(code string) (string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), "", code, parser.ParseComments)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	var failures []error
	for _, decl := range file.Decls {
		block, ok := decl.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		title := sentence(block.Doc)
		if title == "" {
			failures = append(failures, errors.New("a block of constants has no comment: write what its constants are for"))
		}
		fmt.Fprintf(&b, "\n## %s\n\n| value | meaning |\n|---|---|\n", strings.TrimSuffix(title, "."))
		for _, spec := range block.Specs {
			row, err := rowOf(spec.(*ast.ValueSpec)) //nolint:forcetypeassert // constants
			failures = append(failures, err)
			b.WriteString(row)
		}
	}
	return b.String(), errors.Join(failures...)
}

// rowOf returns the row of one constant.
func rowOf(spec *ast.ValueSpec) (string, error) {
	name := spec.Names[0].Name
	if len(spec.Values) != 1 {
		return "", fmt.Errorf("%s has no value of its own", name)
	}
	literal, ok := spec.Values[0].(*ast.BasicLit)
	if !ok {
		return "", fmt.Errorf("%s is no literal", name)
	}
	value, err := strconv.Unquote(literal.Value)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	meaning, ok := strings.CutPrefix(sentence(spec.Doc), name)
	if !ok {
		return "", fmt.Errorf("%s has no comment that begins with its name", name)
	}
	meaning = strings.TrimLeft(meaning, ": ")
	return fmt.Sprintf("| `%s` | %s |\n", value, strings.ReplaceAll(meaning, "|", `\|`)), nil
}

// sentence returns a comment in one line.
func sentence(doc *ast.CommentGroup) string { return strings.Join(strings.Fields(doc.Text()), " ") }
