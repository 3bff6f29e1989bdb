package dependencies_test

import (
	"testing"

	. "github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Each case is the field of a size, its requests and limits, and the problem. Empty: none.
func TestSizesThatContradictThemselves(t *testing.T) {
	memory := func(value string) map[string]resource.Quantity {
		return map[string]resource.Quantity{"memory": resource.MustParse(value)}
	}
	of := func(request, limit string) *v1alpha1.ProcessSpec {
		r := &v1alpha1.Resources{}
		if request != "" {
			r.Requests = memory(request)
		}
		if limit != "" {
			r.Limits = memory(limit)
		}
		return &v1alpha1.ProcessSpec{Resources: r}
	}
	fields := map[string]func(*v1alpha1.OpenIMStackSpec, *v1alpha1.ProcessSpec){
		"spec.processes.api":         func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.API = p },
		"spec.processes.msgGateway":  func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.MsgGateway = p },
		"spec.processes.msgTransfer": func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.MsgTransfer = p },
		"spec.processes.push":        func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.Push = p },
		"spec.processes.cronTask": func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) {
			s.Processes.CronTask = &v1alpha1.SingletonSpec{Resources: p.Resources}
		},
		"spec.processes.rpc.auth":         func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.Auth = p },
		"spec.processes.rpc.conversation": func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.Conversation = p },
		"spec.processes.rpc.friend":       func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.Friend = p },
		"spec.processes.rpc.group":        func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.Group = p },
		"spec.processes.rpc.msg":          func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.Msg = p },
		"spec.processes.rpc.third":        func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.Third = p },
		"spec.processes.rpc.user":         func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Processes.RPC.User = p },
		"spec.wrapper.gateway": func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) {
			s.Wrapper.Gateway = &v1alpha1.GatewaySpec{ProcessSpec: *p}
		},
		"spec.wrapper.backend": func(s *v1alpha1.OpenIMStackSpec, p *v1alpha1.ProcessSpec) { s.Wrapper.Backend = p },
	}
	cases := []struct{ request, limit, says string }{
		{"2Gi", "1Gi", "the request of memory (2Gi) is more than its limit (1Gi)"},
		{"-1Gi", "", "memory is -1Gi: write 0 or more"},
		{"", "-1", "memory is -1: write 0 or more"},
		{"2Gi", "", ""}, {"2Gi", "0", ""}, {"", "1Mi", ""}, {"1Gi", "1024Mi", ""}, {"", "", ""},
	}
	for field, set := range fields {
		for _, c := range cases {
			g := NewWithT(t)
			s := stack(func(s *v1alpha1.OpenIMStackSpec) { s.Processes = &v1alpha1.Processes{RPC: &v1alpha1.RPCProcesses{}} })
			set(&s.Spec, of(c.request, c.limit))
			_, problems := resolve(t, s, objectsInCluster()...)
			if c.says == "" {
				g.Expect(problems).To(BeEmpty(), "%s %v", field, c)
				continue
			}
			g.Expect(problems).To(HaveLen(1), "%s %v", field, c)
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonInvalidSpec))
			g.Expect(problems[0].Field).To(HavePrefix(field + ".resources"))
			g.Expect(problems[0].Message).To(ContainSubstring(c.says))
			g.Expect(problems[0].Components).To(HaveLen(1), "%s: a size stops no other component", field)
		}
	}
}
