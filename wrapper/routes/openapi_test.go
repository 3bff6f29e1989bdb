package routes_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func openAPI(t *testing.T) map[string]any {
	t.Helper()
	data, err := routes.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var document map[string]any
	if err := yaml.UnmarshalStrict(data, &document); err != nil {
		t.Fatal(err)
	}
	return document
}

func TestTheOpenAPIDocumentIsTheTable(t *testing.T) {
	g := NewWithT(t)
	page, err := os.ReadFile("../../docs/openapi.yaml")
	g.Expect(err).NotTo(HaveOccurred())
	data, err := routes.OpenAPI()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(page)).To(Equal(string(data)), `run "go generate ./wrapper/routes"`)
}

func TestEveryRouteIsInTheOpenAPIDocument(t *testing.T) {
	g := NewWithT(t)
	paths := openAPI(t)["paths"].(map[string]any)
	want := 0
	expect := func(path, method string) map[string]any {
		want++
		item, ok := paths[path].(map[string]any)
		g.Expect(ok).To(BeTrue(), path)
		operation, ok := item[strings.ToLower(method)].(map[string]any)
		g.Expect(ok).To(BeTrue(), method+" "+path)
		return operation
	}
	for _, r := range routes.Table {
		if r.ForUsers() {
			operation := expect(wire.UserPrefix+strings.Replace(r.Path, "*name", "{name}", 1), r.Method)
			g.Expect(operation["x-identity"]).To(HaveLen(len(r.Identity)), r.Path)
			g.Expect(operation["x-repeatable"]).To(Equal(r.Repeatable))
		}
		if r.ForAdmins() {
			g.Expect(expect(wire.AdminPrefix+r.Path, r.Method)).NotTo(HaveKey("x-identity"))
		}
	}
	for _, r := range routes.OwnRoutes {
		expect(r.Path, r.Method)
	}
	operations := 0
	for _, item := range paths {
		operations += len(item.(map[string]any))
	}
	g.Expect(operations).To(Equal(want), "the document has no other operations")
}

// TestTheOpenAPIDocumentIsWellFormed checks the requirements of OpenAPI 3.1 for the parts that the document uses.
func TestTheOpenAPIDocumentIsWellFormed(t *testing.T) {
	g := NewWithT(t)
	document := openAPI(t)
	for key := range document {
		g.Expect([]string{"openapi", "info", "jsonSchemaDialect", "servers", "paths", "components", "tags"}).To(ContainElement(key))
	}
	g.Expect(document["openapi"]).To(Equal("3.1.0"))
	g.Expect(document["info"]).To(And(HaveKey("title"), HaveKey("version")))
	schemes := document["components"].(map[string]any)["securitySchemes"].(map[string]any)
	tags := map[string]bool{}
	for _, tag := range document["tags"].([]any) {
		tags[tag.(map[string]any)["name"].(string)] = true
	}
	ids := map[string]bool{}
	for path, item := range document["paths"].(map[string]any) {
		g.Expect(path).To(HavePrefix("/"))
		for method, o := range item.(map[string]any) {
			where := method + " " + path
			operation := o.(map[string]any)
			g.Expect([]string{"get", "post"}).To(ContainElement(method))
			for key := range operation {
				g.Expect(key).To(MatchRegexp(`^(operationId|tags|summary|parameters|requestBody|responses|security|x-.+)$`), where)
			}
			id := operation["operationId"].(string)
			g.Expect(id).To(MatchRegexp(`^[a-zA-Z][a-zA-Z0-9_]*$`))
			g.Expect(ids[id]).To(BeFalse(), id+" is there twice")
			ids[id] = true
			g.Expect(tags[operation["tags"].([]any)[0].(string)]).To(BeTrue())
			g.Expect(operation["responses"]).NotTo(BeEmpty(), where)
			for _, s := range operation["security"].([]any) {
				for name := range s.(map[string]any) {
					g.Expect(schemes).To(HaveKey(name))
				}
			}
			g.Expect(parameters(operation)).To(Equal(regexp.MustCompile(`\{(\w+)\}`).FindAllString(path, -1)), where)
			g.Expect(method == "post" || operation["requestBody"] == nil).To(BeTrue())
		}
	}
	checkRefs(t, document, document)
	checkSchemas(t, "", document)
	for name, schema := range document["components"].(map[string]any)["schemas"].(map[string]any) {
		checkSchema(t, name, schema.(map[string]any))
	}
}

func parameters(operation map[string]any) (out []string) {
	list, _ := operation["parameters"].([]any)
	for _, p := range list {
		parameter := p.(map[string]any)
		if parameter["in"] == "path" && parameter["required"] == true {
			out = append(out, fmt.Sprintf("{%s}", parameter["name"]))
		}
	}
	return out
}

