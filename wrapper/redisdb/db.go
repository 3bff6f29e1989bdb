package redisdb

import (
	"context"
	"crypto/rand"
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

// Limits of every call. A call waits at most Timeout for a free connection, then for a new connection, then for its reply.
const (
	Timeout  = 400 * time.Millisecond // for each of these
	poolSize = 32
	// Requests and replies are small. The library's default buffers are eight times as large, and each connection has two.
	bufferSize = 4 << 10
	// The lifetime of a connection, so that all connections use a changed password eventually.
	connLifetime = 10 * time.Minute
)

// DB is the wrapper's Redis.
type DB struct {
	redis.UniversalClient
	prefix string
}

// Open returns a client, and connects with the first command. A filewatch.Watcher must read the returned sources; until then, commands
// fail. New connections use the content that was read last.
func Open(c Config, log *slog.Logger) (*DB, []filewatch.Reloader) {
	useLog(log)
	credentials, sources := credentialFiles(c)
	dialer, more := dial(c.TLS)
	client := redis.NewUniversalClient(&redis.UniversalOptions{
		Addrs:                      c.Addresses,
		DB:                         c.Database,
		IsClusterMode:              c.Cluster,
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

// Key returns the key of the joined parts, with the prefix. A part in braces is the Cluster's hash tag.
func (d *DB) Key(parts ...string) string { return d.prefix + strings.Join(parts, "") }

// Ready returns nil if Redis answers and never evicts keys. Otherwise Redis could evict a revocation before the session that it ends.
func (d *DB) Ready(ctx context.Context) error {
	info, err := d.Info(ctx, "memory").Result()
	if err != nil {
		return fmt.Errorf("checking the wrapper's Redis: it does not answer: %w", err)
	}
	for line := range strings.Lines(info) {
		if policy, found := strings.CutPrefix(strings.TrimSpace(line), "maxmemory_policy:"); found && policy != "noeviction" {
			return fmt.Errorf("checking the wrapper's Redis: it may evict keys (maxmemory-policy %s): set it to noeviction", policy)
		}
	}
	return nil
}

// Use makes Redis answer with the configured credentials and database, and check that commands that write are permitted. The key that is
// deleted cannot exist.
func (d *DB) Use(ctx context.Context) error {
	if err := d.Del(ctx, d.Key("use:", rand.Text())).Err(); err != nil {
		return fmt.Errorf("using the wrapper's Redis: %w", err)
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

// dial returns a function that connects by TCP or TLS, with the roots that were read last.
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
		tlsDialer := &tls.Dialer{NetDialer: plain, Config: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}}
		return tlsDialer.DialContext(ctx, network, address)
	}, sources
}

func parseRoots(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("no PEM certificate found")
	}
	return pool, nil
}

// useLog directs the client library's messages, about failed connections, to the debug level. The library has one logger per process, so
// that it is set once.
var useLog = func() func(*slog.Logger) {
	var once sync.Once
	return func(log *slog.Logger) { once.Do(func() { redis.SetLogger(&debugLogger{log}) }) }
}()

type debugLogger struct{ log *slog.Logger }

func (r *debugLogger) Printf(ctx context.Context, format string, args ...any) {
	if r.log.Enabled(ctx, slog.LevelDebug) {
		r.log.DebugContext(ctx, "redis client", "remark", fmt.Sprintf(format, args...))
	}
}
