package gateway

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/load"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// callTimeout limits one call to the gateway.
const callTimeout = 30 * time.Second

// maxCA limits the size of a file of authorities, in bytes.
const maxCA = 1 << 20

// Flags say which gateway, and how to reach it.
type Flags struct {
	load.Flags

	// Stack is the name of the stack; empty for the only one of the namespace.
	Stack string
	// Address is the gateway's own address; empty for a port-forward.
	Address string
	// CAFile holds authorities for the certificate at Address.
	CAFile string
}

// Add adds the flags to a command. audience says whose address --gateway is.
func (f *Flags) Add(cmd *cobra.Command, audience string) {
	flags := cmd.Flags()
	flags.StringVar(&f.Stack, "stack", "", "the stack; without it the only one of the namespace")
	flags.StringVar(&f.Address, "gateway", "",
		"the gateway's address for "+audience+", such as https://im.example.com; without it the command forwards a port of a pod, as kubectl "+
			"port-forward does")
	flags.StringVar(&f.CAFile, "gateway-ca", "", "a PEM file of authorities for the certificate at --gateway, beside those of the system")
	cli.CompleteFlag(cmd, "stack", f.CompleteStackFlag)
	cmd.MarkFlagsMutuallyExclusive("stack", "gateway")
}

// Way is how a listener of a gateway is reached.
type Way struct {
	// Name is what the way is called in messages: NAMESPACE/STACK, or the host of the address.
	Name string
	// ID tells gateways apart that have one name, such as those of one stack's name in two clusters. It may be part of the name of a file.
	ID string
	// BaseURL is the address of the listener.
	BaseURL string
	// Audience is the gateway's own origin, to which logins are bound; empty for that of BaseURL.
	Audience string
	// HTTP sends requests to BaseURL, over new connections for each Way.
	HTTP *http.Client
	// Forwarded reports a port-forward, whose other end the API server has authenticated. Certificates are then not verified.
	Forwarded bool
}

// Users returns the way to the users' listener. A port-forward ends with ctx.
func (f *Flags) Users(ctx context.Context) (Way, error) { return f.reach(ctx, graph.UsersPort) }

// Admins returns the way to the administrators' listener. A port-forward ends with ctx.
func (f *Flags) Admins(ctx context.Context) (Way, error) { return f.reach(ctx, graph.AdminPort) }

func (f *Flags) reach(ctx context.Context, listener string) (Way, error) {
	if f.Address != "" {
		return f.direct()
	}
	if f.CAFile != "" {
		return Way{}, errors.New("--gateway-ca is for the certificate at --gateway: add --gateway, or leave it out")
	}
	c, err := load.Connect(f.Connection)
	if err != nil {
		return Way{}, err
	}
	stack, err := f.only(ctx, c)
	if err != nil {
		return Way{}, err
	}
	return forwarded(ctx, c, stack, listener)
}

// direct returns the way to the address of --gateway.
func (f *Flags) direct() (Way, error) {
	address, err := url.Parse(f.Address)
	if err != nil || address.Scheme != "https" || address.Host == "" ||
		address.User != nil || address.RawQuery != "" || address.Fragment != "" {
		return Way{}, errors.New("--gateway: write an address such as https://im.example.com: https, a host, no user, query or fragment")
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if f.CAFile != "" {
		if config.RootCAs, err = authorities(f.CAFile); err != nil {
			return Way{}, fmt.Errorf("--gateway-ca: %w", err)
		}
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: config, TLSHandshakeTimeout: callTimeout}
	return Way{
		Name: address.Host, ID: address.Host, BaseURL: strings.TrimSuffix(f.Address, "/"),
		HTTP: &http.Client{Transport: transport, Timeout: callTimeout},
	}, nil
}

// authorities returns the system's authorities and those of a file.
func authorities(path string) (*x509.CertPool, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxCA:
		return nil, fmt.Errorf("%s is larger than %d bytes: name a file with the authorities alone", path, maxCA)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(content) {
		return nil, fmt.Errorf("%s holds no certificate: name a PEM file", path)
	}
	return pool, nil
}

// only returns the stack of --stack, or the only one of the namespace.
func (f *Flags) only(ctx context.Context, c *load.Cluster) (*v1alpha1.OpenIMStack, error) {
	var names []string
	if f.Stack != "" {
		names = []string{f.Stack}
	}
	stacks, err := c.Stacks(ctx, names, false)
	if err != nil {
		return nil, err
	}
	if len(stacks) > 1 {
		return nil, fmt.Errorf("namespace %s has %d stacks: name one with --stack", c.Namespace, len(stacks))
	}
	return &stacks[0], nil
}
