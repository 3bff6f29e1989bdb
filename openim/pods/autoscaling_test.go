package pods_test

import (
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/openim/pods"
)

func specOf(t *testing.T, text string) *v1alpha1.OpenIMStackSpec {
	t.Helper()
	spec := &v1alpha1.OpenIMStackSpec{}
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(text), spec)).To(Succeed())
	return spec
}

func TestWhichAutoscalingAComponentHas(t *testing.T) {
	spec := specOf(t, `
processes: {rpc: {auth: {resources: {requests: {cpu: 200m}}}, user: {resources: {requests: {cpu: 0}, limits: {cpu: 1}}}}}
pods:
  components:
  - {name: rpc-msg, autoscaling: {minReplicas: 2, maxReplicas: 20, targets: [{metric: cpu, percent: 60}, {metric: calls, average: "50"}]}}
  - {name: openim, autoscaling: {maxReplicas: 3}}
  - {name: rpc, autoscaling: {maxReplicas: 6}}
  - {name: rpc-third, autoscaling: {mode: External}}
  - {name: wrapper, autoscaling: {maxReplicas: 9}}
  - {name: backend, autoscaling: {maxReplicas: 1}}
`)
	for component, want := range map[string]string{
		"api": "1 to 3 pods by cpu 500m", "rpc-friend": "1 to 6 pods by cpu 500m", "rpc-msg": "2 to 20 pods by cpu 60%, calls 50",
		"rpc-auth": "1 to 6 pods by cpu 70%", "rpc-user": "1 to 6 pods by cpu 500m", "rpc-third": "External",
		"gateway": "2 to 9 pods by cpu 500m", "backend": "1 to 1 pods by cpu 500m", "crontask": "", "check": "", "nobody": "",
	} {
		got := ""
		if s := pods.ScalingOf(spec, component); s != nil && component != "nobody" {
			got = s.String()
		}
		NewWithT(t).Expect(got).To(Equal(want), component)
	}
	NewWithT(t).Expect(pods.ScalingOf(specOf(t, "pods: {userIDs: Fixed}"), "api")).To(BeNil())
	NewWithT(t).Expect(pods.ScalingOf(specOf(t, "{}"), "api")).To(BeNil())
}

