package endpoints

import (
	"errors"
	"fmt"
	"os"
)

// Endpoints is where things are. URLs have no slash at their end.
type Endpoints struct {
	// API and Socket are what an official SDK is given as apiAddr and wsAddr.
	API, Socket string
	// Admin is before OpenIM's paths for administrators.
	Admin string
	// Gateway is the wrapper's, where users log in. It is empty when OpenIM stands alone.
	Gateway string
	// Control is served by whoever started the place (see Serve).
	Control string
}

// variables in the environment.
func (p *Endpoints) variables() map[string]*string {
	return map[string]*string{
		"IM_API": &p.API, "IM_SOCKET": &p.Socket, "IM_ADMIN": &p.Admin, "IM_DOOR": &p.Gateway, "IM_CONTROL": &p.Control,
	}
}

// Environ gives the place to a program.
func (p Endpoints) Environ() []string {
	var env []string
	for name, value := range p.variables() {
		env = append(env, name+"="+*value)
	}
	return env
}

// FromEnvironment is where this program has been told to look.
func FromEnvironment() (Endpoints, error) {
	var p Endpoints
	for name, value := range p.variables() {
		*value = os.Getenv(name)
	}
	if p.API == "" || p.Socket == "" || p.Admin == "" || p.Control == "" {
		return p, errors.New("there is no OpenIM to speak to: run this by `make test-sdk`, or under `go run ./test/loopback/up -- COMMAND`")
	}
	return p, nil
}

// HasGateway reports whether the wrapper is there.
func (p Endpoints) HasGateway() bool { return p.Gateway != "" }

func (p Endpoints) String() string {
	if p.HasGateway() {
		return fmt.Sprintf("the wrapper at %s", p.Gateway)
	}
	return fmt.Sprintf("OpenIM alone at %s", p.API)
}
