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

// maxConfigBytes is the maximum size of a ConfigMap.
const maxConfigBytes = 1 << 20

// Telemetry is the listener for kubelet and Prometheus. Both roles have one.
type Telemetry = config.Telemetry

// DecodeYAML decodes a configuration strictly. An unknown or repeated key is an error, because it could be a misspelt limit.
func DecodeYAML(data []byte, into any) error {
	if len(data) > maxConfigBytes {
		return fmt.Errorf("decoding the configuration: larger than %d bytes", maxConfigBytes)
	}
	if err := yaml.UnmarshalStrict(data, into); err != nil {
		return fmt.Errorf("decoding the configuration: %w", err)
	}
	return nil
}

// Problems collects the faults of a configuration, so that all are reported at once.
type Problems struct{ list []error }

// Add adds a fault: the field, and what to write instead.
func (p *Problems) Add(field, format string, args ...any) {
	p.list = append(p.list, fmt.Errorf("%s: %s", field, fmt.Sprintf(format, args...)))
}

// Err returns all faults as one error, nil if there are none.
func (p *Problems) Err() error { return errors.Join(p.list...) }

// Listen requires host:port.
func (p *Problems) Listen(field, address string) {
	host, port, err := net.SplitHostPort(address)
	n, atoi := strconv.Atoi(port)
	if err != nil || atoi != nil || n < 0 || n > 65535 || strings.ContainsAny(host, " /") {
		p.Add(field, `write host:port or :port, such as ":8080"`)
	}
}

// BaseURL requires http://host:port and nothing else. The wrapper adds the paths. Plain HTTP is sufficient, because the stack's
// NetworkPolicies protect the traffic.
func (p *Problems) BaseURL(field, text string) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" || u.Hostname() == "" || u.Port() == "" || text != "http://"+u.Host {
		p.Add(field, `write http://host:port without path, user or query`)
	}
}

// File requires an absolute path.
func (p *Problems) File(field, path string) {
	if !filepath.IsAbs(path) || filepath.Clean(path) != path {
		p.Add(field, "write the absolute path of the mounted file")
	}
}

// Text requires 1 to limit bytes without control characters.
func (p *Problems) Text(field, text string, limit int) {
	if text == "" || len(text) > limit || strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0 {
		p.Add(field, "write 1 to %d bytes without control characters", limit)
	}
}

// GraceSeconds requires 1 to 3600 and returns the duration.
func (p *Problems) GraceSeconds(field string, seconds int32) time.Duration {
	if seconds < 1 || seconds > 3600 {
		p.Add(field, "write 1 to 3600, less than the pod's terminationGracePeriodSeconds")
	}
	return time.Duration(seconds) * time.Second
}
