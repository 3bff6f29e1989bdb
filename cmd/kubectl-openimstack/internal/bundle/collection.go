package bundle

import (
	"archive/tar"
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	// defaultMaxFile and defaultMaxTotal bound one file and all of them, in bytes. What exceeds them is left out and listed.
	defaultMaxFile, defaultMaxTotal = 4 << 20, 64 << 20
	// maxPods is the number of pods whose logs are read.
	maxPods = 200
)

// source is where the content comes from.
type source interface {
	client.Reader
	// Logs opens the log of a container. The caller closes it.
	Logs(ctx context.Context, namespace, pod string, options *corev1.PodLogOptions) (io.ReadCloser, error)
	// ServerVersion returns the version of the API server.
	ServerVersion() (string, error)
}

// collection is what the archive will hold.
type collection struct {
	source            source
	stack             *v1alpha1.OpenIMStack
	operatorNamespace string
	time              time.Time

	// maxFile and maxTotal are the bounds, smaller ones in tests.
	maxFile, maxTotal int
	files             []file
	size              int
	omitted           []omission
}

func newCollection(from source, stack *v1alpha1.OpenIMStack, operatorNamespace string, now time.Time) *collection {
	return &collection{
		source: from, stack: stack, operatorNamespace: operatorNamespace, time: now.UTC(), maxFile: defaultMaxFile, maxTotal: defaultMaxTotal,
	}
}

type file struct {
	name    string
	content []byte
}

// omission is something that was left out, and why.
type omission struct{ what, why string }

func firsts(all []omission) []string {
	var names []string
	for _, o := range all[:min(3, len(all))] {
		names = append(names, o.what)
	}
	if more := len(all) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return names
}

func (c *collection) omit(what, why string) { c.omitted = append(c.omitted, omission{what, why}) }

// omitError lists what could not be read.
func (c *collection) omitError(what string, err error) {
	if _, none := errors.AsType[*apimeta.NoKindMatchError](err); none {
		return // the cluster does not have the kind
	}
	c.omit(what, redact(err.Error()))
}

// add adds a file, with credentials replaced.
func (c *collection) add(name string, content []byte) {
	content = []byte(redact(string(content)))
	switch {
	case len(content) > c.maxFile:
		c.omit(name, fmt.Sprintf("it has %d bytes, and a file may have %d", len(content), c.maxFile))
	case c.size+len(content) > c.maxTotal:
		c.omit(name, fmt.Sprintf("the archive may hold %d bytes", c.maxTotal))
	default:
		c.size += len(content)
		c.files = append(c.files, file{name, content})
	}
}

// write writes the archive. Files are in the order of their names, below a folder of the stack's name.
func (c *collection) write(w io.Writer) error {
	all := append([]file{{"README.txt", c.readme()}}, c.files...)
	slices.SortStableFunc(all, func(a, b file) int { return cmp.Compare(a.name, b.name) })
	zipped := gzip.NewWriter(w)
	archive := tar.NewWriter(zipped)
	for _, f := range all {
		header := &tar.Header{
			Name: c.stack.Name + "/" + f.name, Mode: 0o644, Size: int64(len(f.content)), ModTime: c.time, Format: tar.FormatPAX,
		}
		if err := archive.WriteHeader(header); err != nil {
			return err
		}
		if _, err := archive.Write(f.content); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return zipped.Close()
}

// readme says what the archive holds and what it does not.
func (c *collection) readme() []byte {
	var text bytes.Buffer
	fmt.Fprintf(&text, "OpenIMStack %s/%s, collected %s by kubectl openimstack bundle\n\n", c.stack.Namespace, c.stack.Name,
		c.time.Format(time.RFC3339))
	fmt.Fprint(&text, `No Secret was read. Values of environment variables, arguments, probes and hooks of containers, annotations of others,
managed fields and the data of revisions are left out. Of OpenIM's own logs only the supervisor's lines are kept, because OpenIM prints passwords and messages.
What looked like a credential is replaced by `+replacement+`. Names of users and devices, and addresses, are part of the logs and objects.

Left out:
`)
	if len(c.omitted) == 0 {
		fmt.Fprintln(&text, "  nothing else")
	}
	for _, o := range c.omitted {
		fmt.Fprintf(&text, "  %s: %s\n", o.what, strings.ReplaceAll(o.why, "\n", " "))
	}
	return text.Bytes()
}
