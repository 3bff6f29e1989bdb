package fault

import "fmt"

// Codes of MongoDB's error list ("Error Codes" in its manual) that the proxy answers.
const (
	BadValue              = 2
	FailedToParse         = 9
	TypeMismatch          = 14
	CommandNotFound       = 59
	ImmutableField        = 66
	InvalidOptions        = 72
	InvalidNamespace      = 73
	IndexOptionsConflict  = 85
	IndexKeySpecsConflict = 86
	CommandNotSupported   = 115
	ExceededMemoryLimit   = 146
	UnknownOperator       = 168 // InvalidPipelineOperator
	ObjectTooLarge        = 10334
	CursorNotFound        = 43
	DuplicateKey          = 11000
	InternalError         = 1
)

var names = map[int32]string{
	BadValue: "BadValue", FailedToParse: "FailedToParse", TypeMismatch: "TypeMismatch",
	CommandNotFound: "CommandNotFound", ImmutableField: "ImmutableField",
	InvalidOptions: "InvalidOptions", InvalidNamespace: "InvalidNamespace", IndexOptionsConflict: "IndexOptionsConflict",
	IndexKeySpecsConflict: "IndexKeySpecsConflict", CommandNotSupported: "CommandNotSupported",
	ExceededMemoryLimit: "ExceededMemoryLimit", UnknownOperator: "InvalidPipelineOperator",
	ObjectTooLarge: "BSONObjectTooLarge", CursorNotFound: "CursorNotFound", DuplicateKey: "DuplicateKey", InternalError: "InternalError",
}

// Error is an answer with ok: 0.
type Error struct {
	Code    int32
	Name    string // codeName
	Message string // errmsg
}

func (e *Error) Error() string { return e.Message }

// New returns an error with one of the codes above, or with a number that MongoDB uses for a single line of its code ("Location" and the
// number).
func New(code int32, format string, args ...any) error {
	name, ok := names[code]
	if !ok {
		name = fmt.Sprintf("Location%d", code)
	}
	return &Error{Code: code, Name: name, Message: fmt.Sprintf(format, args...)}
}
