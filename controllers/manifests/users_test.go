package manifests_test

import (
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
)

// changed builds a case of testdata after a change of its spec.
func changed(t *testing.T, folder string, change func(*v1alpha1.OpenIMStackSpec)) []client.Object {
	t.Helper()
	stack, cluster := read(t, folder)
	change(&stack.Spec)
	return manifeststest.Children(t, stack, cluster)
}

func deploymentOf(t *testing.T, objects []client.Object, component string) *appsv1.Deployment {
	t.Helper()
	all := deployments(objects)
	i := slices.IndexFunc(all, func(d *appsv1.Deployment) bool { return d.Labels[v1alpha1.LabelComponent] == component })
	NewWithT(t).Expect(i).To(BeNumerically(">=", 0), component)
	return all[i]
}

func hotMap(t *testing.T, objects []client.Object) *corev1.ConfigMap {
	t.Helper()
	for _, o := range objects {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Name == "chat-gateway"+manifests.HotSuffix {
			return c
		}
	}
	return nil
}

// Each case is a change of a stack with users, and the roles of the wrapper that restart for the change.
func TestWhatRestartsTheWrapper(t *testing.T) {
	type spec = v1alpha1.OpenIMStackSpec
	_, before := build(t, "testdata/users")
	for _, c := range []struct {
		name             string
		change           func(*spec)
		gateway, backend bool
		hot              bool
	}{
		{"nothing", func(*spec) {}, false, false, false},
		{"limits", func(s *spec) {
			s.Wrapper.Limits = &v1alpha1.Limits{Classes: []v1alpha1.LimitClass{{Name: "message", PerSecond: resource.MustParse("1500m"), Burst: 3,
				By: []v1alpha1.LimitKey{v1alpha1.LimitByUser}}}}
		}, false, false, true},
		{"rules", func(s *spec) {
			s.Wrapper.Policy = &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{{Name: "none", Expression: "true", Message: "never"}}}
		}, false, false, true},
		{"origins", func(s *spec) { s.Wrapper.Auth.Users.Origins = []v1alpha1.Origin{"https://chat.example.com"} }, false, false, true},
		{"trusted proxies", func(s *spec) { s.Wrapper.Auth.Users.TrustedProxies = []v1alpha1.CIDR{"10.0.0.0/8"} }, false, false, true},
		{"the clients", func(s *spec) {
			s.Network = &v1alpha1.Network{Clients: []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}}
		}, false, false, false},
		{"audience", func(s *spec) { s.Wrapper.Auth.Users.Audience = "https://other.example.com" }, false, true, false},
		{"session", func(s *spec) {
			s.Wrapper.Auth.Users.Session = &v1alpha1.UserSession{IdleSeconds: ptr.To[int32](60)}
		}, true, true, false},
		{"issuers", func(s *spec) { s.Wrapper.Auth.Admins.Issuers[0].Audiences = []string{"another"} }, true, true, false},
		{"how long a code is good", func(s *spec) {
			s.Wrapper.Auth.Users.Enrolment = &v1alpha1.Enrolment{CodeLifetimeSeconds: ptr.To[int32](60)}
		}, true, false, false},
		{"what opens a socket", func(s *spec) { s.Wrapper.Auth.Users.SocketToken = v1alpha1.SocketTicketOnly }, true, false, false},
		{"drain", func(s *spec) { s.Wrapper.Gateway = &v1alpha1.GatewaySpec{DrainSeconds: ptr.To[int32](60)} }, true, false, false},
		{"release", func(s *spec) { s.Version = "v3.8.3-patch.5" }, false, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			after := changed(t, "testdata/users", c.change)
			for role, restarted := range map[string]bool{v1alpha1.ComponentGateway: c.gateway, v1alpha1.ComponentBackend: c.backend} {
				same := Equal(deploymentOf(t, before, role).Spec.Template)
				if restarted {
					same = Not(same)
				}
				g.Expect(deploymentOf(t, after, role).Spec.Template).To(same, role)
			}
			same := Equal(hotMap(t, before).Data)
			if c.hot {
				same = Not(same)
			}
			g.Expect(hotMap(t, after).Data).To(same, "what is read again while the gateway runs")
		})
	}
}

