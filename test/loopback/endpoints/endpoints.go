package endpoints

import (
	"errors"
	"fmt"
	"os"
)

// Endpoints holds the URLs of a running stack, without a trailing slash.
type Endpoints struct {
	// API and Socket are the official SDKs' apiAddr and wsAddr.
	API, Socket string
	// Admin precedes OpenIM's paths for administrators.
	Admin string
	// Gateway is the wrapper's users' listener, where users log in. It is empty for OpenIM without the wrapper.
	Gateway string
	// Control is the URL of the controller (see Serve).
	Control string
	// Files is the URL of the object store, as links to files lead to it. Empty: the stack has none.
	Files string
	// Dial lists hosts of URLs that DNS does not know here, HOST:PORT=ADDRESS, separated by commas. Empty: there is none.
	Dial string
	// CA is a file with the authority of the object store's certificate, as PEM. Empty: the system's are enough.
	CA string
}

// variables returns the environment variables of the endpoints.
func (p *Endpoints) variables() map[string]*string {
	return map[string]*string{
		"IM_API": &p.API, "IM_SOCKET": &p.Socket, "IM_ADMIN": &p.Admin, "IM_GATEWAY": &p.Gateway, "IM_CONTROL": &p.Control,
		"IM_FILES": &p.Files, "IM_DIAL": &p.Dial, "IM_CA": &p.CA,
	}
}

// Environ returns the environment variables for a program that uses the endpoints.
func (p Endpoints) Environ() []string {
	var env []string
	for name, value := range p.variables() {
		env = append(env, name+"="+*value)
	}
	return env
}

// FromEnvironment reads the endpoints from the environment.
func FromEnvironment() (Endpoints, error) {
	var p Endpoints
	for name, value := range p.variables() {
		*value = os.Getenv(name)
	}
	if p.API == "" || p.Socket == "" || p.Admin == "" || p.Control == "" {
		return p, errors.New(
			"reading the endpoints of OpenIM: IM_API and others are not set: run this by `make test-sdk`, or under `go run ./test/loopback/up " +
				"-- COMMAND`",
		)
	}
	return p, nil
}

// HasGateway reports whether the wrapper runs in front of OpenIM.
func (p Endpoints) HasGateway() bool { return p.Gateway != "" }

func (p Endpoints) String() string {
	if p.HasGateway() {
		return fmt.Sprintf("the wrapper at %s", p.Gateway)
	}
	return fmt.Sprintf("OpenIM alone at %s", p.API)
}
