package exceptions

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// Bounds of a file. A file that reaches them is no longer a list of exceptions.
const (
	maxSize   = 256 << 10
	maxCount  = 1000
	maxReason = 1000
)

// day is the form of a date (full-date of RFC 3339).
const day = "2006-01-02"

// Set holds the exceptions of a file. A nil Set has none.
type Set struct {
	file string
	list []exception
}

// exception is one entry of a file.
type exception struct {
	line                    int
	finding, object, reason string
	// expires is the start of the day, in UTC, from which the exception no longer counts.
	expires time.Time
	expired bool
	// used is set when a finding matched.
	used bool
}

// Read reads a file of exceptions. now decides which of them have expired.
func Read(path string, now time.Time) (*Set, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading exceptions: %w", err)
	}
	content, err := io.ReadAll(io.LimitReader(file, maxSize+1))
	if err := errors.Join(err, file.Close()); err != nil {
		return nil, fmt.Errorf("reading exceptions: %w", err)
	}
	set, err := parse(path, content, now)
	if err != nil {
		return nil, fmt.Errorf("reading exceptions: %w", err)
	}
	return set, nil
}

// Match returns the acceptance of a finding, or nil. Exceptions that have expired match nothing.
func (s *Set) Match(f audit.Finding) *audit.Acceptance {
	if s == nil {
		return nil
	}
	for i := range s.list {
		if e := &s.list[i]; !e.expired && e.finding == f.Kind && e.object == f.Object.Path() {
			e.used = true
			return &audit.Acceptance{Reason: e.reason, Expires: e.expires.Format(day)}
		}
	}
	return nil
}

// Expired returns a text for each exception that has expired.
func (s *Set) Expired() []string {
	return s.texts(func(e exception) string {
		if !e.expired {
			return ""
		}
		return fmt.Sprintf("the exception for %s of %s expired on %s: fix the finding and remove the exception, or renew it after a review",
			e.finding, e.object, e.expires.Format(day))
	})
}

// Unused returns a text for each exception that no finding has matched.
func (s *Set) Unused() []string {
	return s.texts(func(e exception) string {
		if e.used || e.expired {
			return ""
		}
		return fmt.Sprintf("the exception for %s of %s matches no finding: remove it, or it will hide a later one", e.finding, e.object)
	})
}

// texts returns the text for each exception that has one, after the file and line.
func (s *Set) texts(of func(exception) string) []string {
	if s == nil {
		return nil
	}
	var all []string
	for _, e := range s.list {
		if text := of(e); text != "" {
			all = append(all, fmt.Sprintf("%s:%d: %s", s.file, e.line, text))
		}
	}
	return all
}