// checkRefs checks that every $ref has a target.
func checkRefs(t *testing.T, document map[string]any, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		if to, ok := v["$ref"].(string); ok {
			var at any = document
			for step := range strings.SplitSeq(strings.TrimPrefix(to, "#/"), "/") {
				at = at.(map[string]any)[step]
			}
			if at == nil || len(v) != 1 {
				t.Errorf("%s leads nowhere", to)
			}
		}
		for _, inner := range v {
			checkRefs(t, document, inner)
		}
	case []any:
		for _, inner := range v {
			checkRefs(t, document, inner)
		}
	}
}

// checkSchemas checks that every schema has a type of JSON's, and every list a type of its items.
func checkSchemas(t *testing.T, at string, value any) {
	t.Helper()
	switch v := value.(type) {
	case map[string]any:
		if schema, ok := v["schema"].(map[string]any); ok && schema["$ref"] == nil {
			checkSchema(t, at, schema)
		}
		for key, inner := range v {
			checkSchemas(t, at+"/"+key, inner)
		}
	case []any:
		for _, inner := range v {
			checkSchemas(t, at, inner)
		}
	}
}

func checkSchema(t *testing.T, at string, schema map[string]any) {
	t.Helper()
	if schema["$ref"] != nil || at == "Envelope.data" {
		return // checkRefs; and of an envelope's data each route says more
	}
	if choices, ok := schema["anyOf"].([]any); ok {
		for _, inner := range choices {
			checkSchema(t, at, inner.(map[string]any))
		}
		return
	}
	kind := schema["type"]
	if list, ok := kind.([]any); ok && len(list) == 2 && list[1] == "null" {
		kind = list[0]
	}
	switch kind {
	case "string", "boolean", "integer", "null":
	case "array":
		checkSchema(t, at, schema["items"].(map[string]any))
	case "object":
		if values, ok := schema["additionalProperties"].(map[string]any); ok {
			checkSchema(t, at+"{}", values)
		}
		properties, _ := schema["properties"].(map[string]any)
		for name, inner := range properties {
			checkSchema(t, at+"."+name, inner.(map[string]any))
		}
	default:
		t.Errorf("%s: type %v", at, schema["type"])
	}
}

// TestTheSchemasAcceptTheExamples validates the example of each user's route with its schema.
func TestTheSchemasAcceptTheExamples(t *testing.T) {
	paths := openAPI(t)["paths"].(map[string]any)
	for i := range routes.Table {
		r := &routes.Table[i]
		if !r.ForUsers() || r.Method == http.MethodGet {
			continue
		}
		t.Run(r.Name(), func(t *testing.T) {
			body := paths[wire.UserPrefix+r.Path].(map[string]any)["post"].(map[string]any)["requestBody"].(map[string]any)
			schema := body["content"].(map[string]any)[wire.MediaTypeJSON].(map[string]any)["schema"].(map[string]any)
			if problem := mismatch(schema, alice.Body(r), "body"); problem != "" {
				t.Error(problem)
			}
		})
	}
}

func mismatch(schema map[string]any, value any, at string) string {
	switch v := value.(type) {
	case string:
		return unless(schema["type"] == "string", at)
	case bool:
		return unless(schema["type"] == "boolean", at)
	case json.Number:
		return unless(schema["type"] == "integer", at)
	case []any:
		for _, e := range v {
			if problem := mismatch(schema["items"].(map[string]any), e, at+"[]"); problem != "" {
				return problem
			}
		}
		return unless(schema["type"] == "array", at)
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, e := range v {
			inner, ok := properties[name].(map[string]any)
			if !ok {
				return at + "." + name + " is not in the schema"
			}
			if problem := mismatch(inner, e, at+"."+name); problem != "" {
				return problem
			}
		}
	}
	return ""
}

func unless(good bool, at string) string {
	if good {
		return ""
	}
	return at + " has another type"
}

// TestUsersRepliesHaveSchemas checks that each user's route declares the data of its reply.
func TestUsersRepliesHaveSchemas(t *testing.T) {
	document := openAPI(t)
	for i := range routes.Table {
		r := &routes.Table[i]
		if !r.ForUsers() || r.Method == http.MethodGet {
			continue
		}
		operation := document["paths"].(map[string]any)[wire.UserPrefix+r.Path].(map[string]any)["post"].(map[string]any)
		reply := operation["responses"].(map[string]any)["200"]
		text, err := json.Marshal(reply)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(string(text)).To(ContainSubstring(`"#/components/schemas/`), r.Path)
		NewWithT(t).Expect(string(text)).To(MatchRegexp(`schemas/[a-z]+\.[A-Za-z]+Resp"`), r.Path)
	}
}
