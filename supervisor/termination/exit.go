package termination

import (
	"fmt"
	"slices"
	"time"
)

// ExitReason is the reason for which the supervisor ended.
type ExitReason string

// Reasons of an Exit.
const (
	// EtcdReset: etcd lost its data or was away for long, so the process must build its watches anew.
	EtcdReset ExitReason = "EtcdReset"
	// Stuck: a port of the process did not answer while the process lived.
	Stuck ExitReason = "Stuck"
	// StartTimeout: the process did not become ready in time.
	StartTimeout ExitReason = "StartTimeout"
	// ChildExited: the process ended by itself.
	ChildExited ExitReason = "ChildExited"
)

var exitReasons = []ExitReason{EtcdReset, Stuck, StartTimeout, ChildExited}

// Exit describes the end of a supervised process.
type Exit struct {
	// V is the version of the format. Encode sets it.
	V      int        `json:"v"`
	Reason ExitReason `json:"reason"`
	// Exit is the exit code of the process: 0 to 255.
	Exit int `json:"exit"`
	// Unreachable are the stores of the process to which no TCP connection could be opened.
	Unreachable []StoreName `json:"unreachable,omitempty"`
	// Since is the time at which the condition that Reason names began.
	Since time.Time `json:"since"`
}

// Encode returns the termination message. It fails when a reason, store or exit code is not one of the format.
func (e Exit) Encode() ([]byte, error) {
	e.V, e.Since = version, e.Since.UTC().Truncate(time.Second)
	if err := e.validate(); err != nil {
		return nil, fmt.Errorf("encoding the termination message: %w", err)
	}
	return encode(e)
}

// DecodeExit returns the Exit of a termination message.
func DecodeExit(message string) (Exit, error) {
	var e Exit
	if err := decode(message, &e); err != nil {
		return Exit{}, err
	}
	if err := e.validate(); err != nil {
		return Exit{}, fmt.Errorf("decoding the termination message: %w", err)
	}
	return e, nil
}

func (e Exit) validate() error {
	if e.V != version {
		return fmt.Errorf("unknown version %d", e.V)
	}
	if !slices.Contains(exitReasons, e.Reason) {
		return fmt.Errorf("unknown reason %q", clean(string(e.Reason), maxName))
	}
	if e.Exit < 0 || e.Exit > 255 {
		return fmt.Errorf("exit code %d is not between 0 and 255", e.Exit)
	}
	if year := e.Since.UTC().Year(); year < 0 || year > 9999 {
		return fmt.Errorf("the year of since is not between 0 and 9999")
	}
	return validStores(e.Unreachable)
}
