package preflight

import (
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
)

const testDatabase = "openim_ns_chat"

func TestMongoDB(t *testing.T) {
	addressCases(t, func(address string) tryFunc {
		return mongoDB{addresses: []string{address}, database: testDatabase, username: "openim", password: "sesame", authSource: "admin"}.try
	})
}

func TestMongoDBByConnectionString(t *testing.T) {
	addressCases(t, func(address string) tryFunc {
		return mongoDB{uri: "mongodb://openim:sesame@" + address + "/x", database: testDatabase}.try
	})
	for _, uri := range []string{"sesame", "mongodb://", "mongodb+srv://sesame.invalid", "http://sesame", "mongodb://h:1/?tls=sesame"} {
		expectFailure(t, mongoDB{uri: uri, database: testDatabase}.try, termination.Unreachable, "connection string")
	}
}

func TestMongoDBWithUsers(t *testing.T) {
	g := NewWithT(t)
	server := mongotest.StartUsers(t)
	as := func(user, password string) tryFunc {
		return mongoDB{addresses: []string{server.Address}, database: testDatabase, username: user, password: password, authSource: "admin"}.try
	}
	expectWorks(t, as("openim", mongotest.UsersPassword))
	expectWorks(t, mongoDB{uri: "mongodb://openim:right@" + server.Address + "/?authSource=admin", database: testDatabase}.try)
	g.Expect(server.Deletions.Load()).To(BeEquivalentTo(2))
	expectFailure(t, as("openim", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("nobody", "sesame"), termination.AuthenticationFailed, "wrong")
	expectFailure(t, mongoDB{uri: "mongodb://openim:sesame@" + server.Address, database: testDatabase}.try,
		termination.AuthenticationFailed, "wrong")
	expectFailure(t, as("", ""), termination.AuthenticationFailed, "requires a user")
	expectFailure(t, as("reader", mongotest.UsersPassword), termination.PermissionDenied, "readWrite")
	g.Expect(server.Deletions.Load()).To(BeEquivalentTo(2))
	expectWorks(t, as("openim", mongotest.UsersPassword))
}

func TestMongoDBWithoutPrimary(t *testing.T) {
	server := mongotest.StartUsers(t)
	try := mongoDB{addresses: []string{server.Address}, database: testDatabase,
		username: "openim", password: mongotest.UsersPassword, authSource: "admin"}.try
	server.Secondary.Store(true)
	expectFailure(t, try, termination.NoPrimary, "none that can be reached is the primary")
	server.Secondary.Store(false)
	expectWorks(t, try)
}

// TestMongoDBStopsAndComesBack runs on the stand-in for MongoDB, which the local cluster has.
func TestMongoDBStopsAndComesBack(t *testing.T) {
	server := mongotest.Start(t)
	try := mongoDB{addresses: []string{server.Address}, database: testDatabase}.try
	expectWorks(t, try)
	server.Freeze()
	expectFailure(t, try, termination.Unreachable, "nothing is answered")
	server.Thaw()
	expectWorks(t, try)
	server.Stop()
	expectFailure(t, try, termination.Unreachable, "refused")
	server.Restart()
	expectWorks(t, try)
}
