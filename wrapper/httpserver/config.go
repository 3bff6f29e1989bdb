package httpserver

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/wrapper/config"
)

// maxConfigBytes is what a ConfigMap can hold.
const maxConfigBytes = 1 << 20

// Telemetry is the listener for kubelet and Prometheus. Both roles have one.
type Telemetry = config.Telemetry

// DecodeYAML reads a configuration strictly: an unknown or repeated key is an error, because the next thing it hides is
// a misspelt limit.
func DecodeYAML(data []byte, into any) error {
	if len(data) > maxConfigBytes {
		return fmt.Errorf("the configuration is larger than %d bytes", maxConfigBytes)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		return fmt.Errorf("the configuration is not understood: %w", err)
	}
	return nil
}

// Problems collects what is wrong with a configuration, so that all of it can be said at once.
type Problems struct{ list []error }

// Add notes one problem: the field, and a clause that says what to write.
func (p *Problems) Add(field, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
}

// Err is nil when there are none.
func (p *Problems) Err() error { return errors.Join(p.list...) }

// Listen wants host:port.
func (p *Problems) Listen(field, address string) {
	host, port, err := net.SplitHostPort(address)
	n, atoi := strconv.Atoi(port)
	if err != nil || atoi != nil || n < 0 || n > 65535 || strings.ContainsAny(host, " /") {
		p.Add(field, `write host:port or :port, such as ":8080"`)
	}
}

// BaseURL wants http://host:port and nothing more: paths are ours, and traffic inside the cluster is sealed by policy.
func (p *Problems) BaseURL(field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" || text != "http://"+u.Host {
		p.Add(field, `write http://host:port without path, user or query`)
	}
}

// File wants an absolute path.
func (p *Problems) File(field, path string) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		p.Add(field, "write the absolute path of the mounted file")
	}
}

// Text wants 1 to limit bytes without control characters.
func (p *Problems) Text(field, text string, limit int) {
	if text == "" || len(text) > limit || strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		p.Add(field, "write 1 to %d bytes without control characters", limit)
	}
}

// GraceSeconds wants 1 to 3600.
func (p *Problems) GraceSeconds(field string, seconds int32) time.Duration {
	if seconds < 1 || seconds > 3600 {
		p.Add(field, "write 1 to 3600, less than the pod's terminationGracePeriodSeconds")
	}
	return time.Duration(seconds) * time.Second
}