// The wrapper reads the credentials of its stores and the keys that verify callers again while it runs: a new password closes no socket,
// and an urgent replacement of a key takes effect in gateway and backend at once.
func TestNewCredentialsAndKeysRestartNothingOfTheWrapper(t *testing.T) {
	_, before := build(t, "testdata/everything")
	stack, cluster := read(t, "testdata/everything")
	for _, o := range cluster {
		secret, ok := o.(*corev1.Secret)
		if !ok {
			continue
		}
		var another string
		switch secret.Name {
		case "redis-wrapper", "mongodb-wrapper", "redis-ca", "chat-custody", "own-login-keys", "im-tls", "jwks-ca":
			another = "another"
		case "jwks":
			another = `{"keys":[{"kid":"another"}]}`
		default:
			continue
		}
		for key := range secret.Data {
			secret.Data[key] = []byte(another)
		}
	}
	facts, problems, err := dependencies.Resolve(t.Context(), fake.NewClientBuilder().WithObjects(cluster...).Build(), stack)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(problems).To(BeEmpty())
	after, err := manifests.Build(stack, facts, manifests.Options{})
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	for _, role := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
		NewWithT(t).Expect(deploymentOf(t, after, role).Spec.Template).To(Equal(deploymentOf(t, before, role).Spec.Template), role)
	}
}

// A pod that is killed while it drains drops the sockets that it would have closed in order.
func TestAGatewayHasTimeToDrain(t *testing.T) {
	for drain, want := range map[int32]int64{1: 32, 10: 50, 300: 630} {
		objects := changed(t, "testdata/users",
			func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Gateway = &v1alpha1.GatewaySpec{DrainSeconds: &drain} })
		d := deploymentOf(t, objects, v1alpha1.ComponentGateway)
		NewWithT(t).Expect(*d.Spec.Template.Spec.TerminationGracePeriodSeconds).To(Equal(want), "%d", drain)
		NewWithT(t).Expect(d.Spec.Strategy.RollingUpdate.MaxUnavailable.IntValue()).To(BeZero(), "the old pod serves until the new one does")
	}
}

// With a budget for a single pod its node could never be drained.
func TestARoleWithSeveralPodsLosesOneAtATime(t *testing.T) {
	for replicas, want := range map[int32]int{1: 0, 2: 1} {
		var found []*policyv1.PodDisruptionBudget
		for _, o := range changed(t, "testdata/users", func(s *v1alpha1.OpenIMStackSpec) {
			s.Wrapper.Gateway = &v1alpha1.GatewaySpec{ProcessSpec: v1alpha1.ProcessSpec{Replicas: &replicas}}
			s.Wrapper.Backend = &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](1)}
		}) {
			if budget, ok := o.(*policyv1.PodDisruptionBudget); ok && budget.Labels[v1alpha1.LabelName] == v1alpha1.NameWrapper {
				found = append(found, budget)
			}
		}
		NewWithT(t).Expect(found).To(HaveLen(want), "%d replicas", replicas)
		for _, budget := range found {
			NewWithT(t).Expect(budget.Spec.MaxUnavailable.IntValue()).To(Equal(1))
			NewWithT(t).Expect(budget.Spec.Selector.MatchLabels).To(HaveKeyWithValue(v1alpha1.LabelComponent, v1alpha1.ComponentGateway))
		}
	}
}

// The gateway is the exposed component. An attacker in the gateway must find no credential of OpenIM.
func TestTheGatewayHoldsNoSecretOfTheBackends(t *testing.T) {
	for _, folder := range []string{"testdata/users", "testdata/everything"} {
		_, objects := build(t, folder)
		secrets := func(role string) []string {
			var names []string
			for _, v := range deploymentOf(t, objects, role).Spec.Template.Spec.Volumes {
				if v.Secret != nil {
					names = append(names, v.Secret.SecretName)
				}
			}
			return names
		}
		for _, forbidden := range []string{
			"chat-share-secret", "own-share-secret", "chat-custody", "mongodb", "mongodb-wrapper", "chat-login", "own-login-keys",
		} {
			NewWithT(t).Expect(secrets(v1alpha1.ComponentGateway)).NotTo(ContainElement(forbidden), folder)
		}
		NewWithT(t).Expect(secrets(v1alpha1.ComponentBackend)).To(ContainElement("chat-custody"), folder)
		NewWithT(t).Expect(secrets(v1alpha1.ComponentBackend)).To(ContainElement(Or(Equal("chat-login"), Equal("own-login-keys"))), folder)
	}
}

