package routes

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// docsReplies writes the rules for replies to users.
func docsReplies(b *strings.Builder) {
	b.WriteString(`
## What users get of a reply

A user's client receives the members that the route declares, with exactly these names: [openapi.yaml](openapi.yaml) has the schemas of
both supported lines of OpenIM. Other members are removed and counted by route. A member of another type, or one that occurs twice, makes
the reply an error (502, errCode 500). The following entries are removed, and counted too, unless their condition is true. {} is the values
of a map, or its keys.
Administrators receive OpenIM's own reply without tokens, errDlt and addresses.

| path | entries | condition |
|---|---|---|
`)
	for i := range Table {
		r := &Table[i]
		if !r.ForUsers() {
			continue
		}
		for _, k := range replyRules[r.Upstream()] {
			fmt.Fprintf(b, "| `%s` | `%s` | %s |\n", r.Path, k.Entry, k.words())
		}
	}
}

func (k Keep) words() string {
	what := "own value"
	switch {
	case k.Field != "":
		what = "`" + k.Field + "`"
	case strings.HasSuffix(k.Entry, "{}"):
		what = "key"
	}
	text := what + " " + string(k.If)
	if k.With != "" {
		text += ": `" + k.With + "`"
	}
	return text
}

// userResponses returns the responses of a user's route: the envelope with the declared data.
func userResponses(r *Route) doc {
	shape := replyShapes[r.Path]
	if shape == nil {
		return replies()
	}
	data := ref("schemas", shape.message)
	if r.Protobuf {
		encoded := doc{"type": "string", "contentEncoding": "base64",
			"description": "the same in protobuf, if the request's body was protobuf"}
		data = doc{"anyOf": []any{data, encoded, doc{"type": "null"}}}
	}
	rules := []any{}
	for _, k := range replyRules[r.Upstream()] {
		rules = append(rules, doc{"entry": k.Entry, "kept-if": k.words()})
	}
	reply := envelopeOf(data)
	if len(rules) > 0 {
		reply["x-entries"] = rules
	}
	return doc{"200": reply, "default": ref("responses", "Failure")}
}

// envelopeOf returns the response of OpenIM's envelope with the declared data.
func envelopeOf(data doc) doc {
	schema := doc{"type": "object", "allOf": []any{ref("schemas", "Envelope")}, "properties": doc{"data": data}}
	return doc{
		"description": "OpenIM's envelope, also for errors: see errCode",
		"content":     doc{wire.MediaTypeJSON: doc{"schema": schema}},
	}
}

// ownResponses returns the responses of a route of the gateway's own.
func ownResponses(r *OwnRoute) doc {
	switch r.Path {
	case wire.SocketPath:
		return doc{"101": doc{"description": "the connection is upgraded to a WebSocket"}, "default": ref("responses", "Failure")}
	case wire.WellKnownPath:
		content := doc{wire.MediaTypeJSON: doc{"schema": ref("schemas", r.Reply)}}
		return doc{"200": doc{"description": "the document", "content": content}, "default": ref("responses", "Failure")}
	}
	return doc{"200": envelopeOf(ref("schemas", r.Reply)), "default": ref("responses", "Failure")}
}

// replySchemas returns the schemas of all messages in replies.
func replySchemas() doc {
	messages, _ := parseReplies(repliesText)
	maps.Copy(messages, ownMessages)
	schemas := doc{}
	var add func(name string)
	add = func(name string) {
		if schemas[name] != nil {
			return
		}
		properties := doc{}
		schemas[name] = doc{"type": "object", "properties": properties}
		for _, line := range messages[name] {
			parts := strings.Fields(line)
			plain := strings.TrimRight(parts[0], "[]{}")
			value := scalarSchema(parts[1])
			if strings.Contains(parts[1], ".") {
				add(parts[1])
				value = ref("schemas", parts[1])
			}
			switch parts[0][len(plain):] {
			case "[]":
				value = doc{"type": []any{"array", "null"}, "items": value}
			case "{}":
				value = doc{"type": []any{"object", "null"}, "additionalProperties": value}
			}
			properties[plain] = value
		}
	}
	for _, path := range slices.Sorted(maps.Keys(replyShapes)) {
		add(replyShapes[path].message)
	}
	for name := range ownMessages {
		add(name)
	}
	return schemas
}

func scalarSchema(scalar string) doc {
	switch scalar {
	case "text":
		return doc{"type": "string"}
	case "time":
		return doc{"type": "string", "format": "date-time"}
	case "bytes":
		return doc{"type": []any{"string", "null"}, "contentEncoding": "base64"}
	case "bool":
		return doc{"type": "boolean"}
	}
	out := doc{"type": "integer", "format": scalar}
	if strings.HasPrefix(scalar, "uint") {
		out["minimum"] = 0
	}
	return out
}
