package main

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/cluster/node"
)

func TestInvalidCommandsFailBeforeAnyChange(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no command":        {nil, "no command"},
		"unknown command":   {[]string{"start"}, `unknown command "start"`},
		"unknown flag":      {[]string{"up", "--fast"}, "-fast"},
		"an argument to up": {[]string{"up", "now"}, "takes no argument"},
		"nothing to load":   {[]string{"load"}, "at least one image archive"},
		"a bad state":       {[]string{"--state-dir", "/", "up"}, "a dedicated folder"},
		"a bad output":      {[]string{"status", "--state-dir", "/nowhere/oc", "--output", "xml"}, "use text or json"},
		"enforce what?":     {[]string{"enforcement", "--state-dir=/nowhere/oc"}, "use on or off"},
		"enforce where?":    {[]string{"enforcement", "off", "--state-dir=/nowhere/oc"}, "hack/cluster up"},
		"restart what?":     {[]string{"restart", "etcd", "--state-dir=/nowhere/oc"}, "use kubelet"},
		"restart where?":    {[]string{"restart", "kubelet", "--state-dir=/nowhere/oc"}, "hack/cluster up"},
		"no kubeconfig":     {[]string{"kubeconfig", "--state-dir=/nowhere/oc"}, "hack/cluster up"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("OPENIM_OPERATOR_CACHE", t.TempDir())
			var out, progress bytes.Buffer
			NewWithT(t).Expect(command(context.Background(), c.args, &out, &progress)).To(MatchError(ContainSubstring(c.want)))
			NewWithT(t).Expect(out.String()).To(BeEmpty(), "nothing that a script could take for a result")
		})
	}
}

func TestHelpIsPrintedWhenAskedFor(t *testing.T) {
	var out, progress bytes.Buffer
	NewWithT(t).Expect(command(context.Background(), []string{"--help"}, &out, &progress)).To(MatchError("flag: help requested"))
	NewWithT(t).Expect(out.String()).To(Equal(usage))
}

func TestStatusIsATableForPeopleAndJSONForPrograms(t *testing.T) {
	g := NewWithT(t)
	status := node.Status{
		Running: true, Kubeconfig: "/k", AuditLog: "/a.log", Versions: map[string]string{"kubernetes": "v1.36.3"},
		Components: []node.ComponentStatus{{Name: "etcd", PID: 12, Health: "healthy", Log: "/etcd.log"}},
	}
	var out bytes.Buffer
	g.Expect(printStatus(&out, status, "text")).To(Succeed())
	g.Expect(out.String()).
		To(And(MatchRegexp(`running +true`), MatchRegexp(`audit log +/a\.log`), MatchRegexp(`etcd +12 +healthy +/etcd\.log`)))

	out.Reset()
	g.Expect(printStatus(&out, status, "json")).To(Succeed())
	var read map[string]any
	g.Expect(json.Unmarshal(out.Bytes(), &read)).To(Succeed())
	g.Expect(read).To(And(
		HaveKeyWithValue("running", true), HaveKeyWithValue("kubeconfig", "/k"), HaveKeyWithValue("auditLog", "/a.log"),
		HaveKeyWithValue("versions", HaveKeyWithValue("kubernetes", "v1.36.3")),
		HaveKeyWithValue("components", ConsistOf(And(HaveKeyWithValue("pid", 12.0), HaveKeyWithValue("health", "healthy")))),
	))

	out.Reset()
	g.Expect(printStatus(&out, node.Status{}, "text")).To(Succeed())
	g.Expect(out.String()).To(Equal("the cluster does not run\n"))
}
