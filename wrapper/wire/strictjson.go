package wire

import (
	"errors"
	"unicode/utf8"

	kjson "sigs.k8s.io/json"
)

// DecodeObject decodes one JSON object strictly: valid UTF-8, nothing after the object, and no member twice at any depth.
// The gateway and OpenIM could read different values of a repeated member and so disagree about the user that a call is for.
// Therefore such a document is refused. Whole numbers are decoded as int64, others as float64.
func DecodeObject(data []byte) (map[string]any, error) {
	if !utf8.Valid(data) {
		return nil, errors.New("decoding the JSON: not valid UTF-8: encode it as UTF-8")
	}
	var object map[string]any
	strict, err := kjson.UnmarshalStrict(data, &object, kjson.DisallowDuplicateFields)
	if err != nil {
		// The decoder's own error can repeat parts of the input, which may be secret.
		return nil, errors.New("decoding the JSON: not one JSON object: send exactly one, and nothing after it")
	}
	if len(strict) > 0 {
		return nil, errors.New("decoding the JSON: it names a member twice: name each once")
	}
	if object == nil {
		return nil, errors.New("decoding the JSON: null: send an object")
	}
	return object, nil
}

// DecodeStrict decodes one JSON object into a struct, as strictly as DecodeObject. It also refuses a member that the struct
// lacks, and a member whose name differs in case.
func DecodeStrict(data []byte, into any) error {
	if _, err := DecodeObject(data); err != nil {
		return err
	}
	strict, err := kjson.UnmarshalStrict(data, into, kjson.DisallowUnknownFields)
	if err != nil {
		return errors.New("decoding the JSON: a member has the wrong type: see docs/routes.md")
	}
	if len(strict) > 0 {
		return errors.New("decoding the JSON: this route has no such member: see docs/routes.md")
	}
	return nil
}
