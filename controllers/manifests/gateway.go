package manifests

import (
	"path"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/lockdown"
	"github.com/openimstack/openim-operator/controllers/openim"
)

// The wrapper's own paths, as its package wire has them. A test compares the two.
const (
	userPrefix = "/im/v1"
	socketPath = userPrefix + "/ws"
)

// Defaults of the users' door.
const (
	defaultMaxSockets   int32 = 20000
	defaultDrain        int32 = 10 // seconds
	defaultLifetime     int32 = 86400
	defaultIdle         int32 = 3600
	defaultCodeLifetime int32 = 600
)

// addGateway adds the only way in.
func (b *builder) addGateway() error {
	component := b.component(v1alpha1.ComponentGateway)
	mounts := &mounts{}
	spec := v1alpha1.GatewaySpec{}
	if b.stack.Spec.Wrapper.Gateway != nil {
		spec = *b.stack.Spec.Wrapper.Gateway
	}
	config := gatewayConfig{
		Admin:     doorConfig{Listen: listen(component, lockdown.AdminPort)},
		Telemetry: listener{Listen: listen(component, lockdown.TelemetryPort)},
		Backend: backendReference{
			URL:              "http://" + b.address(v1alpha1.ComponentBackend, lockdown.BackendPort),
			AssertionKeyFile: mounts.key("assertion", &b.facts.AssertionKey, "key"),
		},
		Tracing:              tracing(b.stack),
		Debug:                &listener{Listen: debugListen},
		ShutdownGraceSeconds: shutdownGrace,
	}
	config.Admins.Issuers = b.issuers(mounts)
	if spec.TLS != nil {
		dir := mounts.secretDir("tls", spec.TLS.SecretRef.Name, keyFile(corev1.TLSCertKey, corev1.TLSCertKey), keyFile(corev1.TLSPrivateKeyKey, corev1.TLSPrivateKeyKey))
		config.Admin.TLS = &tlsConfig{CertFile: path.Join(dir, corev1.TLSCertKey), KeyFile: path.Join(dir, corev1.TLSPrivateKeyKey)}
	}
	if audit := b.stack.Spec.Wrapper.Audit; audit != nil && audit.Output == v1alpha1.AuditStdout {
		config.Audit = &auditConfig{Path: "stdout"}
	}
	if err := b.addHot(component, mounts, &config); err != nil {
		return err
	}
	r := role{component: component, mounts: mounts, size: effective(&spec.ProcessSpec, wrapperReplicas), credentials: []string{b.facts.AssertionKeyHash}}
	if b.stack.Spec.Wrapper.Auth.Users != nil {
		drain := ptr.Deref(spec.DrainSeconds, defaultDrain)
		config.Users = b.users(component, mounts, spec, config.Admin.TLS)
		config.Redis = b.redis(mounts)
		config.ShutdownGraceSeconds += drain
		r.graceSeconds = int64(config.ShutdownGraceSeconds + drain + stopMargin)
	}
	r.config = config
	return b.addRole(r)
}

// users is the users' door. It has the certificate of the administrators' one.
func (b *builder) users(component lockdown.Component, mounts *mounts, gateway v1alpha1.GatewaySpec, tls *tlsConfig) *usersConfig {
	users := b.stack.Spec.Wrapper.Auth.Users
	session, enrolment := ptr.Deref(users.Session, v1alpha1.UserSession{}), ptr.Deref(users.Enrolment, v1alpha1.Enrolment{})
	return &usersConfig{
		doorConfig:    doorConfig{Listen: listen(component, lockdown.UsersPort), TLS: tls},
		Audience:      users.Audience,
		ServerKeysDir: mounts.secretDir("login", b.facts.Wrapper.LoginSecret),
		Session: sessionConfig{
			LifetimeSeconds: ptr.Deref(session.LifetimeSeconds, defaultLifetime),
			// An hour, or the whole session when that is shorter.
			IdleSeconds: ptr.Deref(session.IdleSeconds, min(defaultIdle, ptr.Deref(session.LifetimeSeconds, defaultLifetime))),
		},
		CodeLifetimeSeconds: ptr.Deref(enrolment.CodeLifetimeSeconds, defaultCodeLifetime),
		SocketToken:         string(users.SocketToken),
		Realtime: realtimeConfig{
			URL:          "ws://" + b.address(string(openim.MsgGateway), string(openim.WebSocket)),
			MaxSockets:   ptr.Deref(gateway.MaxSockets, defaultMaxSockets),
			DrainSeconds: ptr.Deref(gateway.DrainSeconds, defaultDrain),
		},
	}
}

func (b *builder) issuers(mounts *mounts) []issuerConfig {
	var all []issuerConfig
	for i, issuer := range b.stack.Spec.Wrapper.Auth.Admins.Issuers {
		number := strconv.Itoa(i)
		keys := b.facts.Wrapper.KeySets[i]
		all = append(all, issuerConfig{
			Issuer: issuer.Issuer, Audiences: issuer.Audiences, Algorithms: algorithms(issuer),
			JWKSFile: mounts.key("jwks-"+number, keys.File, "jwks.json"), JWKSURL: issuer.JWKS.URL,
			CAFile: mounts.key("ca-jwks-"+number, keys.CA, "ca.crt"),
			Roles:  rolesConfig{Claim: issuer.Roles.Claim, Admin: issuer.Roles.Admin},
		})
	}
	return all
}

func algorithms(issuer v1alpha1.Issuer) []string {
	if len(issuer.Algorithms) == 0 {
		return []string{"ES256"}
	}
	var out []string
	for _, a := range issuer.Algorithms {
		out = append(out, string(a))
	}
	return slices.Sorted(slices.Values(out))
}

// Endpoints are where a stack is reached from inside the cluster: at the gateway, or at OpenIM itself as far as the spec lets
// somebody in there.
func Endpoints(stack *v1alpha1.OpenIMStack) *v1alpha1.Endpoints {
	b := builder{stack: stack}
	endpoints := &v1alpha1.Endpoints{}
	own, network := stack.Spec.Wrapper.ExternalRef != nil, stack.Spec.Network
	if own {
		endpoints.API = "http://" + b.address(string(openim.API), string(openim.HTTP))
	}
	if own || network != nil && network.WebSocket == v1alpha1.WebSocketDirect {
		endpoints.WebSocket = "ws://" + b.address(string(openim.MsgGateway), string(openim.WebSocket))
	}
	if !own {
		b.gatewayEndpoints(endpoints)
	}
	return endpoints
}

func (b *builder) gatewayEndpoints(endpoints *v1alpha1.Endpoints) {
	secure := ""
	if gateway := b.stack.Spec.Wrapper.Gateway; gateway != nil && gateway.TLS != nil {
		secure = "s"
	}
	endpoints.Gateway = "http" + secure + "://" + b.address(v1alpha1.ComponentGateway, lockdown.AdminPort)
	if b.stack.Spec.Wrapper.Auth.Users != nil {
		address := b.address(v1alpha1.ComponentGateway, lockdown.UsersPort)
		endpoints.Users = "http" + secure + "://" + address
		endpoints.Realtime = "ws" + secure + "://" + address + socketPath
	}
}
