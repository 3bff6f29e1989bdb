package routes

import (
	"net/http"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

type doc = map[string]any

// OpenAPI returns docs/openapi.yaml: an OpenAPI 3.1 document of all routes that may be called.
func OpenAPI() ([]byte, error) {
	paths := doc{}
	for i := range Table {
		r := &Table[i]
		if r.ForUsers() {
			put(paths, wire.UserPrefix+documentPath(r.Path), r.Method, userOperation(r))
		}
		if r.ForAdmins() {
			put(paths, wire.AdminPrefix+r.Path, r.Method, adminOperation(r))
		}
	}
	for i := range OwnRoutes {
		put(paths, OwnRoutes[i].Path, OwnRoutes[i].Method, ownOperation(&OwnRoutes[i]))
	}
	return yaml.Marshal(doc{
		"openapi":           "3.1.0",
		"jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
		"info": doc{
			"title":   "OpenIM behind its gateway",
			"version": "v1",
			"license": doc{"name": "Apache 2.0", "identifier": "Apache-2.0"},
			"description": "The routes that users and administrators may call. Generated from the tables in wrapper/routes; " +
				"x-identity has the rules " +
				"for the fields of a user's body.",
		},
		"servers": []any{doc{
			"url": "https://{host}", "description": "the users' listener, or the administrators'",
			"variables": doc{"host": doc{"default": "im.example.com"}},
		}},
		"tags": []any{
			doc{"name": "users", "description": "OpenIM's routes on the users' listener"},
			doc{"name": "admins", "description": "OpenIM's routes on the administrators' listener"},
			doc{"name": "gateway", "description": "the gateway's own routes"},
		},
		"paths":      paths,
		"components": components(),
	})
}

// documentPath returns the path with the object's name as a parameter of OpenAPI.
func documentPath(path string) string { return strings.Replace(path, "*name", "{name}", 1) }

// put adds an operation to a path.
func put(paths doc, path, method string, operation doc) {
	item, _ := paths[path].(doc)
	if item == nil {
		item = doc{}
		paths[path] = item
	}
	item[strings.ToLower(method)] = operation
}

func userOperation(r *Route) doc {
	op := openIMOperation("users", "user", r)
	op["security"] = []any{doc{"session": []any{}}, doc{"sessionBearer": []any{}}}
	rules := []any{}
	for _, i := range r.Identity {
		rule := doc{"field": i.Field, "rule": string(i.Rule)}
		if i.With != "" {
			rule["with"] = i.With
		}
		if i.Why != "" {
			rule["why"] = i.Why
		}
		rules = append(rules, rule)
	}
	op["x-identity"], op["responses"] = rules, userResponses(r)
	if r.Method == http.MethodGet {
		op["parameters"] = []any{doc{
			"name": "name", "in": "path", "required": true, "description": "the object's name; it may contain slashes",
			"schema": doc{"type": "string", "maxLength": maxObjectNameBytes},
		}}
		location := doc{"Location": doc{"schema": doc{"type": "string", "format": "uri"}}}
		op["responses"] = doc{"302": doc{"description": "to the object store", "headers": location}, "default": ref("responses", "Failure")}
		return op
	}
	media := doc{wire.MediaTypeJSON: doc{"schema": r.schema(User)}}
	if r.Protobuf {
		media[MediaTypeProtobuf] = doc{"schema": doc{"type": "string", "format": "binary"}}
	}
	op["requestBody"] = doc{"required": true, "content": media}
	return op
}

func adminOperation(r *Route) doc {
	op := openIMOperation("admins", "admin", r)
	op["security"] = []any{doc{"administrator": []any{}}}
	op["requestBody"] = doc{"required": true, "content": doc{wire.MediaTypeJSON: doc{"schema": r.schema(Admin)}}}
	if len(r.Users) > 0 {
		op["x-users"] = r.Users
	}
	return op
}

func openIMOperation(tag, prefix string, r *Route) doc {
	op := doc{
		"operationId": prefix + strings.NewReplacer("/", "_", "*", "").Replace(r.Path),
		"tags":        []any{tag}, "summary": r.Why, "responses": replies(),
		"x-class": r.Limit.Name, "x-audit": string(r.Audit), "x-max-body-bytes": r.Body, "x-repeatable": r.Repeatable,
		"x-releases": r.Releases(),
	}
	if r.Calls != "" {
		op["x-calls"] = r.Calls
	}
	return op
}

func ownOperation(r *OwnRoute) doc {
	op := doc{
		"operationId": "gateway_" + strings.NewReplacer("/", "_", ".", "", "-", "_").Replace(r.Name()),
		"tags":        []any{"gateway"}, "summary": r.Why, "responses": ownResponses(r), "security": []any{},
		"x-class": r.Limit, "x-audit": string(r.Audit), "x-max-body-bytes": r.Body, "x-listener": string(r.Listener),
	}
	switch {
	case r.Listener == Admins:
		op["security"] = []any{doc{"administrator": []any{}}}
	case r.Session:
		op["security"] = []any{doc{"session": []any{}}, doc{"sessionBearer": []any{}}}
	}
	if r.Body > 0 {
		op["requestBody"] = doc{"required": true, "content": doc{wire.MediaTypeJSON: doc{"schema": doc{"type": "object"}}}}
	}
	return op
}

func replies() doc {
	return doc{"200": ref("responses", "Envelope"), "default": ref("responses", "Failure")}
}

func ref(kind, name string) doc { return doc{"$ref": "#/components/" + kind + "/" + name} }

func components() doc {
	codes := []any{}
	for _, f := range wire.Failures {
		codes = append(codes, doc{"name": f.Name, "status": f.Status, "errCode": f.ErrCode, "text": f.Text})
	}
	envelope := doc{wire.MediaTypeJSON: doc{"schema": ref("schemas", "Envelope")}}
	schemas := replySchemas()
	schemas["Envelope"] = doc{
		"type": "object", "required": []any{"errCode", "errMsg", "errDlt"},
		"properties": doc{
			"errCode": doc{"type": "integer", "description": "0: success. 1001 arguments, 1002 no permission, 1004 not found, " +
				"1501 session expired, 1506 session revoked, 1507 unknown session, 1503 malformed; OpenIM's other codes unchanged."},
			"errMsg": doc{"type": "string", "maxLength": wire.MaxErrMsgBytes},
			"errDlt": doc{"type": "string", "description": "always empty"},
			"data":   doc{"description": "OpenIM's reply; absent if there is none"},
		},
	}
	return doc{
		"schemas": schemas,
		"responses": doc{
			"Envelope": doc{"description": "OpenIM's envelope, also for errors: see errCode", "content": envelope},
			"Failure": doc{
				"description": "refused or failed by the gateway; x-failures lists the failures. On the users' listener the status of the failures " +
					"400, 401 and 403 is 200.",
				"content": envelope, "x-failures": codes,
			},
		},
		"securitySchemes": doc{
			"session": doc{
				"type": "apiKey", "in": "header", "name": wire.HeaderToken, "description": "a session's token, as OpenIM's SDKs send it",
			},
			"sessionBearer": doc{"type": "http", "scheme": "bearer", "description": "the same as a bearer token"},
			"administrator": doc{
				"type": "http", "scheme": "bearer", "bearerFormat": "JWT",
				"description": "a token of the administrators' identity provider",
			},
		},
	}
}

// schema returns the body's JSON schema for an audience. A user's schema has no fields that are removed, and has the bounds of the others.
func (r *Route) schema(a Audience) doc {
	form := shapes[r.Upstream()]
	if form == nil {
		return doc{"type": "object"}
	}
	closed := map[string]bool{}
	if a == User {
		for _, i := range r.Identity {
			closed[i.Field] = i.Rule == Dropped || i.Rule == Never
		}
	}
	return form.schema("", closed, a == User)
}

func (s *shape) schema(field string, closed map[string]bool, bounded bool) doc {
	out := doc{}
	switch {
	case s.fields != nil:
		properties := doc{}
		for name, member := range s.fields {
			if !closed[join(field, name)] {
				properties[name] = member.schema(join(field, name), closed, bounded)
			}
		}
		return doc{"type": "object", "properties": properties}
	case s.elem != nil:
		out = doc{"type": "array", "items": s.elem.schema(field+"[]", closed, bounded)}
	case s.values != nil:
		out = doc{"type": "object", "additionalProperties": s.values.schema(field+"{}", closed, bounded)}
	case s.scalar == scalarText:
		out["type"] = "string"
	case s.scalar == "bool":
		out["type"] = "boolean"
	default:
		out["type"], out["format"] = "integer", s.scalar
		if strings.HasPrefix(s.scalar, "uint") {
			out["minimum"] = 0
		}
	}
	if bounded {
		s.describeBound(out)
	}
	return out
}

// describeBound adds the bound of a value to its schema. The bound of a text is in bytes; a text within it has at most as many characters.
func (s *shape) describeBound(out doc) {
	switch {
	case s.elem != nil:
		out["maxItems"] = s.bound.entries
	case s.values != nil:
		out["maxProperties"] = s.bound.entries
	case s.scalar == scalarText:
		out["maxLength"] = s.bound.bytes
	case s.scalar != "bool" && !s.bound.whole:
		out["minimum"], out["maximum"] = s.bound.min, s.bound.max
	}
}
