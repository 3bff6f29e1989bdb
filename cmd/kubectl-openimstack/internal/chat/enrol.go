package chat

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	login "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/gateway"
	"github.com/openimstack/openim-operator/version"
)

// maxCode limits an enrolment code, in bytes. Codes have 69.
const maxCode = 256

// newClient returns a client of the users' listener that trusts the pinned keys. Without any, a port-forward vouches for the first ones.
func newClient(ctx context.Context, way gateway.Way, pins []string) (*login.Client, error) {
	o := login.Options{BaseURL: way.BaseURL, Audience: way.Audience, HTTPClient: way.HTTP, PinnedKeys: pins, Version: version.String()}
	if len(pins) == 0 && way.Forwarded {
		var err error
		if o.PinnedKeys, err = login.PublishedKeys(ctx, o); err != nil {
			return nil, fmt.Errorf("reading the gateway's keys: %w", err)
		}
	}
	return login.New(o)
}

// session logs the device of the flags in. It enrols one first when there is none, or a code was given.
func (o *options) session(ctx context.Context, way gateway.Way, in *bufio.Reader) (*login.Client, login.Device, *login.Session, error) {
	devices := newStore(o.folder, way.Name, way.ID)
	enrolled, found, err := devices.find(o.user)
	if err != nil && o.codeFile == "" {
		return nil, login.Device{}, nil, err
	}
	if !found && o.codeFile == "" && o.user == "" { // whose the pending device is, is not known
		if enrolled, found, err = devices.pending(); err != nil {
			return nil, login.Device{}, nil, err
		}
	}
	if found && o.codeFile == "" {
		return logIn(ctx, way, devices, enrolled)
	}
	code, err := o.code(way, in)
	if err != nil {
		return nil, login.Device{}, nil, err
	}
	return o.enrol(ctx, way, devices, code)
}

// logIn logs an enrolled device in, and keeps the gateway's keys of this login.
func logIn(ctx context.Context, way gateway.Way, devices store, i identity) (*login.Client, login.Device, *login.Session, error) {
	device, err := i.device()
	if err != nil {
		return nil, device, nil, fmt.Errorf("the device in %s: %w", devices.folder, err)
	}
	c, err := newClient(ctx, way, i.PinnedKeys)
	if err != nil {
		return nil, device, nil, err
	}
	session, err := c.Login(ctx, device)
	switch {
	case errors.Is(err, login.ErrRefused) && i.UserID == "":
		return nil, device, nil, fmt.Errorf("the last enrolment did not succeed: enrol with another code: %w", errors.Join(err, devices.forget()))
	case errors.Is(err, login.ErrRefused):
		return nil, device, nil, fmt.Errorf("logging user %s in: %w: an administrator may have revoked the device: enrol again with a new code, "+
			"by --code-file", cli.OneLine(i.UserID), err)
	case err != nil:
		return nil, device, nil, fmt.Errorf("logging in: %w", err)
	}
	i.UserID, i.DeviceID, i.PinnedKeys = session.UserID, session.DeviceID, c.PinnedKeys()
	_, err = devices.save(i)
	return c, device, session, err
}

// enrol makes a key and enrols a device with it.
func (o *options) enrol(
	ctx context.Context, way gateway.Way, devices store, code string,
) (*login.Client, login.Device, *login.Session, error) {
	key, err := login.GenerateKey()
	if err != nil {
		return nil, login.Device{}, nil, err
	}
	i := identity{PlatformID: platformLinux, Key: key.Reveal()}
	device, err := i.device()
	if err != nil {
		return nil, device, nil, err
	}
	c, err := newClient(ctx, way, nil)
	if err != nil {
		return nil, device, nil, err
	}
	i.PinnedKeys = c.PinnedKeys()
	if err := devices.begin(i); err != nil {
		return nil, device, nil, fmt.Errorf("keeping the device's key: %w", err)
	}
	session, err := c.Enrol(ctx, code, device)
	switch {
	case errors.Is(err, login.ErrUnavailable):
		return nil, device, nil, fmt.Errorf("enrolling: %w: the device may be enrolled although the answer was lost: run the command again "+
			"without a code", err)
	case err != nil:
		return nil, device, nil, errors.Join(fmt.Errorf("enrolling: %w: a code is valid once, for ten minutes at most, and for its own gateway",
			err), devices.forget())
	}
	i.UserID, i.DeviceID, i.PinnedKeys = session.UserID, session.DeviceID, c.PinnedKeys()
	earlier, err := devices.save(i)
	if err != nil {
		return nil, device, nil, fmt.Errorf("keeping the device of user %s: %w", cli.OneLine(session.UserID), err)
	}
	if o.user != "" && session.UserID != o.user {
		return nil, device, nil, errors.Join(fmt.Errorf("the code is one of user %s, and --user-id names %s: "+
			"the device is enrolled, and its key is in %s", cli.OneLine(session.UserID), cli.OneLine(o.user), devices.folder),
			session.Revoke(ctx, login.ThisSession))
	}
	fmt.Fprintf(o.streams.ErrOut, "enrolled a device of %s; its key is in %s\n", cli.OneLine(session.UserID), devices.folder)
	if earlier != "" {
		fmt.Fprintf(o.streams.ErrOut, "the user's earlier device stays enrolled; its key is in %s\n", earlier)
	}
	return c, device, session, nil
}

// code reads the enrolment code from the file of the flag, or asks for it.
func (o *options) code(way gateway.Way, in *bufio.Reader) (string, error) {
	switch {
	case o.codeFile == "-":
		return firstLine(in)
	case o.codeFile != "":
		file, err := os.Open(o.codeFile)
		if err != nil {
			return "", fmt.Errorf("--code-file: %w", err)
		}
		defer func() { _ = file.Close() }()
		return firstLine(bufio.NewReader(file))
	}
	terminal, ok := o.streams.In.(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return "", fmt.Errorf("no device is enrolled at %s: give an enrolment code by --code-file: %s user code issues one", way.Name, cli.Name)
	}
	fmt.Fprintf(o.streams.ErrOut, "No device is enrolled at %s. Enrolment code: ", way.Name)
	typed, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(o.streams.ErrOut)
	if err != nil {
		return "", fmt.Errorf("reading the code: %w", err)
	}
	return firstLine(bufio.NewReader(strings.NewReader(string(typed) + "\n")))
}

// firstLine reads a code that stands on the first line.
func firstLine(r *bufio.Reader) (string, error) {
	line := make([]byte, 0, maxCode)
	for len(line) <= maxCode {
		c, err := r.ReadByte()
		if err != nil && !errors.Is(err, io.EOF) {
			return "", fmt.Errorf("reading the code: %w", err)
		}
		if err != nil || c == '\n' {
			break
		}
		line = append(line, c)
	}
	code := strings.TrimSpace(string(line))
	if code == "" || len(line) > maxCode {
		return "", errors.New("reading the code: the first line holds no enrolment code: it looks like v1.<22 characters>.<43 characters>")
	}
	return code, nil
}
