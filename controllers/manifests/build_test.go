package manifests_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

func deployments(objects []client.Object) []*appsv1.Deployment {
	var found []*appsv1.Deployment
	for _, o := range objects {
		if d, ok := o.(*appsv1.Deployment); ok {
			found = append(found, d)
		}
	}
	return found
}

func TestPoliciesComeBeforeEverythingElse(t *testing.T) {
	_, objects := build(t, "testdata/minimal")
	var others bool
	for _, o := range objects {
		if _, policy := o.(*networkingv1.NetworkPolicy); policy {
			NewWithT(t).Expect(others).To(BeFalse(), "%s comes after something that it should seal", o.GetName())
			continue
		}
		others = true
	}
}

// Every pod satisfies restricted pod security, and the two additional rules that OpenIM needs.
func TestEveryPodIsRestricted(t *testing.T) {
	stack, objects := build(t, "testdata/everything")
	all := deployments(objects)
	NewWithT(t).Expect(all).To(HaveLen(len(graph.DeploymentsOf(stack))))
	all = append(all, deployments(manifeststest.Check(t, "testdata/everything"))...)
	for _, d := range all {
		g := NewWithT(t)
		pod := d.Spec.Template.Spec
		g.Expect(*pod.AutomountServiceAccountToken).To(BeFalse(), d.Name)
		g.Expect(*pod.EnableServiceLinks).To(BeFalse(), d.Name)
		g.Expect(*pod.SecurityContext.RunAsNonRoot).To(BeTrue(), d.Name)
		g.Expect(pod.HostNetwork || pod.HostPID || pod.HostIPC).To(BeFalse(), d.Name)
		for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
			s := c.SecurityContext
			g.Expect(*s.ReadOnlyRootFilesystem).To(BeTrue(), d.Name)
			g.Expect(*s.AllowPrivilegeEscalation).To(BeFalse(), d.Name)
			g.Expect(s.Capabilities.Drop).To(ConsistOf(corev1.Capability("ALL")), d.Name)
			g.Expect(s.SeccompProfile.Type).To(Equal(corev1.SeccompProfileTypeRuntimeDefault), d.Name)
			for _, p := range c.Ports {
				g.Expect(p.HostPort).To(BeZero(), d.Name)
			}
			for _, e := range c.Env {
				g.Expect(e.Name).NotTo(BeElementOf("USER", "GROUP", "FRIEND", "CONVERSATION"), "%s: it would switch off a cache of OpenIM", d.Name)
			}
		}
	}
}

func TestSecretsNeverStandInConfiguration(t *testing.T) {
	_, cluster := read(t, "testdata/everything")
	var values []string
	for _, o := range cluster {
		if secret, ok := o.(*corev1.Secret); ok && secret.Name != "jwks" {
			for _, value := range secret.Data {
				if string(value) != "example" { // also part of host names
					values = append(values, string(value))
				}
			}
		}
	}
	NewWithT(t).Expect(values).NotTo(BeEmpty())
	_, objects := build(t, "testdata/everything")
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for _, value := range values {
			NewWithT(t).Expect(string(text)).NotTo(ContainSubstring(value), "%T %s", o, o.GetName())
		}
	}
}

func TestEveryRPCProcessRegistersItsPodsAddress(t *testing.T) {
	_, objects := build(t, "testdata/minimal")
	for _, d := range deployments(objects) {
		p, ok := openim.Lookup(openim.Name(d.Labels[v1alpha1.LabelComponent]))
		if _, grpc := p.Port(openim.GRPC); !ok || !grpc {
			continue
		}
		NewWithT(t).Expect(d.Spec.Template.Spec.Containers[0].Env).To(ContainElement(corev1.EnvVar{
			Name: openim.EnvName(p.OwnFile(), openim.KeyRegisterIP), Value: "$(POD_IP)",
		}), d.Name)
	}
}

func TestCrontaskRunsOnce(t *testing.T) {
	_, objects := build(t, "testdata/everything")
	for _, d := range deployments(objects) {
		if d.Labels[v1alpha1.LabelComponent] == string(openim.CronTask) {
			NewWithT(t).Expect(*d.Spec.Replicas).To(Equal(int32(1)))
			NewWithT(t).Expect(d.Spec.Strategy.Type).To(Equal(appsv1.RecreateDeploymentStrategyType))
		}
	}
}

