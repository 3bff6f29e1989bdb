package devices_test

import (
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
)

// fixedURI is a connection string that does not change.
type fixedURI string

// Get implements devices.URI.
func (u fixedURI) Get() (string, error) { return string(u), nil }

func TestWhyMongoDBCannotBeUsed(t *testing.T) {
	server := mongotest.StartUsers(t)
	for _, c := range []struct {
		name, login string
		reason      termination.StoreReason
	}{
		{"a wrong password", "openim:secret@", termination.AuthenticationFailed},
		{"an unknown user", "nobody:secret@", termination.AuthenticationFailed},
		{"no user", "", termination.PermissionDenied},
		{"a user who may not write", "reader:" + mongotest.UsersPassword + "@", termination.PermissionDenied},
		{"the right user", "openim:" + mongotest.UsersPassword + "@", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			registry := devices.New(devices.Options{
				URI: fixedURI("mongodb://" + c.login + server.Address + "/?authSource=admin"), Database: "x", Now: time.Now})
			defer registry.Close()
			err := registry.Ping(t.Context())
			if c.reason == "" {
				g.Expect(err).NotTo(HaveOccurred())
				return
			}
			g.Expect(err).To(MatchError(devices.ErrUnavailable))
			g.Expect(err.Error()).NotTo(ContainSubstring("secret"))
			g.Expect(devices.Reason(err)).To(Equal(c.reason))
		})
	}
	server.Secondary.Store(true)
	registry := devices.New(devices.Options{URI: fixedURI("mongodb://" + server.Address), Database: "x", Now: time.Now})
	defer registry.Close()
	NewWithT(t).Expect(devices.Reason(registry.Ping(t.Context()))).To(Equal(termination.Unreachable))
}