func TestAutoscalingThatIsRefused(t *testing.T) {
	const eight = "SettingRefused spec.pods.components[openim].autoscaling: maxReplicas is 9, and each topic of the stack has 8 partitions, " +
		"so that further pods of "
	const all = "pods: {components: [{name: openim, autoscaling: {maxReplicas: 9}}]}\n"
	own := func(name, most string) string {
		return "pods: {components: [{name: openim, autoscaling: {maxReplicas: 8}}, " +
			"{name: " + name + ", autoscaling: {maxReplicas: " + most + "}}]}\n"
	}
	topics := func(text string) string { return "dependencies: {kafka: {topics: " + text + "}}\n" }
	for _, c := range []struct {
		name, spec string
		want       []string // reason, field: start of the text
	}{
		{"nothing", "{}", nil},
		{"topics that others make", all + topics("{prefix: a}"), nil},
		{"up to the partitions", own("push", "8") + topics("{management: Create}"), nil},
		{"above the default partitions", all + topics("{management: Create}"), []string{
			eight + "msgtransfer", eight + "push",
		}},
		{"above its own partitions", own("msgtransfer", "25") + topics("{management: Create, partitions: 24}"), []string{
			"SettingRefused spec.pods.components[msgtransfer].autoscaling: maxReplicas is 25, and each topic of the stack has 24 partitions",
		}},
		{"who reads no topic", own("api", "100") + topics("{management: Create}"), nil},
		{"a number beside it", "processes: {rpc: {auth: {replicas: 2}}}\n" + own("rpc", "2"), []string{
			"InvalidSpec spec.pods.components[rpc].autoscaling: spec.processes.rpc.auth.replicas is a number of its own for rpc-auth",
		}},
		{"a number beside the freedom to scale",
			"wrapper: {gateway: {replicas: 2}}\npods: {components: [{name: gateway, autoscaling: {mode: External}}]}",
			[]string{"InvalidSpec spec.pods.components[gateway].autoscaling: spec.wrapper.gateway.replicas is a number of its own for gateway"}},
		{"a number of 0", "processes: {api: {replicas: 0}}\n" + own("api", "2"), []string{"InvalidSpec spec.pods.components[api].autoscaling: "}},
		{"a number of a gateway that is not there", "wrapper: {gateway: {replicas: 2}, externalRef: {podSelector: {}}}\n" +
			"pods: {components: [{name: gateway, autoscaling: {maxReplicas: 2}}]}", nil},
		{"a share of nothing", "processes: {api: {resources: {requests: {memory: 0}}}}\n" +
			"pods: {components: [{name: api, autoscaling: {maxReplicas: 2, targets: [{metric: cpu, percent: 9}, {metric: memory, percent: 9}]}}]}",
			[]string{"SettingRefused spec.pods.components[api].autoscaling: percent of memory is a share of the request, and " +
				"spec.processes.api.resources.requests.memory is 0"}},
		{"an average beside no request", "processes: {api: {resources: {requests: {cpu: 0}}}}\n" + own("api", "2"), nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			found := pods.RefusedScaling(specOf(t, c.spec))
			g.Expect(found).To(HaveLen(len(c.want)), "%v", found)
			for i, want := range c.want {
				g.Expect(found[i].Reason + " " + found[i].Field + ": " + found[i].Why).To(HavePrefix(want))
			}
		})
	}
	many := specOf(t, all)
	many.Processes = &v1alpha1.Processes{RPC: &v1alpha1.RPCProcesses{}}
	one := &v1alpha1.ProcessSpec{Replicas: ptr.To[int32](1)}
	rpc := many.Processes.RPC
	rpc.Auth, rpc.Conversation, rpc.Friend, rpc.Group, rpc.Msg, rpc.Third, rpc.User = one, one, one, one, one, one, one
	many.Processes.API, many.Processes.Push, many.Processes.MsgGateway = one, one, one
	NewWithT(t).Expect(pods.RefusedScaling(many)).To(HaveLen(8))
}

// Every component that may have several pods has an entry in the status, whatever the length of its metrics, and the schema takes them all.
func TestAutoscalingInTheStatus(t *testing.T) {
	g := NewWithT(t)
	long := strings.Repeat("m", 128)
	targets := []v1alpha1.ScalingTarget{{Metric: long, Average: "1"}, {Metric: long + "2", Average: "1"}}
	spec := &v1alpha1.OpenIMStackSpec{Pods: &v1alpha1.Pods{}}
	for _, group := range []v1alpha1.PodsName{"openim", "wrapper"} {
		spec.Pods.Components = append(spec.Pods.Components, v1alpha1.ComponentPods{
			Name: group, Autoscaling: &v1alpha1.Autoscaling{MaxReplicas: ptr.To[int32](4), Targets: targets},
		})
	}
	all := pods.Effective(spec, false)
	g.Expect(all).To(HaveLen(1 + len(openim.Processes()) - 1 + 2))
	g.Expect(len(all)).To(BeNumerically("<=", 32), "openim.Settings has at most 32 more, and the schema takes 64")
	for _, v := range all {
		g.Expect(len(v.Name)).To(BeNumerically("<=", 64), v.Name)
		g.Expect(len(v.Value)).To(BeNumerically("<=", 256), v.Name)
	}
}

// What the schema admits as a quantity is one, so that the builder cannot fail.
func TestAveragesAreQuantities(t *testing.T) {
	for _, text := range []string{"1", "999999999", "500m", "8k", "1Ki", "999999999Gi", "3M", "4G", "5Mi"} {
		_, err := resource.ParseQuantity(text)
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), text)
	}
}
