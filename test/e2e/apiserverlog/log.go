package apiserverlog

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// Write is a mutating request to the API server (audit.k8s.io/v1 Event).
type Write struct {
	Stage string `json:"stage"`
	Verb  string `json:"verb"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	UserAgent string `json:"userAgent"`
	Object    struct {
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		APIGroup    string `json:"apiGroup"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	Received string `json:"requestReceivedTimestamp"`
}

func (w Write) String() string {
	resource := w.Object.Resource
	if w.Object.APIGroup != "" {
		resource += "." + w.Object.APIGroup
	}
	if w.Object.Subresource != "" {
		resource += "/" + w.Object.Subresource
	}
	return fmt.Sprintf("%s %s %s %s/%s by %s: %d", w.Received, w.Verb, resource, w.Object.Namespace, w.Object.Name, w.User.Username, w.Response.Code)
}

// maxLine bounds one event, in bytes.
const maxLine = 4 << 20

var (
	writes = []string{"create", "update", "patch", "delete", "deletecollection"}
	// complete is the stage of the last event of a request, so that each request is counted once.
	complete = []string{"ResponseComplete", "Panic"}
)

// Mark is a position in the log.
type Mark struct {
	path string
	info os.FileInfo
}

// Now returns the current end of the log.
func Now(path string) (Mark, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Mark{}, fmt.Errorf("the audit log: %w", err)
	}
	return Mark{path: path, info: info}, nil
}

// Since returns the writes that were logged after the mark. A log that was rotated in between is an error, since writes would be missing.
func (m Mark) Since() ([]Write, error) {
	file, err := os.Open(m.path)
	if err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	if !os.SameFile(m.info, info) || info.Size() < m.info.Size() {
		return nil, fmt.Errorf("the audit log %s was rotated in the meantime: count again", m.path)
	}
	if _, err := file.Seek(m.info.Size(), io.SeekStart); err != nil {
		return nil, fmt.Errorf("the audit log: %w", err)
	}
	return parse(file)
}

func parse(r io.Reader) ([]Write, error) {
	var found []Write
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for lines.Scan() {
		if strings.TrimSpace(lines.Text()) == "" {
			continue
		}
		var w Write
		if err := json.Unmarshal(lines.Bytes(), &w); err != nil {
			return nil, fmt.Errorf("the audit log holds a line that is no event: %w: %.120q", err, lines.Text())
		}
		if slices.Contains(writes, w.Verb) && slices.Contains(complete, w.Stage) {
			found = append(found, w)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading the audit log: %w", err)
	}
	return found, nil
}

// By keeps the writes of a user.
func By(username string) func(Write) bool {
	return func(w Write) bool { return w.User.Username == username }
}

// In keeps the writes in a namespace.
func In(namespace string) func(Write) bool {
	return func(w Write) bool { return w.Object.Namespace == namespace }
}

// Select returns the writes that every check keeps.
func Select(all []Write, checks ...func(Write) bool) []Write {
	return slices.DeleteFunc(slices.Clone(all), func(w Write) bool {
		return slices.ContainsFunc(checks, func(keep func(Write) bool) bool { return !keep(w) })
	})
}