// A readiness probe on an RPC port would be wrong: the port accepts connections before the process can serve them.
func TestNoProbeAsksAnRPCPort(t *testing.T) {
	_, supervised := build(t, "testdata/minimal")
	for _, d := range append(deployments(supervised), deployments(unsupervised(t, "testdata/minimal"))...) {
		c := d.Spec.Template.Spec.Containers[0]
		for _, probe := range []*corev1.Probe{c.StartupProbe, c.ReadinessProbe, c.LivenessProbe} {
			if probe == nil {
				continue
			}
			NewWithT(t).Expect(probe.HTTPGet).NotTo(BeNil(), d.Name)
			NewWithT(t).Expect(probe.HTTPGet.Port.StrVal).NotTo(Equal(string(openim.GRPC)), d.Name)
		}
	}
}

// The exception is the gateway's hot configuration: it keeps its name, so that a change reaches the running pods.
func TestConfigurationIsNamedByItsContent(t *testing.T) {
	g := NewWithT(t)
	names := func(folder string) map[string]string {
		_, objects := build(t, folder)
		found := map[string]string{}
		for _, o := range objects {
			if c, ok := o.(*corev1.ConfigMap); ok && c.Name != "chat-gateway"+manifests.HotSuffix {
				g.Expect(*c.Immutable).To(BeTrue())
				found[c.Labels[v1alpha1.LabelComponent]] = c.Name
			}
		}
		return found
	}
	one, again, other := names("testdata/minimal"), names("testdata/minimal"), names("testdata/everything")
	g.Expect(one).To(Equal(again))
	g.Expect(one["rpc-third"]).NotTo(Equal(other["rpc-third"]), "another object store is another configuration")
	for component, name := range one {
		g.Expect(name).To(HavePrefix("chat-"+component+"-"), component)
	}
}

func TestBothImageLayoutsRunOneBinaryAsProcessOne(t *testing.T) {
	g := NewWithT(t)
	upstream, ours := unsupervised(t, "testdata/minimal"), unsupervised(t, "testdata/everything")
	for _, d := range deployments(upstream) {
		if p, ok := openim.Lookup(openim.Name(d.Labels[v1alpha1.LabelComponent])); ok {
			g.Expect(d.Spec.Template.Spec.Containers[0].Command[:2]).To(Equal([]string{"/bin/sh", "-c"}))
			g.Expect(d.Spec.Template.Spec.Containers[0].Command[2]).To(And(HavePrefix("exec "), ContainSubstring("/"+p.Binary+" ")))
			g.Expect(d.Spec.Template.Spec.Containers[0].Image).To(Equal("openim/openim-server:v3.8.3-patch.16"))
		}
	}
	for _, d := range deployments(ours) {
		if p, ok := openim.Lookup(openim.Name(d.Labels[v1alpha1.LabelComponent])); ok {
			g.Expect(d.Spec.Template.Spec.Containers[0].Command).To(Equal([]string{"/openim/bin/" + p.Binary}))
			g.Expect(strings.Contains(d.Spec.Template.Spec.Containers[0].Image, "@sha256:")).To(BeTrue())
		}
	}
}

func TestTwoStacksInOneNamespaceSelectDifferentPods(t *testing.T) {
	_, objects := build(t, "testdata/minimal")
	for _, o := range objects {
		var selector map[string]string
		switch o := o.(type) {
		case *appsv1.Deployment:
			selector = o.Spec.Selector.MatchLabels
		case *corev1.Service:
			selector = o.Spec.Selector
		case *networkingv1.NetworkPolicy:
			selector = o.Spec.PodSelector.MatchLabels
		default:
			continue
		}
		NewWithT(t).Expect(selector).To(HaveKeyWithValue(v1alpha1.LabelInstance, "chat"), "%T %s", o, o.GetName())
	}
}

