package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Ensure installs missing packages with apt-get and prints what it does. It does nothing when no package is missing. On a system without
// apt-get it returns an error that names the missing programs.
func Ensure(ctx context.Context, out io.Writer, packages ...Package) error {
	missing := Missing(packages...)
	if len(missing) == 0 {
		return nil
	}
	if Find("apt-get") == "" {
		return notInstallable(missing)
	}
	if err := Require("installing " + names(missing, ", ")); err != nil {
		return err
	}
	allow, err := forbidServices(policyFile)
	if err != nil {
		return err
	}
	defer allow()
	start := time.Now()
	fmt.Fprintf(out, "installing Debian packages: %s\n", names(missing, " "))
	if err := apt(ctx, out, "update"); err != nil {
		return err
	}
	args := append([]string{"install", "--yes", "--no-install-recommends"}, strings.Fields(names(missing, " "))...)
	if err := apt(ctx, out, args...); err != nil {
		return err
	}
	if still := Missing(packages...); len(still) > 0 {
		return fmt.Errorf("apt-get installed %s, but these programs are still missing: %s",
			names(still, ", "), strings.Join(wanted(still), ", "))
	}
	fmt.Fprintf(out, "installed in %s\n", time.Since(start).Round(time.Second))
	return nil
}

func notInstallable(missing []Package) error {
	return fmt.Errorf("programs are missing and this system has no apt-get: install %s (Debian's packages: %s)",
		strings.Join(wanted(missing), ", "), names(missing, " "))
}

// wanted lists the programs and files that identify the packages.
func wanted(packages []Package) []string {
	var words []string
	for _, p := range packages {
		words = append(words, p.Programs...)
		if len(p.AnyOf) > 0 {
			words = append(words, "one of "+strings.Join(p.AnyOf, " "))
		}
	}
	return words
}

func names(packages []Package, separator string) string {
	words := make([]string, 0, len(packages))
	for _, p := range packages {
		words = append(words, p.Name)
	}
	return strings.Join(words, separator)
}

// apt runs apt-get. It prints every few seconds that apt-get still runs, and returns the end of its output in an error.
func apt(ctx context.Context, out io.Writer, args ...string) error {
	cmd := exec.CommandContext(ctx, Find("apt-get"), append([]string{"-o", "DPkg::Lock::Timeout=300"}, args...)...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "PATH="+Path())
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("apt-get %s: %w", args[0], err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	start, tick := time.Now(), time.NewTicker(5*time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-ended:
			if err != nil {
				return fmt.Errorf("apt-get %s failed: %w; the end of its output:\n%s", args[0], err, lastLines(words.String(), 20))
			}
			return nil
		case <-tick.C:
			fmt.Fprintf(out, "apt-get %s is running, %s\n", args[0], time.Since(start).Round(time.Second))
		}
	}
}

func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return "  " + strings.Join(lines[max(0, len(lines)-n):], "\n  ")
}

// policyFile is the script that Debian's packages call before they start a service.
const policyFile = "/usr/sbin/policy-rc.d"

const policyScript = "#!/bin/sh\n# Written while packages are installed for a local cluster: no service may start.\nexit 101\n"

// forbidServices prevents packages from starting services until the returned function is called. An existing policy script of an
// administrator is kept.
func forbidServices(file string) (allow func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o755)
	if errors.Is(err, os.ErrExist) {
		content, err := os.ReadFile(file)
		if string(content) == policyScript { // left by a run that was killed
			return func() { os.Remove(file) }, err
		}
		return func() {}, err
	}
	if err != nil {
		return nil, fmt.Errorf("preventing packages from starting services: %w", err)
	}
	_, err = f.WriteString(policyScript)
	return func() { os.Remove(file) }, errors.Join(err, f.Close())
}
