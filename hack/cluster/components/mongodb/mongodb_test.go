package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// ferretProgram finds the FerretDB that the component builder left in the cache, or the one that FERRETDB names.
func ferretProgram(t *testing.T) string {
	t.Helper()
	if program := os.Getenv("FERRETDB"); program != "" {
		return program
	}
	cache := os.Getenv("OPENIM_OPERATOR_CACHE")
	if cache == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			t.Skipf("no cache folder: %v", err)
		}
		cache = filepath.Join(base, "openim-operator")
	}
	built, _ := filepath.Glob(filepath.Join(cache, "bin", "ferretdb-v*", "ferretdb"))
	if len(built) == 0 {
		t.Skip("FerretDB is not built: run `go run ./hack/images build --only infra-mongodb` once, or name a program by FERRETDB")
	}
	return built[len(built)-1]
}

// standIn is a running stand-in: the program as its users run it.
type standIn struct {
	addr string
	dir  string
	stop func() error // ends it and gives what run returned
	done chan error
	log  *lines
}

// lines collects output and lets a test wait for a line.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var listening = regexp.MustCompile(`listening on (\S+),`)

func start(t *testing.T, dir string) *standIn {
	t.Helper()
	program := ferretProgram(t)
	ctx, cancel := context.WithCancel(context.Background())
	s := &standIn{dir: dir, done: make(chan error, 1), log: &lines{more: make(chan struct{}, 1)}}
	go func() {
		s.done <- run(ctx, []string{"--listen=127.0.0.1:0", "--ferretdb=" + program, "--data-dir=" + dir}, s.log)
	}()
	s.stop = sync.OnceValue(func() error {
		cancel()
		return <-s.done
	})
	t.Cleanup(func() {
		if err := s.stop(); err != nil {
			t.Errorf("the stand-in ended with: %v", err)
		}
		if strings.Contains(s.log.String(), "panic") {
			t.Errorf("something panicked:\n%s", s.log)
		}
	})
	for {
		if m := listening.FindStringSubmatch(s.log.String()); m != nil {
			s.addr = m[1]
			return s
		}
		select {
		case err := <-s.done:
			s.done <- err
			t.Fatalf("the stand-in did not start: %v\n%s", err, s.log)
		case <-s.log.more:
		}
	}
}

// collection is a fresh one, with the official driver.
func (s *standIn) collection(t *testing.T) *mongo.Collection {
	t.Helper()
	client, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.addr + "/?directConnection=true").SetMaxPoolSize(20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Disconnect(context.Background()) })
	name := regexp.MustCompile(`\W`).ReplaceAllString(t.Name(), "_")
	return client.Database("openim_v3").Collection(name[max(0, len(name)-60):])
}

func must[T any](t *testing.T) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "m") // short: a socket is in it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

type d = bson.D

func TestTheProgram(t *testing.T) {
	s := start(t, folder(t))
	for name, test := range map[string]func(*testing.T, *mongo.Collection){
		"findAndModify numbers messages without a gap or a repeat": numbering,
		"findAndModify shows the fields that are asked for":        fields,
		"findAndModify by a pipeline loses no change":              versionLog,
		"findAndModify by a pipeline keeps to the rules":           pipelineRules,
		"aggregate yields long results in batches":                 batches,
		"aggregate finds with and without the help of a filter":    filtered,
		"counting":                               counting,
		"find compares by expressions":           findExpr,
		"createIndexes may be repeated":          repeatedIndexes,
		"createIndexes refuses what contradicts": contradictingIndexes,
		"unknown commands are refused by name, and nobody dies of them": refusals,
		"a write that nobody waits for is carried out":                  unacknowledged,
		"documents near the limit pass":                                 largeDocuments,
	} {
		t.Run(name, func(t *testing.T) { test(t, s.collection(t)) })
	}
}

