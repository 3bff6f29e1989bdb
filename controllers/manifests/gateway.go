package manifests

import (
	"path"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/wrapper/config"
)

// The wrapper's own paths. They repeat constants of wrapper/wire; test/contract compares them.
const (
	userPrefix = "/im/v1"
	socketPath = userPrefix + "/ws"
)

// addGateway adds the gateway, the only component that outside clients reach.
func (b *builder) addGateway() error {
	component := b.component(v1alpha1.ComponentGateway)
	mounts := &mounts{}
	spec := v1alpha1.GatewaySpec{}
	if b.stack.Spec.Wrapper.Gateway != nil {
		spec = *b.stack.Spec.Wrapper.Gateway
	}
	file := config.Gateway{
		Admin:     config.AdminListener{Listen: listen(component, graph.AdminPort)},
		Telemetry: config.Telemetry{Listen: listen(component, graph.TelemetryPort)},
		Backend: config.BackendEndpoint{
			URL:              "http://" + b.address(v1alpha1.ComponentBackend, graph.BackendPort),
			AssertionKeyFile: mounts.key("assertion", &b.facts.AssertionKey, "key"),
		},
		Debug:                config.Debug{Listen: debugListen},
		ShutdownGraceSeconds: shutdownGrace,
	}
	var err error
	if file.Tracing, err = tracing(b.stack); err != nil {
		return err
	}
	file.Admins = b.admins(mounts)
	if spec.TLS != nil {
		dir := mounts.secretDir(v1alpha1.VolumeCertificate, spec.TLS.SecretRef.Name,
			keyFile(corev1.TLSCertKey, corev1.TLSCertKey), keyFile(corev1.TLSPrivateKeyKey, corev1.TLSPrivateKeyKey))
		file.Admin.TLS = config.TLS{CertFile: path.Join(dir, corev1.TLSCertKey), KeyFile: path.Join(dir, corev1.TLSPrivateKeyKey)}
	}
	if audit := b.stack.Spec.Wrapper.Audit; audit != nil && audit.Output == v1alpha1.AuditStdout {
		file.Audit = config.AuditLog{Path: config.AuditStdout}
	}
	file.HotFile = b.mountHot(component, mounts)
	r := role{component: component, mounts: mounts, credentials: []string{b.facts.AssertionKeyHash}}
	if b.stack.Spec.Wrapper.Auth.Users != nil {
		drain := ptr.Deref(spec.DrainSeconds, config.DefaultDrainSeconds)
		file.Users = b.userListener(component, spec, file.Admin.TLS)
		file.Redis = b.redis(mounts)
		file.ShutdownGraceSeconds += drain
		r.graceSeconds = int64(file.ShutdownGraceSeconds + drain + stopMargin)
	}
	r.config = file
	r.trust(b)
	return b.addRole(r)
}

// userListener returns the users' listener. It has the certificate of the administrators' listener.
func (b *builder) userListener(component graph.Component, gateway v1alpha1.GatewaySpec, tls config.TLS) *config.UserListener {
	users := b.stack.Spec.Wrapper.Auth.Users
	return &config.UserListener{
		Listen:              listen(component, graph.UsersPort),
		TLS:                 tls,
		Session:             session(users),
		CodeLifetimeSeconds: ptr.Deref(ptr.Deref(users.Enrolment, v1alpha1.Enrolment{}).CodeLifetimeSeconds, config.DefaultCodeLifetimeSeconds),
		SocketToken:         string(users.SocketToken),
		Realtime: config.Realtime{
			URL:          "ws://" + b.address(string(openim.MsgGateway), string(openim.WebSocket)),
			MaxSockets:   ptr.Deref(gateway.MaxSockets, config.DefaultMaxSockets),
			DrainSeconds: ptr.Deref(gateway.DrainSeconds, config.DefaultDrainSeconds),
		},
	}
}

// Endpoints returns the URLs at which clients inside the cluster reach a stack: the gateway's, and OpenIM's own where the spec permits
// direct connections.
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
