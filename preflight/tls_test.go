package preflight

import (
	"testing"
	"time"

	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/devices/mongotest"
)

// tlsCases are what every store with TLS must tell apart. plain is the address of a store without TLS, and try tries a store at an address
// with the file of an authority, and with the client's certificate unless that is nil.
func tlsCases(t *testing.T, plain string, protocols []string, try func(address, authority string, client *certtest.Pair) tryFunc) {
	t.Helper()
	ours, foreign := certtest.New(t), certtest.New(t)
	authority := certtest.File(t, "ca.crt", ours.PEM)
	front := func(by *certtest.Authority, lifetime time.Duration, clients *certtest.Authority) string {
		return certtest.Front(t, certtest.Server(t, by.Issue(lifetime), clients, protocols...), plain)
	}
	own, unknown := ours.Issue(time.Hour), foreign.Issue(time.Hour)
	good, strict := front(ours, time.Hour, nil), front(ours, time.Hour, ours)
	for name, c := range map[string]struct {
		address string
		client  *certtest.Pair
		reason  termination.StoreReason
		message string
	}{
		"a foreign authority":            {front(foreign, time.Hour, nil), nil, termination.CertificateNotTrusted, "another authority"},
		"an expired certificate":         {front(ours, -time.Hour, nil), nil, termination.CertificateNotTrusted, "has expired"},
		"no certificate of the client":   {strict, nil, termination.AuthenticationFailed, "a client without a certificate"},
		"a foreign client's certificate": {strict, &unknown, termination.AuthenticationFailed, "refuses the client's certificate"},
		"a server without TLS": {
			speaking(t, "HTTP/1.1 400 Bad Request\r\n\r\n"), nil, termination.UnexpectedProtocol, "does not speak TLS"},
		"down":                      {refused(t), nil, termination.Unreachable, "refused"},
		"accepts and never answers": {silent(t), nil, termination.Unreachable, ""},
	} {
		t.Run(name, func(t *testing.T) { expectFailure(t, try(c.address, authority, c.client), c.reason, c.message) })
	}
	expectWorks(t, try(good, authority, nil))
	expectWorks(t, try(strict, authority, &own))
}

func TestMongoDBWithTLS(t *testing.T) {
	server := mongotest.StartUsers(t)
	tlsCases(t, server.Address, nil, func(address, authority string, client *certtest.Pair) tryFunc {
		uri := "mongodb://openim:" + mongotest.UsersPassword + "@" + address + "/?authSource=admin&tls=true&tlsCAFile=" + authority
		if client != nil {
			uri += "&tlsCertificateKeyFile=" + certtest.File(t, "tls.pem", client.Combined())
		}
		return mongoDB{uri: uri, database: testDatabase}.try
	})
	expectFailure(t, mongoDB{uri: "mongodb://" + server.Address + "/?tls=true&tlsCAFile=/sesame", database: testDatabase}.try,
		termination.Unreachable, "connection string")
}