func numbering(t *testing.T, coll *mongo.Collection) {
	const clients, each = 8, 25
	seen := make(chan int64, clients*each)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for range each {
				var doc struct {
					ID     any   `bson:"_id"`
					MaxSeq int64 `bson:"max_seq"`
					MinSeq *int  `bson:"min_seq"`
				}
				err := coll.FindOneAndUpdate(
					t.Context(),
					d{{Key: "conversation_id", Value: "si_a_b"}},
					d{{Key: "$inc", Value: d{{Key: "max_seq", Value: int64(2)}}}, {Key: "$set", Value: d{{Key: "min_seq", Value: int64(0)}}}},
					options.FindOneAndUpdate().
						SetUpsert(true).
						SetReturnDocument(options.After).
						SetProjection(d{{Key: "_id", Value: 0}, {Key: "max_seq", Value: 1}}),
				).Decode(&doc)
				if err != nil || doc.ID != nil || doc.MinSeq != nil {
					t.Errorf("document = %+v, %v; want max_seq alone", doc, err)
				}
				seen <- doc.MaxSeq
			}
		})
	}
	all.Wait()
	close(seen)
	numbers := map[int64]bool{}
	for n := range seen {
		numbers[n] = true
	}
	for n := int64(2); n <= clients*each*2; n += 2 {
		if !numbers[n] {
			t.Fatalf("%d was given to nobody: two got the same number", n)
		}
	}
}

func fields(t *testing.T, coll *mongo.Collection) {
	must[*mongo.InsertOneResult](
		t,
	)(
		coll.InsertOne(
			t.Context(),
			d{{Key: "_id", Value: 1}, {Key: "a", Value: 1}, {Key: "b", Value: d{{Key: "c", Value: 2}, {Key: "e", Value: 3}}}},
		),
	)
	var before d
	err := coll.FindOneAndUpdate(t.Context(), d{{Key: "a", Value: 1}}, d{{Key: "$set", Value: d{{Key: "a", Value: 5}}}},
		options.FindOneAndUpdate().SetProjection(d{{Key: "b.c", Value: 1}, {Key: "a", Value: 1}})).Decode(&before)
	if want := `{"_id":{"$numberInt":"1"},"a":{"$numberInt":"1"},"b":{"c":{"$numberInt":"2"}}}`; err != nil || fmt.Sprint(before) != want {
		t.Errorf("before = %v, %v; want %s", before, err, want)
	}
	var removed d
	err = coll.FindOneAndDelete(t.Context(), d{{Key: "a", Value: 5}}, options.FindOneAndDelete().SetProjection(d{{Key: "b", Value: 0}})).
		Decode(&removed)
	if want := `{"_id":{"$numberInt":"1"},"a":{"$numberInt":"5"}}`; err != nil || fmt.Sprint(removed) != want {
		t.Errorf("removed = %v, %v; want %s", removed, err, want)
	}
	err = coll.FindOneAndDelete(t.Context(), d{}, options.FindOneAndDelete().SetProjection(d{{Key: "b", Value: 0}})).Err()
	if err != mongo.ErrNoDocuments {
		t.Errorf("nothing left: %v, want ErrNoDocuments", err)
	}
}

// change is the update by which OpenIM keeps its logs of changes.
func change(eID string) bson.A {
	return bson.A{
		d{{Key: "$addFields", Value: d{{Key: "delete_e_ids", Value: bson.A{eID}}}}},
		d{{Key: "$set", Value: d{{Key: "version", Value: d{{Key: "$add", Value: bson.A{"$version", 1}}}}}}},
		d{{Key: "$set", Value: d{{Key: "logs", Value: d{{Key: "$filter", Value: d{
			{Key: "input", Value: "$logs"}, {Key: "as", Value: "log"},
			{Key: "cond", Value: d{{Key: "$not", Value: d{{Key: "$in", Value: bson.A{"$$log.e_id", "$delete_e_ids"}}}}}},
		}}}}}}},
		d{
			{
				Key: "$set",
				Value: d{
					{
						Key:   "logs",
						Value: d{{Key: "$concatArrays", Value: bson.A{"$logs", bson.A{d{{Key: "e_id", Value: eID}, {Key: "version", Value: "$version"}}}}}},
					},
				},
			},
		},
		d{{Key: "$unset", Value: "delete_e_ids"}},
	}
}

