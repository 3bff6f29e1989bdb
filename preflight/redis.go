package preflight

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/openimstack/openim-operator/supervisor/termination"
)

// redisStore checks OpenIM's Redis.
type redisStore struct {
	addresses          []string
	database           int
	cluster            bool
	username, password string
}

// try succeeds when one address works: the others of a Cluster are seeds, of which any serves.
func (r redisStore) try(ctx context.Context) ([]string, *failure) {
	var warnings []string
	f := anyOf(ctx, r.addresses, func(ctx context.Context, address string) *failure {
		calls, cancel := context.WithTimeout(ctx, callTimeout)
		defer cancel()
		client := redis.NewClient(r.options(address))
		defer func() { _ = client.Close() }()
		return r.node(ctx, calls, client, address)
	})
	if f == nil {
		warnings = r.warnings(ctx)
	}
	return warnings, f
}

// options are for one connection and no repetition: a try must say what one attempt meets.
func (r redisStore) options(address string) *redis.Options {
	return &redis.Options{
		Addr: address, Username: r.username, Password: r.password, DB: r.database, Protocol: 2, DisableIdentity: true,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: callTimeout, ReadTimeout: callTimeout, WriteTimeout: callTimeout,
		ContextTimeoutEnabled: true, PoolSize: 1, MinIdleConns: 0, PoolTimeout: callTimeout, ConnMaxIdleTime: time.Minute,
	}
}

func (r redisStore) node(ctx, calls context.Context, client *redis.Client, address string) *failure {
	if err := client.Ping(calls).Err(); err != nil {
		return redisFailure(ctx, calls, address, err)
	}
	if enabled, known := clusterEnabled(client.Info(calls, "cluster").Val()); known && enabled != r.cluster {
		if enabled {
			return failed(termination.WrongMode, "the server is a node of a Redis Cluster, and the spec expects one server: write mode: Cluster")
		}
		return failed(termination.WrongMode, "the server is not a node of a Redis Cluster, and the spec expects one: "+
			"write one address, and no mode")
	}
	// The key cannot exist, so nothing is deleted; the permission is checked before the key. A node of a Cluster that does not hold the
	// key has checked the permission, too, when it names the node that does.
	err := client.Del(calls, "openim-preflight:"+rand.Text()).Err()
	if err != nil && (!r.cluster || !strings.HasPrefix(err.Error(), "MOVED ")) {
		return redisFailure(ctx, calls, address, err)
	}
	return nil
}

// clusterEnabled reads a reply to INFO cluster. A user who may not use INFO, as OpenIM itself does not need it, leaves the mode unknown.
func clusterEnabled(info string) (enabled, known bool) {
	for line := range strings.Lines(info) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), "cluster_enabled:"); ok {
			return value == "1", true
		}
	}
	return false, false
}

// warnings returns what does not keep OpenIM from working.
func (r redisStore) warnings(ctx context.Context) []string {
	calls, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	client := redis.NewClient(r.options(r.addresses[0]))
	defer func() { _ = client.Close() }()
	persistence, err := client.Info(calls, "persistence").Result()
	if err != nil || strings.Contains(persistence, "aof_enabled:1") {
		return nil
	}
	return []string{"redis: no append-only file: a restart loses messages that OpenIM has accepted and not yet stored: set appendonly to yes"}
}

// redisReplies are the first words of Redis' errors, and what they stand for.
var redisReplies = []struct {
	prefix string
	failure
}{
	{"WRONGPASS", failure{termination.AuthenticationFailed, "user name or password is wrong: correct the Secret of credentialsRef"}},
	{"ERR invalid password", failure{termination.AuthenticationFailed, "the password is wrong: correct the Secret of credentialsRef"}},
	{"NOAUTH", failure{termination.AuthenticationFailed, "Redis requires a password: name a Secret in credentialsRef"}},
	{"ERR AUTH", failure{termination.AuthenticationFailed,
		"Redis has no password, and the spec names one: set one in Redis, or remove credentialsRef"}},
	{"ERR Client sent AUTH", failure{termination.AuthenticationFailed,
		"Redis has no password, and the spec names one: set one in Redis, or remove credentialsRef"}},
	{"ERR wrong number of arguments for 'auth'", failure{termination.AuthenticationFailed,
		"Redis is too old for user names: remove username from the Secret of credentialsRef"}},
	{"NOPERM", failure{termination.PermissionDenied,
		"the user may not use all commands and keys that OpenIM needs: grant ~* &* +@all, or see docs/preflight.md"}},
	{"DENIED", failure{termination.PermissionDenied, "Redis is in protected mode and refuses other hosts: set a password"}},
	{"READONLY", failure{termination.WrongMode, "the server is a read-only replica: name the primary"}},
	{"MISCONF", failure{termination.PermissionDenied, "Redis refuses writes, because it cannot save to its disk: repair its storage"}},
	{"NOREPLICAS", failure{termination.PermissionDenied, "Redis refuses writes, because too few replicas are connected: repair them"}},
	{"ERR SELECT is not allowed in cluster mode", failure{termination.WrongMode,
		"the server is a node of a Redis Cluster, which has no numbered databases: name several nodes and no database"}},
	{"ERR DB index", failure{termination.WrongMode,
		"the server has no database with this number: correct database, or raise databases in Redis"}},
	{"ERR invalid DB index", failure{termination.WrongMode, "the server has no database with this number: correct database"}},
	{"LOADING", failure{termination.Loading, "Redis reads its data from disk"}},
	{"BUSY", failure{termination.Loading, "Redis runs a long script"}},
	{"CLUSTERDOWN", failure{termination.Unreachable, "the Redis Cluster is down: check that all its slots are served"}},
	{"MASTERDOWN", failure{termination.Unreachable, "the primary of this replica is down: check Redis"}},
	{"ERR max number of clients", failure{termination.Unreachable, "Redis has no free connection: raise maxclients"}},
}

// redisFailure returns the failure that an error stands for.
func redisFailure(ctx, calls context.Context, address string, err error) *failure {
	var reply redis.Error
	var network net.Error
	if errors.As(err, &reply) && !errors.As(err, &network) {
		for _, known := range redisReplies {
			if strings.HasPrefix(reply.Error(), known.prefix) {
				return failed(known.reason, known.message)
			}
		}
		return failed(termination.PermissionDenied, "Redis refuses a command that OpenIM needs: check its version and its renamed commands")
	}
	return diagnose(ctx, []string{address}, isTimeout(calls, err), nil)
}
