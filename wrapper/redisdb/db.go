package redisdb

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

// Bounds of every call. A call waits at most for a place in the pool, then for a connection, then for its reply.
const (
	Timeout  = 400 * time.Millisecond // for each of these
	poolSize = 32
	// What is asked and answered is small. The library's own buffers are eight times as large, two for each connection.
	bufferSize = 4 << 10
	// A connection lives so long at most, so that a changed password reaches all of them.
	connLifetime = 10 * time.Minute
)

// DB is the wrapper's Redis.
type DB struct {
	redis.UniversalClient
	prefix string
}

// Open makes the client. It calls nobody: the first command connects. The sources it returns must be looked at by a
// filewatch.Watcher; until that has read them, commands fail. New connections use what was read last.
func Open(c Config, log *slog.Logger) (*DB, []filewatch.Reloader) {
	useLog(log)
	credentials, sources := credentialFiles(c)
	dialer, more := dial(c.TLS)
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:                      c.Addresses,
		DB:                         c.Database,
		CredentialsProviderContext: credentials,
		Dialer:                     dialer,
		DialTimeout:                Timeout, DialerRetries: 1,
		ReadTimeout: Timeout, WriteTimeout: Timeout, ContextTimeoutEnabled: true,
		MaxRetries: -1, MaxRedirects: 3,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		PoolSize: poolSize, MaxActiveConns: poolSize, PoolTimeout: Timeout,
		ConnMaxLifetime: connLifetime, ConnMaxLifetimeJitter: connLifetime / 5,
		DisableIdentity:          true,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	})
	return &DB{UniversalClient: client, prefix: c.KeyPrefix}, append(sources, more...)
}

// Key puts the prefix before the joined parts. A part in braces is the Cluster's hash tag.
func (d *DB) Key(parts ...string) string { return d.prefix + strings.Join(parts, "") }

// Ready is nil when Redis answers and forgets nothing by itself: where it may evict keys, a revocation could vanish
// before the session it ends.
func (d *DB) Ready(ctx context.Context) error {
	info, err := d.Info(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("the wrapper's Redis does not answer: %w", err)
	}
	for line := range strings.Lines(info) {
		if policy, found := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); found && policy != "noeviction" {
			return fmt.Errorf("the wrapper's Redis may drop keys (maxmemory-policy %s): set it to noeviction", policy)
		}
	}
	return nil
}

type credentialsFunc = func(context.Context) (string, string, error)

func credentialFiles(c Config) (credentialsFunc, []filewatch.Reloader) {
	password := filewatch.New("redis-password", filewatch.Text(1, maxPasswordBytes), c.PasswordFile)
	sources := []filewatch.Reloader{password}
	var username *filewatch.Source[[]byte]
	if c.UsernameFile != "" {
		username = filewatch.New("redis-username", filewatch.Text(1, maxUsernameBytes), c.UsernameFile)
		sources = append(sources, username)
	}
	return func(context.Context) (string, string, error) {
		secret, err := password.Get()
		if err != nil || username == nil {
			return c.Username, string(secret), err
		}
		name, err := username.Get()
		return string(name), string(secret), err
	}, sources
}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// dial connects by TCP or TLS with the roots that were read last.
func dial(c *TLS) (dialFunc, []filewatch.Reloader) {
	plain := &net.Dialer{Timeout: Timeout, KeepAlive: 15 * time.Second}
	if c == nil {
		return plain.DialContext, nil
	}
	roots := func() (*x509.CertPool, error) { return nil, nil }
	var sources []filewatch.Reloader
	if c.CAFile != "" {
		file := filewatch.New("redis-ca", parseRoots, c.CAFile)
		roots, sources = file.Get, []filewatch.Reloader{file}
	}
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		pool, err := roots()
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, Timeout)
		defer cancel()
		sealed := &tls.Dialer{NetDialer: plain, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}}
		return sealed.DialContext(ctx, network, address)
	}, sources
}

func parseRoots(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("holds no PEM certificate")
	}
	return pool, nil
}

// The client's own remarks, on broken connections, go where debugging looks. Its logger is the process', so it is set once.
var useLog = func() func(*slog.Logger) {
	var once sync.Once
	return func(log *slog.Logger) { once.Do(func() { redis.SetLogger(&remarks{log}) }) }
}()

type remarks struct{ log *slog.Logger }

func (r *remarks) Printf(ctx context.Context, format string, args ...any) {
	if r.log.Enabled(ctx, slog.LevelDebug) {
		r.log.DebugContext(ctx, "redis client", "remark", fmt.Sprintf(format, args...))
	}
}