func versionLog(t *testing.T, coll *mongo.Collection) {
	must[*mongo.InsertOneResult](
		t,
	)(
		coll.InsertOne(t.Context(), d{{Key: "d_id", Value: "alice"}, {Key: "version", Value: 0}, {Key: "logs", Value: bson.A{}}}),
	)
	const clients, each = 6, 10
	var all sync.WaitGroup
	for c := range clients {
		all.Go(func() {
			for i := range each {
				var after struct {
					Version int   `bson:"version"`
					Logs    []any `bson:"logs"`
				}
				err := coll.FindOneAndUpdate(t.Context(), d{{Key: "d_id", Value: "alice"}}, change(fmt.Sprintf("%d-%d", c, i)),
					options.FindOneAndUpdate().SetReturnDocument(options.After).SetProjection(d{{Key: "logs", Value: 0}})).Decode(&after)
				if err != nil || after.Version == 0 || after.Logs != nil {
					t.Errorf("after = %+v, %v", after, err)
				}
			}
		})
	}
	all.Wait()
	var doc struct {
		Version int `bson:"version"`
		Extra   any `bson:"delete_e_ids"`
		Logs    []struct {
			Version int `bson:"version"`
		} `bson:"logs"`
	}
	if err := coll.FindOne(t.Context(), d{{Key: "d_id", Value: "alice"}}).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	if doc.Version != clients*each || len(doc.Logs) != clients*each || doc.Extra != nil {
		t.Errorf("version %d with %d entries, want %d of each and no helper field", doc.Version, len(doc.Logs), clients*each)
	}
	for i, log := range doc.Logs {
		if log.Version != i+1 {
			t.Fatalf("entry %d has version %d: a change was lost", i, log.Version)
		}
	}
}

func pipelineRules(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	must[string](
		t,
	)(
		coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: "name", Value: 1}}, Options: options.Index().SetUnique(true)}),
	)
	must[*mongo.InsertManyResult](
		t,
	)(
		coll.InsertMany(ctx, []any{d{{Key: "_id", Value: 1}, {Key: "name", Value: "a"}}, d{{Key: "_id", Value: 2}, {Key: "name", Value: "b"}}}),
	)
	set := func(name string, v any) bson.A { return bson.A{d{{Key: "$set", Value: d{{Key: name, Value: v}}}}} }

	var doc d
	err := coll.FindOneAndUpdate(ctx, d{}, set("n", 1), options.FindOneAndUpdate().SetSort(d{{Key: "name", Value: -1}})).Decode(&doc)
	if want := `{"_id":{"$numberInt":"2"},"name":"b"}`; err != nil || fmt.Sprint(doc) != want {
		t.Errorf("the document before, by sort: %v, %v; want %s", doc, err, want)
	}
	err = coll.FindOneAndUpdate(ctx, d{{Key: "_id", Value: 1}}, bson.A{d{{Key: "$project", Value: d{{Key: "_id", Value: 0}, {Key: "name",
		Value: 1}}}}},
		options.FindOneAndUpdate().SetReturnDocument(options.After)).
		Decode(&doc)
	if want := `{"_id":{"$numberInt":"1"},"name":"a"}`; err != nil || fmt.Sprint(doc) != want {
		t.Errorf("a projection keeps _id: %v, %v; want %s", doc, err, want)
	}
	if err := coll.FindOneAndUpdate(ctx, d{{Key: "_id", Value: 9}}, set("n", 1)).Err(); err != mongo.ErrNoDocuments {
		t.Errorf("no document: %v, want ErrNoDocuments", err)
	}
	expectCode(t, 66, coll.FindOneAndUpdate(ctx, d{{Key: "_id", Value: 1}}, set("_id", 7)).Err())
	if err := coll.FindOneAndUpdate(ctx, d{{Key: "_id", Value: 1}}, set("name", "b")).Err(); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("a name that is taken: %v, want a duplicate key error", err)
	}
	expectCode(t, 115, coll.FindOneAndUpdate(ctx, d{}, set("n", 1), options.FindOneAndUpdate().SetUpsert(true)).Err())
	expectCode(t, 168, coll.FindOneAndUpdate(ctx, d{}, set("n", d{{Key: "$nonsense", Value: 1}})).Err())
}

func expectCode(t *testing.T, code int, err error) {
	t.Helper()
	if server, ok := err.(mongo.ServerError); !ok || !server.HasErrorCode(code) {
		t.Errorf("error = %v, want code %d", err, code)
	}
}

