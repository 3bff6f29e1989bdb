package loopback

import (
	"cmp"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/test/loopback/balance"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/devices"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/issuers"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/session"
)

// Wrapper configures the wrapper.
type Wrapper struct {
	// Program is a built cmd/wrapper. Empty: the program of ProgramEnv, or one that is built from this repository.
	Program string
	// Of returns the program of one replica of a role ("gateway", "backend"), "" for Program: another release of the wrapper beside it.
	Of func(role string, number int) string
	// Gateways and Backends are the numbers of replicas; 0 means 1. Their names are gateway-0, backend-0 and so on.
	Gateways, Backends int
	// Gateway and Backend may change the configuration of a replica, given by its number, before it is written.
	Gateway func(number int, c *gateway.Config)
	Backend func(number int, c *backend.Config)
	// Hot may change the configuration that all gateways share and reload while they run.
	Hot func(*gateway.Hot)
}

// ProgramEnv is the environment variable with the path of a built cmd/wrapper.
const ProgramEnv = "LOOPBACK_WRAPPER"

// program returns the path of the program, or "" if it must be built.
func (w *Wrapper) program() string { return cmp.Or(w.Program, os.Getenv(ProgramEnv)) }

// Names of the wrapper's processes, without their number.
const (
	gatewayName = "gateway"
	backendName = "backend"
)

// Claims of administrators' tokens of a stack.
const (
	adminIssuer   = "https://id.example.com"
	adminAudience = "im-admin"
	adminRole     = "im-admins"
	adminClaim    = "groups"
)

// stopSeconds bounds the wrapper's stop. At most half of it is spent waiting for load balancers.
const stopSeconds = 2

// keyBytes is the length of generated keys.
const keyBytes = 32

// wrapperSetup holds what the wrapper's processes share.
type wrapperSetup struct {
	s        *Stack
	w        Wrapper
	dir      string
	redis    redisdb.Config
	backends *balance.Balancer
	frontend *Frontend
	// configs are the configurations of the backends, by name.
	configs map[string]backend.Config
}

