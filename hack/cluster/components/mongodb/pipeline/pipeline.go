package pipeline

import (
	"iter"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/openimstack/openim-operator/hack/cluster/components/mongodb/fault"
)

// Documents is a stream of documents. An error ends it.
type Documents = iter.Seq2[bson.D, error]

// stage transforms one stream into another.
type stage func(Documents) Documents

// Pipeline is a compiled list of stages. It is safe for concurrent use.
type Pipeline struct{ stages []stage }

// MaxHeld is the largest number of documents that $sort, $group or $sample hold. More documents are an error.
const MaxHeld = 200_000

// MaxStages is the largest number of stages of a pipeline, as in MongoDB.
const MaxStages = 1000

// stages is the table of known stages.
var stages = map[string]func(any) (stage, error){
	"$addFields":   compileAddFields,
	"$count":       compileCount,
	"$group":       compileGroup,
	"$limit":       compileLimit,
	"$match":       compileMatch,
	"$project":     compileProject,
	"$replaceRoot": compileReplaceRoot,
	"$replaceWith": compileReplaceWith,
	"$sample":      compileSample,
	"$set":         compileAddFields,
	"$skip":        compileSkip,
	"$sort":        compileSort,
	"$unset":       compileUnset,
	"$unwind":      compileUnwind,
}

// updateStages lists the stages that are allowed in an update.
var updateStages = []string{"$addFields", "$project", "$replaceRoot", "$replaceWith", "$set", "$unset"}

// Compile checks the stages of an aggregate command.
func Compile(specs bson.A) (Pipeline, error) { return compile(specs, nil) }

// CompileUpdate checks the stages of an update, which allows only updateStages.
func CompileUpdate(specs bson.A) (Pipeline, error) { return compile(specs, updateStages) }

func compile(specs bson.A, allowed []string) (Pipeline, error) {
	if len(specs) > MaxStages {
		return Pipeline{}, fault.New(fault.FailedToParse, "Pipeline length must be no longer than %d stages", MaxStages)
	}
	p := Pipeline{stages: make([]stage, len(specs))}
	for i, spec := range specs {
		doc, ok := spec.(bson.D)
		if !ok {
			return Pipeline{}, fault.New(fault.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		}
		if len(doc) != 1 {
			return Pipeline{}, fault.New(40323, "A pipeline stage specification object must contain exactly one field.")
		}
		name := doc[0].Key
		compileStage, known := stages[name]
		if !known {
			return Pipeline{}, fault.New(40324, "Unrecognized pipeline stage name: '%s'", name)
		}
		if allowed != nil && !slices.Contains(allowed, name) {
			return Pipeline{}, fault.New(fault.InvalidOptions, "%s is not allowed to be used within an update", name)
		}
		var err error
		if p.stages[i], err = compileStage(doc[0].Value); err != nil {
			return Pipeline{}, err
		}
	}
	return p, nil
}

// Run runs documents through the stages. Documents are read only as the result is read.
func (p Pipeline) Run(docs Documents) Documents {
	for _, s := range p.stages {
		docs = s(docs)
	}
	return docs
}

// Of returns a stream of the given documents.
func Of(docs ...bson.D) Documents {
	return func(yield func(bson.D, error) bool) {
		for _, doc := range docs {
			if !yield(doc, nil) {
				return
			}
		}
	}
}

// each returns a stage from a function over single documents. A nil document is left out.
func each(f func(bson.D) (bson.D, error)) stage {
	return func(in Documents) Documents {
		return func(yield func(bson.D, error) bool) {
			for doc, err := range in {
				if err == nil {
					doc, err = f(doc)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				if doc != nil && !yield(doc, nil) {
					return
				}
			}
		}
	}
}

// whole returns a stage from a function over all documents.
func whole(name string, f func([]bson.D) ([]bson.D, error)) stage {
	return func(in Documents) Documents {
		return func(yield func(bson.D, error) bool) {
			var held []bson.D
			for doc, err := range in {
				if err == nil && len(held) == MaxHeld {
					err = fault.New(fault.ExceededMemoryLimit, "%s would hold more than %d documents: put a $match before it", name, MaxHeld)
				}
				if err != nil {
					yield(nil, err)
					return
				}
				held = append(held, doc)
			}
			out, err := f(held)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, doc := range out {
				if !yield(doc, nil) {
					return
				}
			}
		}
	}
}
