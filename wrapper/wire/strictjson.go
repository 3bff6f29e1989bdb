package wire

import (
	"errors"
	"fmt"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
)

// DecodeObject reads one JSON object strictly: valid UTF-8, nothing after it, and no member named twice at any
// depth. Two readers that pick different ones of two equal members can be made to disagree about who is meant,
// so such a document is refused rather than interpreted. Whole numbers arrive as int64, others as float64.
func DecodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("the JSON is not valid UTF-8: encode it as UTF-8")
	}
	var object map[string]any
	strict, err := kjson.UnmarshalStrict(data, &object, kjson.DisallowDuplicateFields)
	if err != nil {
		// The decoder's own message can repeat parts of the input, which may be secret.
		return nil, errors.New("the text is not one JSON object: send exactly one, and nothing after it")
	}
	if len(strict) > 0 {
		return nil, fmt.Errorf("the JSON names a member twice: name each once")
	}
	if object == nil {
		return nil, errors.New("the JSON is null: send an object")
	}
	return object, nil
}

// DecodeStrict reads one JSON object into a struct: as DecodeObject, and a member that the struct does not have, or that
// is spelled in another case, is refused too.
func DecodeStrict(data []byte, into any) error {
	if _, err := DecodeObject(data); err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(data, into, kjson.DisallowUnknownFields)
	if err != nil {
		return errors.New("a member has another type than this route takes: see docs/routes.md")
	}
	if len(strict) > 0 {
		return errors.New("a member is not known to this route: see docs/routes.md")
	}
	return nil
}