func batches(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	filler := strings.Repeat("x", 200_000)
	var docs []any
	for i := range 110 { // 22 MB: more than one batch of FerretDB, and more than one reply of ours
		docs = append(docs, d{{Key: "_id", Value: int32(i)}, {Key: "filler", Value: filler}})
	}
	for len(docs) > 0 {
		n := min(50, len(docs))
		must[*mongo.InsertManyResult](t)(coll.InsertMany(ctx, docs[:n]))
		docs = docs[n:]
	}
	for name, opts := range map[string]*options.AggregateOptionsBuilder{
		"by itself": options.Aggregate(), "seven at a time": options.Aggregate().SetBatchSize(7),
		"more than there are": options.Aggregate().SetBatchSize(1000),
	} {
		cursor := must[*mongo.Cursor](t)(coll.Aggregate(ctx, bson.A{d{{Key: "$sort", Value: d{{Key: "_id", Value: -1}}}}}, opts))
		var got []d
		if err := cursor.All(ctx, &got); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(got) != 110 || got[0][0].Value != int32(109) || got[109][0].Value != int32(0) {
			t.Errorf("%s: %d documents, want 110 in descending order", name, len(got))
		}
	}
	cursor := must[*mongo.Cursor](t)(coll.Aggregate(ctx, bson.A{}, options.Aggregate().SetBatchSize(2)))
	id := cursor.ID()
	if err := cursor.Close(ctx); err != nil || id == 0 {
		t.Fatalf("closing cursor %d: %v", id, err)
	}
	expectCode(t, 43, coll.Database().RunCommand(ctx, d{{Key: "getMore", Value: id}, {Key: "collection", Value: coll.Name()}}).Err())
	limited := must[*mongo.Cursor](t)(coll.Aggregate(ctx, bson.A{d{{Key: "$limit", Value: 3}}}))
	var three []d
	if err := limited.All(ctx, &three); err != nil || len(three) != 3 {
		t.Errorf("$limit 3: %d documents, %v", len(three), err)
	}
}

func filtered(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	must[*mongo.InsertManyResult](t)(coll.InsertMany(ctx, []any{
		d{{Key: "doc_id", Value: "si_a_b:0"}, {Key: "n", Value: 1}, {Key: "tags", Value: bson.A{"x", "y"}}, {Key: "on", Value: true}},
		d{{Key: "doc_id", Value: "sg_1:0"}, {Key: "n", Value: int64(2)}, {Key: "tags", Value: "x"}, {Key: "on", Value: false}},
		d{{Key: "doc_id", Value: "SI_c_d:0"}, {Key: "n", Value: 2.5}},
	}))
	for _, c := range []struct {
		match d
		want  int
	}{
		{d{}, 3},
		{d{{Key: "doc_id", Value: "sg_1:0"}}, 1},
		{d{{Key: "doc_id", Value: bson.Regex{Pattern: "^si_", Options: "i"}}}, 2},
		{d{{Key: "doc_id", Value: d{{Key: "$regex", Value: "^si_"}}}}, 1},
		{d{{Key: "doc_id", Value: d{{Key: "$in", Value: bson.A{"sg_1:0", "si_a_b:0"}}}}, {Key: "n", Value: d{{Key: "$gt", Value: 1}}}}, 1},
		{d{{Key: "tags", Value: "x"}}, 2},
		{d{{Key: "on", Value: true}}, 1},
		{d{{Key: "$and", Value: bson.A{d{{Key: "doc_id", Value: d{{Key: "$gte", Value: "s"}}}}, d{{Key: "n", Value: d{{Key: "$lt",
			Value: 2}}}}}}}, 1},
		{d{{Key: "$or", Value: bson.A{d{{Key: "n", Value: 2}}, d{{Key: "n", Value: 2.5}}}}}, 2},
		{d{{Key: "tags", Value: nil}}, 1},
	} {
		for _, before := range []bson.A{{}, {d{{Key: "$sort", Value: d{{Key: "doc_id", Value: 1}}}}}, {d{{Key: "$skip", Value: 0}}}} {
			var got []d
			cursor := must[*mongo.Cursor](t)(coll.Aggregate(ctx, append(before, d{{Key: "$match", Value: c.match}})))
			if err := cursor.All(ctx, &got); err != nil || len(got) != c.want {
				t.Errorf("%v after %v: %d documents (%v), want %d", c.match, before, len(got), err, c.want)
			}
		}
	}
}

func counting(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	if n, err := coll.CountDocuments(ctx, d{}); n != 0 || err != nil {
		t.Errorf("no collection: %d, %v", n, err)
	}
	for i := range 250 { // more than FerretDB's first batch
		must[*mongo.InsertOneResult](t)(coll.InsertOne(ctx, d{{Key: "i", Value: i}}))
	}
	if n, err := coll.CountDocuments(ctx, d{{Key: "i", Value: d{{Key: "$lt", Value: 120}}}}); n != 120 || err != nil {
		t.Errorf("CountDocuments = %d, %v; want 120", n, err)
	}
	if n, err := coll.CountDocuments(ctx, d{}, options.Count().SetSkip(10).SetLimit(5)); n != 5 || err != nil {
		t.Errorf("CountDocuments with limit = %d, %v; want 5", n, err)
	}
	if n, err := coll.EstimatedDocumentCount(ctx); n != 250 || err != nil {
		t.Errorf("EstimatedDocumentCount = %d, %v; want 250", n, err)
	}
}

