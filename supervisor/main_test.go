package supervisor_test

import (
	"encoding/json"
	"fmt"
	"os"
	"testing"

	"github.com/openimstack/openim-operator/supervisor"
)

// The test binary plays the supervisor and the program that it runs: a supervisor collects all children of its process, the test's own
// included, so it needs a process of its own.
const (
	envRole     = "SUPERVISOR_TEST_ROLE"
	envTiming   = "SUPERVISOR_TEST_TIMING"
	envLog      = "SUPERVISOR_TEST_TERMINATION_LOG"
	roleProgram = "program"
	roleRun     = "supervisor"
)

func TestMain(m *testing.M) {
	switch os.Getenv(envRole) {
	case roleProgram:
		os.Exit(program(os.Args[1]))
	case roleRun:
		var timing supervisor.Timing
		if err := json.Unmarshal([]byte(os.Getenv(envTiming)), &timing); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(99)
		}
		must(os.Setenv(envRole, roleProgram)) // for the program, which gets the same environment
		os.Exit(supervisor.Run(os.Args[1:], supervisor.Options{
			Timing: timing, TerminationLog: os.Getenv(envLog),
			Username: os.Getenv(supervisor.EnvUsername), Password: os.Getenv(supervisor.EnvPassword),
		}))
	}
	os.Exit(m.Run())
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
