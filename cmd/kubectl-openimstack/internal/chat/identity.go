package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	login "github.com/openimstack/openim-operator/clients/go"
)

// platformLinux is OpenIM's number of Linux. The command has it on every system: a user's device does not change its platform when its
// file is copied.
const platformLinux = 7

const (
	// extension ends the name of the file of an enrolled device.
	extension = ".json"
	// pendingFile holds the key of a device whose enrolment has not been answered yet. A user's file cannot have the name: they begin
	// with userPrefix.
	pendingFile = "enrolling" + extension
	userPrefix  = "user-"
	// maxIdentity limits the size of a file, in bytes.
	maxIdentity = 64 << 10
)

// identity is a device of a user, as its file holds it.
type identity struct {
	UserID     string   `json:"userID,omitempty"`
	DeviceID   string   `json:"deviceID,omitempty"`
	PlatformID int32    `json:"platformID"`
	Key        string   `json:"key"`
	PinnedKeys []string `json:"pinnedKeys,omitempty"`
}

// device returns what a login needs.
func (i identity) device() (login.Device, error) {
	key, err := login.ParseKey(i.Key)
	if err != nil {
		return login.Device{}, err
	}
	return login.Device{Key: key, PlatformID: i.PlatformID, Name: "kubectl openimstack chat"}, nil
}

// store keeps the devices of one gateway in a folder that only its owner may read.
type store struct{ folder string }

// newStore returns the store of a gateway below a folder. A name alone could be that of gateways in two clusters.
func newStore(folder, gateway, id string) store {
	return store{filepath.Join(folder, "gateway-"+url.PathEscape(gateway)+"-"+url.PathEscape(id))}
}

// find returns the device of a user, or the only one when user is empty. It returns false when there is none.
func (s store) find(user string) (identity, bool, error) {
	if user != "" {
		i, err := s.read(fileOf(user))
		if errors.Is(err, fs.ErrNotExist) {
			return identity{}, false, nil
		}
		return i, err == nil, err
	}
	entries, err := os.ReadDir(s.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return identity{}, false, err
	}
	var files []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), userPrefix) && strings.HasSuffix(e.Name(), extension) {
			files = append(files, e.Name())
		}
	}
	switch len(files) {
	case 0:
		return identity{}, false, nil
	case 1:
		i, err := s.read(files[0])
		return i, err == nil, err
	default:
		return identity{}, false, fmt.Errorf("%d users have a device here (%s): name one with --user-id", len(files), s.folder)
	}
}

// pending returns the device whose enrolment was not answered.
func (s store) pending() (identity, bool, error) {
	i, err := s.read(pendingFile)
	if errors.Is(err, fs.ErrNotExist) {
		return identity{}, false, nil
	}
	return i, err == nil, err
}

// begin keeps a device before its enrolment. Without its key, an enrolment whose answer is lost would be lost too.
func (s store) begin(i identity) error { return s.write(pendingFile, i) }

// forget removes the device whose enrolment was refused.
func (s store) forget() error { return os.Remove(filepath.Join(s.folder, pendingFile)) }

// save keeps an enrolled device, in place of the pending one. An earlier device of the user is kept under another name.
func (s store) save(i identity) (earlier string, err error) {
	name := fileOf(i.UserID)
	old, err := s.read(name)
	if err == nil && old.DeviceID != i.DeviceID {
		earlier = filepath.Join(s.folder, "earlier-"+url.PathEscape(old.DeviceID)+extension)
		if err := os.Rename(filepath.Join(s.folder, name), earlier); err != nil {
			return "", err
		}
	}
	if err := s.write(name, i); err != nil {
		return earlier, err
	}
	if err := s.forget(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return earlier, err
	}
	return earlier, nil
}

// fileOf returns the name of a user's file. A user ID may hold anything, dots and slashes too.
func fileOf(user string) string { return userPrefix + url.PathEscape(user) + extension }

// read reads a file. Nobody else may be able to read it: the key in it logs in as the user.
func (s store) read(name string) (identity, error) {
	path := filepath.Join(s.folder, name)
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return identity{}, err
	case info.Size() > maxIdentity:
		return identity{}, fmt.Errorf("%s is larger than %d bytes: it is no file of this command", path, maxIdentity)
	case runtime.GOOS != "windows" && info.Mode().Perm()&0o077 != 0:
		return identity{}, fmt.Errorf("%s can be read by others: its key may be known to them: revoke the device, or chmod 600 the file", path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return identity{}, err
	}
	var i identity
	if err := json.Unmarshal(content, &i); err != nil {
		return identity{}, fmt.Errorf("%s is no file of this command: remove it, and enrol with another code", path)
	}
	return i, nil
}

// write replaces a file when the new content is complete.
func (s store) write(name string, i identity) error {
	if err := os.MkdirAll(s.folder, 0o700); err != nil {
		return err
	}
	content, err := json.MarshalIndent(i, "", "  ")
	if err != nil {
		return err
	}
	part, err := os.CreateTemp(s.folder, "*.part") // 0600
	if err != nil {
		return err
	}
	_, err = part.Write(content)
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), filepath.Join(s.folder, name))
	}
	if err != nil {
		_ = os.Remove(part.Name())
	}
	return err
}