// A file that is mounted as a subPath never follows its object, and a mount point inside a read-only volume cannot be created.
func TestMountedFilesFollowTheirObject(t *testing.T) {
	for _, folder := range []string{"testdata/minimal", "testdata/users", "testdata/everything"} {
		_, objects := build(t, folder)
		for _, role := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
			mounts := deploymentOf(t, objects, role).Spec.Template.Spec.Containers[0].VolumeMounts
			for _, m := range mounts {
				NewWithT(t).Expect(m.SubPath+m.SubPathExpr).To(BeEmpty(), m.Name)
				NewWithT(t).Expect(m.ReadOnly).To(BeTrue(), m.Name)
				for _, other := range mounts {
					NewWithT(t).Expect(strings.HasPrefix(m.MountPath, other.MountPath+"/")).To(BeFalse(), "%s is inside %s", m.MountPath, other.MountPath)
				}
			}
		}
	}
}

func TestTheUsersPortIsThereOnlyForUsers(t *testing.T) {
	for folder, want := range map[string]bool{"testdata/minimal": false, "testdata/users": true} {
		_, objects := build(t, folder)
		var service, container bool
		for _, o := range objects {
			if s, ok := o.(*corev1.Service); ok && s.Name == "chat-gateway" {
				service = slices.ContainsFunc(s.Spec.Ports, func(p corev1.ServicePort) bool { return p.Name == graph.UsersPort })
			}
		}
		for _, p := range deploymentOf(t, objects, v1alpha1.ComponentGateway).Spec.Template.Spec.Containers[0].Ports {
			container = container || p.Name == graph.UsersPort
		}
		NewWithT(t).Expect([]bool{service, container}).To(HaveEach(want), folder)
		NewWithT(t).Expect(hotMap(t, objects) != nil).To(Equal(want), folder)
	}
}

func TestEndpointsTellWhereUsersComeIn(t *testing.T) {
	minimal, _ := read(t, "testdata/minimal")
	users, _ := read(t, "testdata/users")
	everything, _ := read(t, "testdata/everything")
	g := NewWithT(t)
	g.Expect(*manifests.Endpoints(minimal)).To(Equal(v1alpha1.Endpoints{Gateway: "http://chat-gateway.im.svc:8081"}))
	g.Expect(*manifests.Endpoints(users)).To(Equal(v1alpha1.Endpoints{
		Gateway: "http://chat-gateway.im.svc:8081", Users: "http://chat-gateway.im.svc:8082", Realtime: "ws://chat-gateway.im.svc:8082/im/v1/ws",
	}))
	g.Expect(manifests.Endpoints(everything).Realtime).To(Equal("wss://chat-gateway.im.svc:8082/im/v1/ws"))
}

// Limits without users apply to administrators' calls.
func TestLimitsAndRulesNeedNoUsers(t *testing.T) {
	objects := changed(t, "testdata/minimal", func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Policy = &v1alpha1.Policy{Rules: []v1alpha1.PolicyRule{{Name: "r", Expression: "true", Message: "m"}}}
	})
	NewWithT(t).Expect(hotMap(t, objects).Data["hot.yaml"]).To(ContainSubstring("expression: \"true\""))
}

// crontask is the one component of which two must never run.
func TestEveryComponentThatMayHaveSeveralPodsHasABudget(t *testing.T) {
	g := NewWithT(t)
	_, objects := build(t, "testdata/pods")
	budgets, deployments := map[string]string{}, map[string]bool{}
	for _, o := range objects {
		switch object := o.(type) {
		case *policyv1.PodDisruptionBudget:
			budgets[object.Labels[v1alpha1.LabelComponent]] = object.Spec.MaxUnavailable.String()
		case *appsv1.Deployment:
			deployments[object.Labels[v1alpha1.LabelComponent]] = true
		}
	}
	delete(deployments, string(openim.CronTask))
	g.Expect(budgets).To(HaveLen(len(deployments)))
	for component := range deployments {
		g.Expect(budgets).To(HaveKey(component))
	}
	g.Expect(budgets).To(And(HaveKeyWithValue("push", "2"), HaveKeyWithValue("rpc-msg", "25%"), HaveKeyWithValue("gateway", "50%"),
		HaveKeyWithValue("backend", "1")))
}