// A policy applies to the container's port. A policy that named a Service's port, or a port that no container has, would open nothing, or
// another port.
func TestPoliciesLetInAtPortsOfTheirContainers(t *testing.T) {
	for _, folder := range []string{"testdata/minimal", "testdata/everything", "testdata/own"} {
		_, objects := build(t, folder)
		ports := map[string][]int32{}
		for _, d := range deployments(objects) {
			for _, p := range d.Spec.Template.Spec.Containers[0].Ports {
				ports[d.Labels[v1alpha1.LabelComponent]] = append(ports[d.Labels[v1alpha1.LabelComponent]], p.ContainerPort)
			}
		}
		var rules int
		for _, o := range objects {
			policy, ok := o.(*networkingv1.NetworkPolicy)
			if !ok {
				continue
			}
			for _, rule := range policy.Spec.Ingress {
				for _, p := range rule.Ports {
					rules++
					NewWithT(t).Expect(ports[policy.Labels[v1alpha1.LabelComponent]]).To(ContainElement(p.Port.IntVal), "%s: %s", folder, policy.Name)
				}
			}
		}
		NewWithT(t).Expect(rules).To(BeNumerically(">", 30), folder)
	}
}

// A stack with an external wrapper has no gateway and no backend, and the Services of the components that it opens name the exception.
func TestAWrapperOfOnesOwnLeavesNoGatewayBehind(t *testing.T) {
	stack, objects := build(t, "testdata/own")
	for _, o := range objects {
		g := NewWithT(t)
		g.Expect(o.GetLabels()[v1alpha1.LabelComponent]).NotTo(BeElementOf(v1alpha1.ComponentGateway, v1alpha1.ComponentBackend), "%T %s", o,
			o.GetName())
		if service, ok := o.(*corev1.Service); ok {
			opened := map[string]string{"chat-api": "OwnWrapper", "chat-msggateway": "OwnWrapper"}
			g.Expect(service.Annotations[v1alpha1.AnnotationExceptions]).To(Equal(opened[service.Name]), service.Name)
		}
	}
	NewWithT(t).Expect(*manifests.Endpoints(stack)).To(Equal(v1alpha1.Endpoints{API: "http://chat-api.im.svc:10002",
		WebSocket: "ws://chat-msggateway.im.svc:10001"}))
}

// A template of spec.pods must not name a volume of the operator: openim/pods has their names, and refuses them.
func TestVolumesOfTheOperatorAreReserved(t *testing.T) {
	for _, name := range manifeststest.Cases(t, "testdata") {
		_, objects := build(t, filepath.Join("testdata", name))
		for _, d := range deployments(objects) {
			for _, v := range d.Spec.Template.Spec.Volumes {
				raw := fmt.Sprintf(`{"spec":{"volumes":[{"name":%q,"emptyDir":{}}]}}`, v.Name)
				stack := &v1alpha1.OpenIMStack{}
				stack.Spec.Pods = &v1alpha1.Pods{Template: &runtime.RawExtension{Raw: []byte(raw)}}
				NewWithT(t).Expect(pods.Refusals(stack, pods.Elsewhere{})).NotTo(BeEmpty(), "%s of %s", v.Name, d.Name)
			}
		}
	}
}

// Templates of spec.pods may read a Secret of the stack when all their components do: openim/pods has the fields whose Secrets a component
// reads, and this compares them with the pods.
func TestComponentsReadTheSecretsOfTheirRows(t *testing.T) {
	compared := map[string]bool{}
	for _, name := range manifeststest.Cases(t, "testdata") {
		stack, objects := build(t, filepath.Join("testdata", name))
		for secret, fields := range pods.References(&stack.Spec) {
			for _, field := range fields {
				for _, d := range deployments(objects) {
					component := d.Labels[v1alpha1.LabelComponent]
					if !pods.Reads(component, field) {
						continue
					}
					compared[field] = true
					text, err := json.Marshal(d.Spec.Template.Spec)
					NewWithT(t).Expect(err).NotTo(HaveOccurred())
					NewWithT(t).Expect(string(text)).To(MatchRegexp(`ame":"`+secret+`"`), "%s: %s reads %s", name, component, field)
				}
			}
		}
	}
	NewWithT(t).Expect(len(compared)).To(BeNumerically(">", 8), "%v", compared)
}
