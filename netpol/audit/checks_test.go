package audit_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// allBreaches are the catalogue: each breach is one change that the audit must find.
var allBreaches = slices.Concat(
	policyBreaches, ownPolicyBreaches, serviceBreaches, routeBreaches, listenerBreaches, podBreaches, storeBreaches, networkBreaches,
)

// A check that returned a kind, or a severity, that the table does not declare for it would be missing in the documentation.
func TestEachCheckReturnsItsKindsAlone(t *testing.T) {
	for _, b := range allBreaches {
		in := clean(t)
		b.commit(t, &in)
		results := audit.RunChecks(in, false)
		g := NewWithT(t)
		for _, result := range results {
			for _, f := range result.Findings {
				i := slices.IndexFunc(result.Kinds, func(k audit.Kind) bool { return k.Name == f.Kind })
				g.Expect(i).To(BeNumerically(">=", 0), "%s: a check returned %s and declares %v", b.name, f.Kind, result.Kinds)
				g.Expect(result.Kinds[i].Severities).To(ContainElement(f.Severity), "%s: severity of %s", b.name, f.Kind)
			}
		}
		g.Expect(audit.RunChecks(in, true)).To(Equal(results), "%s: the order of checks makes no difference", b.name)
	}
}

// A kind without a check would never be found, and a kind of two checks would be documented twice.
func TestEachKindHasOneCheck(t *testing.T) {
	g := NewWithT(t)
	g.Expect(audit.ChecksWithOneFunction()).To(HaveEach(true))
	var documented []string
	for _, k := range audit.Kinds() {
		g.Expect(k.Severities).NotTo(BeEmpty(), k.Name)
		g.Expect([]string{k.Meaning, k.Example, k.Fix}).NotTo(ContainElement(""), k.Name)
		documented = append(documented, k.Name)
	}
	g.Expect(documented).To(ConsistOf(constantsOf(t, "kinds.go")), "constants of kinds.go, and kinds of the table of checks")
}

// constantsOf returns the values of the string constants that a file of this package declares.
func constantsOf(t *testing.T, file string) []string {
	t.Helper()
	var found []string
	ast.Inspect(parsed(t, file), func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, value := range spec.Values {
				if literal, ok := value.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					text, err := strconv.Unquote(literal.Value)
					NewWithT(t).Expect(err).NotTo(HaveOccurred())
					found = append(found, text)
				}
			}
		}
		return true
	})
	return found
}

func parsed(t *testing.T, file string) *ast.File {
	t.Helper()
	tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return tree
}

// The model is read-only: checks run in any order because none of them changes what another one reads.
func TestTheConstructorAloneWritesToTheModel(t *testing.T) {
	files, err := os.ReadDir(".")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	functions := 0
	for _, file := range files {
		if !strings.HasSuffix(file.Name(), ".go") || strings.HasSuffix(file.Name(), "_test.go") {
			continue
		}
		for _, d := range parsed(t, file.Name()).Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name == "newModel" {
				continue
			}
			for _, model := range modelsOf(f) {
				functions++
				NewWithT(t).Expect(writesTo(f, model)).To(BeEmpty(), "%s: %s assigns to the model", file.Name(), f.Name.Name)
			}
		}
	}
	NewWithT(t).Expect(functions).To(BeNumerically(">", 80), "the functions that have a model")
}

// modelsOf returns the names of a function's receiver and parameters of type *Model.
func modelsOf(f *ast.FuncDecl) []string {
	var names []string
	for _, list := range []*ast.FieldList{f.Recv, f.Type.Params} {
		if list == nil {
			continue
		}
		for _, field := range list.List {
			star, ok := field.Type.(*ast.StarExpr)
			if !ok {
				continue
			}
			if name, ok := star.X.(*ast.Ident); ok && name.Name == "Model" {
				for _, n := range field.Names {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}

// writesTo returns the fields of a variable to which a function assigns, itself or an element of them.
func writesTo(f *ast.FuncDecl, variable string) []string {
	var fields []string
	check := func(target ast.Expr) {
		for {
			switch x := target.(type) {
			case *ast.IndexExpr:
				target = x.X
				continue
			case *ast.StarExpr:
				target = x.X
				continue
			case *ast.SelectorExpr:
				if root, ok := x.X.(*ast.Ident); ok && root.Name == variable {
					fields = append(fields, x.Sel.Name)
					return
				}
				target = x.X
				continue
			}
			return
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			for _, target := range n.Lhs {
				check(target)
			}
		case *ast.IncDecStmt:
			check(n.X)
		}
		return true
	})
	return fields
}