func findExpr(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	for i := range 10 {
		must[*mongo.InsertOneResult](t)(coll.InsertOne(ctx, d{{Key: "_id", Value: i}, {Key: "a", Value: i}, {Key: "b", Value: 5}}))
	}
	filter := d{{Key: "$expr", Value: d{{Key: "$gt", Value: bson.A{"$a", "$b"}}}}}
	cursor := must[*mongo.Cursor](
		t,
	)(
		coll.Find(
			ctx,
			filter,
			options.Find().SetSort(d{{Key: "a", Value: -1}}).SetSkip(1).SetLimit(2).SetProjection(d{{Key: "b", Value: 0}}).SetBatchSize(1),
		),
	)
	var got []d
	if err := cursor.All(
		ctx,
		&got,
	); err != nil ||
		fmt.Sprint(got) != `[{"_id":{"$numberInt":"8"},"a":{"$numberInt":"8"}} {"_id":{"$numberInt":"7"},"a":{"$numberInt":"7"}}]` {
		t.Errorf("found %v, %v", got, err)
	}
	var one d
	if err := coll.FindOne(ctx, filter).Decode(&one); err != nil || one[0].Value != int32(6) {
		t.Errorf("FindOne = %v, %v; want the first, 6", one, err)
	}
}

func repeatedIndexes(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	models := []mongo.IndexModel{
		{Keys: d{{Key: "user_id", Value: 1}}}, {Keys: d{{Key: "create_time", Value: -1}}},
		{Keys: d{{Key: "a", Value: 1}, {Key: "b", Value: -1}}, Options: options.Index().SetUnique(true)},
	}
	for range 3 {
		names := must[[]string](t)(coll.Indexes().CreateMany(ctx, models))
		if len(names) != 3 {
			t.Errorf("names = %v, want 3", names)
		}
	}
	must[[]string](t)(coll.Indexes().CreateMany(ctx, append(models[1:], mongo.IndexModel{Keys: d{{Key: "new", Value: 1}}})))
	if specs := must[[]mongo.IndexSpecification](t)(coll.Indexes().ListSpecifications(ctx)); len(specs) != 5 {
		t.Errorf("%d indexes, want those 4 and _id's", len(specs))
	}
	must[*mongo.InsertOneResult](t)(coll.InsertOne(ctx, d{{Key: "a", Value: 1}, {Key: "b", Value: 1}}))
	if _, err := coll.InsertOne(ctx, d{{Key: "a", Value: 1}, {Key: "b", Value: 1}}); !mongo.IsDuplicateKeyError(err) {
		t.Errorf("the unique index still holds: %v", err)
	}
}

func contradictingIndexes(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	must[string](t)(coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: "a", Value: 1}}, Options: options.Index().SetName("first")}))
	_, err := coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: "a", Value: 1}}, Options: options.Index().SetName("second")})
	expectCode(t, 85, err)
	_, err = coll.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: "b", Value: 1}}, Options: options.Index().SetName("first")})
	expectCode(t, 86, err)
	_, err = coll.Indexes().
		CreateOne(ctx, mongo.IndexModel{Keys: d{{Key: "a", Value: 1}}, Options: options.Index().SetName("first").SetUnique(true)})
	expectCode(t, 86, err)
}

