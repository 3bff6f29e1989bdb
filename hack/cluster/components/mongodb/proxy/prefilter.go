package proxy

import (
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// prefilter returns a filter for FerretDB's find that matches at least the documents of the pipeline's leading $match stages. The stages
// filter again, so it need not be exact; it holds only simple conditions on top-level fields.
func prefilter(specs bson.A) bson.D {
	var conditions bson.A
	for _, spec := range specs {
		stage, ok := spec.(bson.D)
		if !ok || len(stage) != 1 {
			break
		}
		match, isMatch := stage[0].Value.(bson.D)
		if stage[0].Key == "$match" && isMatch {
			conditions = appendPlain(conditions, match)
		} else if stage[0].Key != "$sort" { // filtering before sorting is the same as after
			break
		}
	}
	if len(conditions) == 0 {
		return bson.D{}
	}
	return bson.D{{Key: "$and", Value: conditions}}
}

// appendPlain appends the conditions that FerretDB and MongoDB evaluate alike.
func appendPlain(conditions bson.A, match bson.D) bson.A {
	for _, e := range match {
		switch {
		case e.Key == "$and":
			parts, _ := e.Value.(bson.A)
			for _, part := range parts {
				if doc, ok := part.(bson.D); ok {
					conditions = appendPlain(conditions, doc)
				}
			}
		case e.Key == "" || strings.ContainsAny(e.Key, ".$"):
		case plain(e.Value) || plainOperator(e.Value):
			conditions = append(conditions, bson.D{e})
		}
	}
	return conditions
}

func plain(v any) bool {
	switch v.(type) {
	case string, bson.ObjectID, bool:
		return true
	}
	return false
}

// plainOperator accepts {$eq: x}, {$gt: x}, {$in: [x, ...]} and the like for a plain x.
func plainOperator(v any) bool {
	ops, ok := v.(bson.D)
	if !ok || len(ops) != 1 {
		return false
	}
	switch ops[0].Key {
	case "$eq", "$gt", "$gte", "$lt", "$lte":
		return plain(ops[0].Value)
	case "$regex":
		_, ok := ops[0].Value.(string)
		return ok
	case "$in":
		list, ok := ops[0].Value.(bson.A)
		for _, v := range list {
			ok = ok && plain(v)
		}
		return ok
	}
	return false
}
