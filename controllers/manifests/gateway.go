package manifests

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
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
		Admin:     doorConfig{Listen: listen(component, graph.AdminPort)},
		Telemetry: listener{Listen: listen(component, graph.TelemetryPort)},
		Backend: backendReference{
			URL:              "http://" + b.address(v1alpha1.ComponentBackend, graph.BackendPort),
			AssertionKeyFile: mounts.key("assertion", &b.facts.AssertionKey, "key"),
		},
		Tracing:              tracing(b.stack),
		Debug:                &listener{Listen: debugListen},
		ShutdownGraceSeconds: shutdownGrace,
	}
	config.Admins = b.admins(mounts)
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
		config.Users = b.users(component, spec, config.Admin.TLS)
		config.Redis = b.redis(mounts)
		config.ShutdownGraceSeconds += drain
		r.graceSeconds = int64(config.ShutdownGraceSeconds + drain + stopMargin)
	}
	r.config = config
	return b.addRole(r)
}

// users is the users' door. It has the certificate of the administrators' one.
func (b *builder) users(component graph.Component, gateway v1alpha1.GatewaySpec, tls *tlsConfig) *usersConfig {
	users := b.stack.Spec.Wrapper.Auth.Users
	return &usersConfig{
		doorConfig:          doorConfig{Listen: listen(component, graph.UsersPort), TLS: tls},
		Session:             session(users),
		CodeLifetimeSeconds: ptr.Deref(ptr.Deref(users.Enrolment, v1alpha1.Enrolment{}).CodeLifetimeSeconds, defaultCodeLifetime),
		SocketToken:         string(users.SocketToken),
		Realtime: realtimeConfig{
			URL:          "ws://" + b.address(string(openim.MsgGateway), string(openim.WebSocket)),
			MaxSockets:   ptr.Deref(gateway.MaxSockets, defaultMaxSockets),
			DrainSeconds: ptr.Deref(gateway.DrainSeconds, defaultDrain),
		},
	}
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
	endpoints.Gateway = "http" + secure + "://" + b.address(v1alpha1.ComponentGateway, graph.AdminPort)
	if b.stack.Spec.Wrapper.Auth.Users != nil {
		address := b.address(v1alpha1.ComponentGateway, graph.UsersPort)
		endpoints.Users = "http" + secure + "://" + address
		endpoints.Realtime = "ws" + secure + "://" + address + socketPath
	}
}