func refusals(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	db := coll.Database()
	for _, cmd := range []d{{{Key: "debugError", Value: "panic"}}, {{Key: "mapReduce", Value: "c"}}, {{Key: "createUser", Value: "x"}},
		{{Key: "eval", Value: "1"}}} {
		expectCode(t, 59, db.RunCommand(ctx, cmd).Err())
	}
	expectCode(
		t,
		73,
		db.RunCommand(ctx, d{{Key: "aggregate", Value: 1}, {Key: "pipeline", Value: bson.A{}}, {Key: "cursor", Value: d{}}}).Err(),
	)
	_, err := coll.Aggregate(ctx, bson.A{}, options.Aggregate().SetLet(d{{Key: "x", Value: 1}}))
	expectCode(t, 115, err)
	_, err = coll.Aggregate(ctx, bson.A{d{{Key: "$lookup", Value: d{}}}})
	expectCode(t, 40324, err)
	if err := db.RunCommand(ctx, d{{Key: "ping", Value: 1}}).Err(); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func unacknowledged(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	for i := range 20 {
		careless := coll.Clone(options.Collection().SetWriteConcern(writeconcern.Unacknowledged()))
		if got := must[*mongo.InsertOneResult](t)(careless.InsertOne(ctx, d{{Key: "_id", Value: i}})); got.Acknowledged {
			t.Fatal("the write was acknowledged: the test does not test what it says")
		}
	}
	deadline := time.Now().Add(20 * time.Second)
	for {
		n := must[int64](t)(coll.CountDocuments(ctx, d{}))
		if n == 20 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of 20 documents arrived", n)
		}
	}
}

func largeDocuments(t *testing.T, coll *mongo.Collection) {
	ctx := t.Context()
	large := strings.Repeat("x", 12<<20)
	must[*mongo.InsertOneResult](t)(coll.InsertOne(ctx, d{{Key: "_id", Value: 1}, {Key: "large", Value: large}}))
	cursor := must[*mongo.Cursor](t)(coll.Aggregate(ctx, bson.A{d{{Key: "$match", Value: d{{Key: "_id", Value: 1}}}}}))
	var got []struct{ Large string }
	if err := cursor.All(ctx, &got); err != nil || len(got) != 1 || got[0].Large != large {
		t.Fatalf("12 MB through aggregate: %d documents, %v", len(got), err)
	}
	_, err := coll.Aggregate(ctx, bson.A{d{{Key: "$project", Value: d{{Key: "a", Value: "$large"}, {Key: "b", Value: "$large"}}}}})
	expectCode(t, 10334, err)
}

func TestDataOutlivesARestart(t *testing.T) {
	dir := folder(t)
	first := start(t, dir)
	must[*mongo.InsertOneResult](t)(first.collection(t).InsertOne(t.Context(), d{{Key: "_id", Value: "kept"}}))
	if err := first.stop(); err != nil {
		t.Fatal(err)
	}
	second := start(t, dir)
	if n, err := second.collection(t).CountDocuments(t.Context(), d{{Key: "_id", Value: "kept"}}); n != 1 || err != nil {
		t.Errorf("after the restart: %d documents, %v", n, err)
	}
}

func TestItEndsWhenFerretDBEnds(t *testing.T) {
	s := start(t, folder(t))
	must[*mongo.InsertOneResult](t)(s.collection(t).InsertOne(t.Context(), d{}))
	child := childOf(t, s.dir)
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.done:
		s.done <- nil // the end was wanted
		if err == nil || !strings.Contains(err.Error(), "FerretDB ended") {
			t.Errorf("error = %v, want that FerretDB ended", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("FerretDB is dead and the proxy still runs")
	}
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		_ = conn.Close()
		t.Error("the port is still open")
	}
}

// childOf finds the process whose command line names the data folder.
func childOf(t *testing.T, dir string) int {
	t.Helper()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err == nil && bytes.Contains(content, []byte("--state-dir="+dir+"\x00")) {
			var pid int
			_, _ = fmt.Sscanf(file, "/proc/%d/", &pid)
			return pid
		}
	}
	t.Fatal("FerretDB is not among the processes")
	return 0
}

func TestBadCommandLinesSayWhatToDo(t *testing.T) {
	dir := folder(t)
	notAProgram := filepath.Join(dir, "ends")
	if err := os.WriteFile(notAProgram, []byte("#!/bin/sh\necho no >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		want string
	}{
		{"no program", []string{"--ferretdb=/nowhere/ferretdb", "--data-dir=" + dir}, "--ferretdb"},
		{"a program that ends at once", []string{"--ferretdb=" + notAProgram, "--data-dir=" + dir}, "ended before it was ready"},
		{"a folder that cannot be made", []string{"--data-dir=/dev/null/x"}, "--data-dir"},
		{"a path too long for a socket", []string{"--data-dir=/" + strings.Repeat("d", 120)}, "shorter --data-dir"},
		{"stray argument", []string{"start"}, "flags only"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := run(t.Context(), c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error = %v, want it to contain %q", err, c.want)
			}
		})
	}
}
