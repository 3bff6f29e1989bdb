package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/insight"
	_ "github.com/openimstack/openim-operator/controllers/prober" // registers its metrics
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/gateway"
	"github.com/openimstack/openim-operator/wrapper/httpserver"
)

// ofOperator returns the metrics of the operator's registry, as cmd/manager fills it.
func ofOperator() ([]metric, error) {
	registry, ok := ctrlmetrics.Registry.(*prometheus.Registry)
	if !ok {
		return nil, errors.New("controller-runtime's registry has another type")
	}
	collector := insight.NewCollector(oneStack{})
	if err := registry.Register(collector); err != nil {
		return nil, err
	}
	defer registry.Unregister(collector)
	all, err := of("operator", registry)
	if err != nil {
		return nil, err
	}
	return sorted(all)
}

// oneStack is a cluster with one stack, which has something of everything that metrics tell of.
type oneStack struct{ client.Reader }

// List implements client.Reader.
func (oneStack) List(_ context.Context, to client.ObjectList, _ ...client.ListOption) error {
	list, ok := to.(*v1alpha1.OpenIMStackList)
	if !ok {
		return fmt.Errorf("listing %T: only stacks are known", to)
	}
	list.Items = []v1alpha1.OpenIMStack{{
		ObjectMeta: metav1.ObjectMeta{Namespace: "im", Name: "chat"},
		Status: v1alpha1.OpenIMStackStatus{
			Conditions: []metav1.Condition{{Type: v1alpha1.ConditionReady}},
			Rollout:    &v1alpha1.Rollout{Failure: &v1alpha1.RolloutFailure{}},
			Boundary:   &v1alpha1.Boundary{LastProbe: &v1alpha1.ProbeResult{Time: metav1.Now()}},
			Processes:  []v1alpha1.ProcessStatus{{Name: "api", Reason: "Waiting"}},
		},
	}}
	return nil
}

// What both roles need, with everything switched on. The listeners take free ports of this machine for the time of the generator.
const (
	common = `
telemetry: {listen: "127.0.0.1:0"}
shutdownGraceSeconds: 20
redis: {addresses: ["redis.example.com:6379"], passwordFile: /nonexistent/password, keyPrefix: "im/chat:"}
admins:
  issuers:
  - issuer: https://id.example.com
    audiences: [im]
    algorithms: [ES256]
    roles: {claim: groups, admin: [im-admins]}
    jwksURL: https://id.example.com/keys
`
	gatewayConfig = common + `
admin: {listen: "127.0.0.1:0"}
users: {listen: "127.0.0.1:0", realtime: {url: "ws://chat-msggateway.im.svc:10001"}}
backend: {url: "http://chat-backend.im.svc:8080", assertionKeyFile: /nonexistent/assertion}
`
	backendConfig = common + `
listen: "127.0.0.1:0"
assertionKeyFile: /nonexistent/assertion
mongodb: {uriFile: /nonexistent/uri, database: openim_v3}
custodyKeyFile: /nonexistent/custody
users: {audience: "https://im.example.com", serverKeysDir: /nonexistent/login}
openim:
  apiURL: http://chat-api.im.svc:10002
  adminUserID: imAdmin
  secretFile: /nonexistent/secret
  release: v3.8.3
  externalURL: https://im.example.com/im/v1
`
)

// ofWrapper returns the metrics of both roles.
func ofWrapper() ([]metric, error) {
	g, err := gateway.ParseConfig([]byte(gatewayConfig))
	if err != nil {
		return nil, err
	}
	b, err := backend.ParseConfig([]byte(backendConfig))
	if err != nil {
		return nil, err
	}
	var all []metric
	for _, role := range []struct {
		name string
		open func(version string, log *slog.Logger, now func() time.Time) (*httpserver.App, error)
	}{
		{"gateway", func(v string, log *slog.Logger, now func() time.Time) (*httpserver.App, error) {
			return gateway.New(g, v, log, now)
		}},
		{"backend", func(v string, log *slog.Logger, now func() time.Time) (*httpserver.App, error) {
			return backend.New(b, v, log, now)
		}},
	} {
		app, err := role.open("v0.0.0", slog.New(slog.DiscardHandler), time.Now)
		if err != nil {
			return nil, fmt.Errorf("building the %s: %w", role.name, err)
		}
		found, err := of(role.name, app.Metrics)
		for _, s := range append(app.More, app.Main, app.Telemetry) {
			s.Close()
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", role.name, err)
		}
		all = append(all, found...)
	}
	for _, m := range all {
		if strings.Contains(m.help, "/nonexistent") {
			return nil, fmt.Errorf("metric %s: the help depends on the configuration: write one text", m.name)
		}
	}
	return sorted(all)
}
