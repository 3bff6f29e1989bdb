package preflight

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// mongoDB checks OpenIM's MongoDB, by the connection string or by addresses.
type mongoDB struct {
	uri                string
	addresses          []string
	database           string
	username, password string
	authSource         string
}

// probeCollection is a collection that does not exist. A deletion makes no collection.
const probeCollection = "openim_preflight"

const (
	codeUnauthorized         = 13
	codeAuthenticationFailed = 18
	codeNotPrimaryNoSecondOK = 13435
	codeNotWritablePrimary   = 10107
	codeAtlas                = 8000 // authentication failed, at MongoDB Atlas
)

func (m mongoDB) try(ctx context.Context) ([]string, *failure) {
	var seen heartbeats
	o, ok := m.options(&seen)
	if !ok {
		return nil, failed(termination.Unreachable, "the connection string is not valid: write mongodb://user:password@host:port/database")
	}
	calls, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	client, err := mongo.Connect(o)
	if err != nil {
		return nil, failed(termination.Unreachable,
			"the settings of the connection are not valid: correct the options of the connection string")
	}
	defer disconnect(client)
	if err = client.Ping(calls, readpref.Primary()); err == nil {
		// The identifier cannot exist, so nothing is deleted: the primary checks the permission first.
		_, err = client.Database(m.database).Collection(probeCollection).DeleteOne(calls, bson.D{{Key: "_id", Value: bson.NewObjectID()}})
	}
	if err == nil {
		return nil, nil
	}
	return nil, mongoFailure(ctx, o, &seen, err)
}

// heartbeats are what the driver met: a server that answered as MongoDB does, or one that answered something else. The driver itself
// tries again until time is over, and then tells no more than that.
type heartbeats struct{ answered, refused atomic.Bool }

func (h *heartbeats) monitor() *event.ServerMonitor {
	return &event.ServerMonitor{
		ServerHeartbeatSucceeded: func(*event.ServerHeartbeatSucceededEvent) { h.answered.Store(true) },
		ServerHeartbeatFailed: func(e *event.ServerHeartbeatFailedEvent) {
			if !isTimeout(context.Background(), e.Failure) && !errors.Is(e.Failure, context.Canceled) {
				h.refused.Store(true)
			}
		},
	}
}

// options are for one try of few connections.
func (m mongoDB) options(seen *heartbeats) (*options.ClientOptions, bool) {
	o := options.Client()
	if m.uri != "" {
		if !strings.HasPrefix(m.uri, "mongodb://") { // another scheme looks names up here, before any bound of ours
			return nil, false
		}
		o.ApplyURI(m.uri)
	} else {
		o.SetHosts(m.addresses)
		if m.username != "" {
			o.SetAuth(options.Credential{AuthSource: m.authSource, Username: m.username, Password: m.password, PasswordSet: true})
		}
	}
	o.SetServerSelectionTimeout(callTimeout - 500*time.Millisecond).SetConnectTimeout(callTimeout).SetTimeout(callTimeout).
		SetMaxPoolSize(2).SetMinPoolSize(0).SetRetryReads(false).SetRetryWrites(false).
		SetServerMonitor(seen.monitor())
	return o, o.Validate() == nil && len(o.Hosts) > 0 && len(o.Hosts) <= maxAddresses
}

func disconnect(client *mongo.Client) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	_ = client.Disconnect(ctx)
}

// mongoFailure returns the failure that an error stands for.
func mongoFailure(ctx context.Context, o *options.ClientOptions, seen *heartbeats, err error) *failure {
	if command, ok := errors.AsType[mongo.CommandError](err); ok && command.Code != 0 {
		switch command.Code {
		case codeAuthenticationFailed, codeAtlas:
			return failed(termination.AuthenticationFailed, "user name, password or authSource is wrong: correct the Secret, or authSource")
		case codeUnauthorized:
			if o.Auth == nil {
				return failed(termination.AuthenticationFailed, "MongoDB requires a user: name a Secret in credentialsRef")
			}
			return failed(termination.PermissionDenied, "the user may not write to the database: grant the role readWrite on it")
		case codeNotWritablePrimary, codeNotPrimaryNoSecondOK:
			return failed(termination.NoPrimary, "the server is not the primary: name all members of the replica set")
		}
		return failed(termination.PermissionDenied, "MongoDB refuses a command that OpenIM needs: check its version and the user's roles")
	}
	switch {
	case strings.Contains(err.Error(), "auth error"):
		// The server and the driver agree on no mechanism, or the server does not prove that it knows the password.
		return failed(termination.AuthenticationFailed, "the login fails: check user name, password, authSource and authMechanism")
	case seen.answered.Load():
		return failed(termination.NoPrimary,
			"members answer, and none that can be reached is the primary: check the replica set and the addresses of its members")
	}
	return diagnose(ctx, withPort(o.Hosts, "27017"), !seen.refused.Load(), o.TLSConfig)
}

// withPort returns addresses that all have a port.
func withPort(addresses []string, port string) []string {
	addresses = slices.Clone(addresses)
	for i, a := range addresses {
		if _, _, err := net.SplitHostPort(a); err != nil {
			addresses[i] = net.JoinHostPort(strings.Trim(a, "[]"), port)
		}
	}
	return addresses
}
