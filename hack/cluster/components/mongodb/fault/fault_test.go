package fault

import (
	"errors"
	"testing"
)

func TestCodesHaveMongoDBsNames(t *testing.T) {
	for code, want := range map[int32]string{BadValue: "BadValue", DuplicateKey: "DuplicateKey", UnknownOperator: "InvalidPipelineOperator",
		17276: "Location17276"} {
		var e *Error
		if err := New(code, "no %s", "luck"); !errors.As(err, &e) || e.Code != code || e.Name != want || err.Error() != "no luck" {
			t.Errorf("New(%d) = %+v, want the name %s", code, err, want)
		}
	}
}
