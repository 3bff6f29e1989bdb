package proxy

import (
	"bytes"
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/value"
)

// find passes through unless its filter compares by an expression, which is evaluated here.
func (s *session) find(ctx context.Context, r request) ([]byte, error) {
	if filter, ok := r.cmd.Body.Lookup("filter").DocumentOK(); !ok || !bytes.Contains(filter, []byte("$expr\x00")) {
		return s.pass(ctx, r)
	}
	body, err := r.body()
	if err != nil {
		return nil, err
	}
	specs := bson.A{}
	for _, part := range []struct{ name, stage string }{
		{"filter", "$match"}, {"sort", "$sort"}, {"skip", "$skip"}, {"limit", "$limit"}, {"projection", "$project"},
	} {
		v := first(body, part.name)
		if doc, isDoc := v.(bson.D); v == nil || isDoc && len(doc) == 0 {
			continue
		}
		if n, ok := value.Int(v); ok && n == 0 { // no limit, nothing to skip
			continue
		}
		specs = append(specs, bson.D{{Key: part.stage, Value: v}})
	}
	if err := unanswered(
		body,
		"find",
		"filter",
		"sort",
		"skip",
		"limit",
		"projection",
		"batchSize",
		"singleBatch",
		"noCursorTimeout",
	); err != nil {
		return nil, err
	}
	if single, _ := first(body, "singleBatch").(bool); single && first(body, "limit") == nil {
		return nil, fault.New(fault.CommandNotSupported, "the stand-in for MongoDB answers singleBatch with $expr only beside a limit")
	}
	return s.runPipeline(ctx, r, specs, first(body, "batchSize"))
}