// addWrapper adds the wrapper's processes.
func (s *Stack) addWrapper(ctx context.Context) ([]string, error) {
	if s.options.Wrapper == nil {
		return nil, nil
	}
	h := &wrapperSetup{s: s, w: *s.options.Wrapper, configs: map[string]backend.Config{}}
	s.wrapper = h
	h.w.Program = cmp.Or(h.w.program(), filepath.Join(s.bin["wrapper"], "wrapper"))
	var err error
	if h.dir, err = s.data("wrapper"); err != nil {
		return nil, err
	}
	if h.backends, err = balance.New(); err != nil {
		return nil, err
	}
	if h.frontend, err = newFrontend(); err != nil {
		return nil, err
	}
	s.Frontend = h.frontend
	s.closers = append(s.closers, h.backends.Close, h.frontend.users.Close)
	h.redis = redisdb.Config{Addresses: []string{s.WrapperRedis}, PasswordFile: h.path("redis"), KeyPrefix: "im/loopback:"}
	if err := h.writeShared(); err != nil {
		return nil, err
	}

	var names []string
	for i := range max(1, h.w.Backends) {
		name, err := h.addBackend(i)
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	// The gateways become ready when a backend is ready.
	if err := s.startAll(ctx, names); err != nil {
		return nil, err
	}
	names = nil
	for i := range max(1, h.w.Gateways) {
		name, err := h.addGateway(i, fmt.Sprintf("%s-%d", gatewayName, i))
		if err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, nil
}

func (h *wrapperSetup) path(name string) string { return filepath.Join(h.dir, name) }

func (h *wrapperSetup) write(name, content string) error {
	if err := os.MkdirAll(filepath.Dir(h.path(name)), 0o700); err != nil {
		return fmt.Errorf("writing the wrapper's %s: %w", name, err)
	}
	if err := os.WriteFile(h.path(name), []byte(content), 0o600); err != nil {
		return fmt.Errorf("writing the wrapper's %s: %w", name, err)
	}
	return nil
}

// writeShared writes the files that all processes share to the paths in their configuration.
func (h *wrapperSetup) writeShared() error {
	jwks, err := h.frontend.provider.JWKS()
	if err != nil {
		return err
	}
	var hot gateway.Hot
	if h.w.Hot != nil {
		h.w.Hot(&hot)
	}
	hotFile, err := yaml.Marshal(hot)
	if err != nil {
		return fmt.Errorf("writing the gateways' hot configuration: %w", err)
	}
	login := key()
	public, err := publicOf(login)
	if err != nil {
		return err
	}
	h.frontend.keys = []string{public}
	for name, content := range map[string]string{
		"redis": WrapperRedisPassword, "secret": ShareSecret, "jwks.json": string(jwks), "hot.yaml": string(hotFile),
		"assertion": key(), "custody": key(), "login/1": login,
	} {
		if err := h.write(name, content); err != nil {
			return err
		}
	}
	return nil
}

func key() string {
	raw := make([]byte, keyBytes)
	_, _ = rand.Read(raw) // never fails
	return base64.RawURLEncoding.EncodeToString(raw)
}

// publicOf returns the public half of a login key.
func publicOf(private string) (string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(private)
	if err != nil {
		return "", err
	}
	k, err := ecdh.X25519().NewPrivateKey(raw)
	if err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(k.PublicKey().Bytes()), nil
}

func (h *wrapperSetup) addBackend(number int) (string, error) {
	listen, err := freeport.Take()
	if err != nil {
		return "", err
	}
	h.backends.Add(listen)
	c := backend.Config{
		Listen:               listen,
		AssertionKeyFile:     h.path("assertion"),
		Redis:                &h.redis,
		CustodyKeyFile:       h.path("custody"),
		ShutdownGraceSeconds: stopSeconds,
		MongoDB:              &devices.Config{Addresses: []string{h.s.MongoDB}, Database: Database},
		Users:                &backend.Users{Audience: h.frontend.URL, ServerKeysDir: h.path("login")},
		Admins:               h.admins(),
		OpenIM: backend.OpenIM{
			APIURL: h.s.OpenIM.URL, AdminUserID: openim.AdminUserID, SecretFile: h.path("secret"),
			Release: cmp.Or(h.s.options.Release, DefaultRelease), ExternalURL: h.frontend.URL + "/im/v1",
		},
	}
	if h.s.options.Files {
		c.OpenIM.ObjectURL = h.s.FilesURL()
	}
	if c.Telemetry.Listen, err = freeport.Take(); err != nil {
		return "", err
	}
	if h.w.Backend != nil {
		h.w.Backend(number, &c)
	}
	name := fmt.Sprintf("%s-%d", backendName, number)
	h.configs[name] = c
	return h.addRole(name, backendName, number, c, c.Telemetry.Listen)
}

// admins returns the administrators' issuers for gateway and backend.
func (h *wrapperSetup) admins() issuers.Admins {
	return issuers.Admins{Issuers: []issuers.Issuer{{
		Issuer: adminIssuer, Audiences: []string{adminAudience}, Algorithms: []string{"ES256"}, JWKSFile: h.path("jwks.json"),
		Roles: issuers.Roles{Claim: adminClaim, Admin: []string{adminRole}},
	}}}
}

func (h *wrapperSetup) addGateway(number int, name string) (string, error) {
	var addresses [3]string
	for i := range addresses {
		var err error
		if addresses[i], err = freeport.Take(); err != nil {
			return "", err
		}
	}
	c := gateway.Config{
		Admin: gateway.AdminListener{Listen: addresses[1]},
		Users: &gateway.Users{
			Listen:   addresses[0],
			Realtime: gateway.Realtime{URL: h.s.SocketURL, DrainSeconds: 1},
		},
		Backend: gateway.Backend{URL: "http://" + h.backends.Address(), AssertionKeyFile: h.path("assertion")},
		Admins:  h.admins(),
		Redis:   &h.redis, HotFile: h.path("hot.yaml"), Audit: gateway.Audit{Path: filepath.Join(h.s.Logs(), "audit-"+name+".log")},
		ShutdownGraceSeconds: stopSeconds,
	}
	c.Telemetry.Listen = addresses[2]
	if h.w.Gateway != nil {
		h.w.Gateway(number, &c)
	}
	h.frontend.users.Add(c.Users.Listen)
	h.frontend.Gateways = append(h.frontend.Gateways, Replica{
		Name: name, Users: "http://" + c.Users.Listen, Admins: "http://" + c.Admin.Listen, Telemetry: "http://" + c.Telemetry.Listen, config: c,
	})
	return h.addRole(name, gatewayName, number, c, c.Telemetry.Listen)
}

func (h *wrapperSetup) addRole(name, role string, number int, config any, telemetry string) (string, error) {
	if err := h.configure(name, config); err != nil {
		return "", err
	}
	path := h.w.Program
	if h.w.Of != nil {
		path = cmp.Or(h.w.Of(role, number), path)
	}
	return h.s.add(
		name,
		program{path: path, args: []string{role, "--config", h.path(name + ".yaml")}, ready: serves("http://" + telemetry + "/readyz")},
	), nil
}

// configure writes the configuration of a process, which reads it at its start.
func (h *wrapperSetup) configure(name string, config any) error {
	content, err := yaml.Marshal(config)
	if err != nil {
		return fmt.Errorf("writing the configuration of %s: %w", name, err)
	}
	return h.write(name+".yaml", string(content))
}

// LimitSessions restarts backends and gateways with a bound on the lifetime of new sessions. 0 restores their first configuration.
func (s *Stack) LimitSessions(ctx context.Context, lifetime time.Duration) error {
	if s.wrapper == nil {
		return errors.New("OpenIM alone has no sessions")
	}
	seconds := int32(lifetime / time.Second)
	limits := session.Limits{LifetimeSeconds: seconds, IdleSeconds: seconds}
	for _, name := range slices.Sorted(maps.Keys(s.wrapper.configs)) {
		c := s.wrapper.configs[name]
		if lifetime > 0 {
			users := *c.Users
			users.Session = limits
			c.Users = &users
		}
		if err := s.reconfigure(ctx, name, c); err != nil {
			return err
		}
	}
	for _, gateway := range s.Frontend.Gateways {
		c := gateway.config
		if lifetime > 0 {
			users := *c.Users
			users.Session = limits
			c.Users = &users
		}
		if err := s.reconfigure(ctx, gateway.Name, c); err != nil {
			return err
		}
	}
	return nil
}

// reconfigure restarts a process with another configuration.
func (s *Stack) reconfigure(ctx context.Context, name string, config any) error {
	if err := s.wrapper.configure(name, config); err != nil {
		return err
	}
	return s.Restart(ctx, name)
}

// adminClaims are the claims of an administrator's token.
var adminClaims = identity.Claims{
	Issuer:   adminIssuer,
	Audience: adminAudience,
	Subject:  "root@example.com",
	Role:     adminClaim,
	Groups:   []string{adminRole},
}
