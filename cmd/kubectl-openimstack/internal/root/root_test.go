package root_test

import (
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
	"github.com/openimstack/openim-operator/netpol/audit"
)

func TestCommandLines(t *testing.T) {
	for line, c := range map[string]struct {
		code int
		says string
	}{
		"":             {cli.ExitSealed, "Usage: kubectl openimstack COMMAND"},
		"help":         {cli.ExitSealed, "Exit codes: 0 sealed, 2 findings, 1 could not tell"},
		"--help":       {cli.ExitSealed, "Usage: kubectl openimstack COMMAND"},
		"help audit":   {cli.ExitSealed, "--from-files"},
		"help nothing": {cli.ExitUnknown, `unknown command "nothing" for "kubectl openimstack"`},
		"audit --help": {cli.ExitSealed, "--all-namespaces"},
		"probe -h":     {cli.ExitSealed, "0 enforced, 2 breached or not enforced"},
		"version":      {cli.ExitSealed, audit.Schema},
		"--version":    {cli.ExitSealed, "kubectl-openimstack "},
		"version 1":    {cli.ExitUnknown, "version takes no arguments"},
		"audti": {
			cli.ExitUnknown, "unknown command \"audti\" for \"kubectl openimstack\"\n\nDid you mean this?\n\taudit\n",
		},
		"audit --output":              {cli.ExitUnknown, "kubectl openimstack audit --help"},
		"audit --watch":               {cli.ExitUnknown, "unknown flag: --watch"},
		"audit a b":                   {cli.ExitUnknown, "audit takes 0 to 1 arguments ([STACK])"},
		"explain a b":                 {cli.ExitUnknown, "explain takes 3 arguments (FROM TO PORT)"},
		"probe":                       {cli.ExitUnknown, "probe takes 1 argument (STACK)"},
		"audit -o xml --from-files .": {cli.ExitUnknown, `unknown report format "xml"`},
		"audit --from-files gone":     {cli.ExitUnknown, "no such file"},
		"audit --kubeconfig gone":     {cli.ExitUnknown, "reading the kubeconfig"},
		"audit --context gone": {
			cli.ExitUnknown, "reading the kubeconfig: invalid configuration: context was not found for specified context: gone",
		},
		"status --cluster gone":         {cli.ExitUnknown, `no server found for cluster "gone"`},
		"completion bash":               {cli.ExitSealed, "__start_kubectl-openimstack"},
		"completion nothing":            {cli.ExitUnknown, `unknown command "nothing"`},
		"help audit nothing":            {cli.ExitUnknown, `unknown command "nothing" for "kubectl openimstack audit"`},
		"audit -A x --kubeconfig /dev/": {cli.ExitUnknown, "reading the kubeconfig"},
	} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			code, out, errs := invoke(t, strings.Fields(line)...)
			g.Expect(code).To(Equal(c.code))
			g.Expect(out + errs).To(ContainSubstring(c.says))
			if c.code == cli.ExitUnknown {
				g.Expect(out).To(BeEmpty(), "errors go to standard error")
			}
		})
	}
}

// Without any configuration kubectl contacts http://localhost:8080. An audit of whatever listens there would be one of a cluster that
// nobody named.
func TestWithoutAKubeconfigNoServerIsContacted(t *testing.T) {
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	t.Setenv("HOME", t.TempDir())
	t.Setenv("KUBERNETES_SERVICE_HOST", "")
	for _, line := range []string{"audit", "status -n im", "settings", "probe chat"} {
		g := NewWithT(t)
		code, out, errs := invoke(t, strings.Fields(line)...)
		g.Expect(code).To(Equal(cli.ExitUnknown), line)
		g.Expect(out).To(BeEmpty(), line)
		g.Expect(errs).To(ContainSubstring("reading the kubeconfig: there is none: name one with --kubeconfig or $KUBECONFIG"), line)
	}
	_, _, errs := invoke(t, "status", "-n", "im", "--server", "http://127.0.0.1:1")
	NewWithT(t).Expect(errs).To(ContainSubstring("127.0.0.1:1"), "a server that the command line names is contacted")
}

func TestCompletion(t *testing.T) {
	for line, wants := range map[string]string{
		"__complete a":                    "audit :4",
		"__complete audit -o s":           "svg sarif :4",
		"__complete audit --output-":      "--output-file :4",
		"__complete probe --from":         ":4",
		"__complete help di":              "diff :4",
		"__complete nothing -":            ":0",
		"__complete diff ./":              ":0",
		"__complete audit --kubeconfig .": ":0",
		"__complete -n im au":             "audit :4",
		"__complete explain gatew":        "gateway :4",
		"__complete explain x gateway u":  "users :4",
		"__complete completion z":         "zsh :4",
		"__complete audit --context x":    ":4",
	} {
		code, out, _ := invoke(t, strings.Fields(line)...)
		g := NewWithT(t)
		g.Expect(code).To(Equal(cli.ExitSealed))
		g.Expect(strings.Join(candidates(out), " ")).To(Equal(wants), line)
	}
	names := []string{"completion", "help"}
	for _, c := range root.New(cli.Streams{}).Commands() {
		if c.Name() != "help" && c.Name() != "completion" {
			names = append(names, c.Name())
		}
	}
	_, out, _ := invoke(t, "__complete", "")
	NewWithT(t).Expect(candidates(out)).To(ConsistOf(append(names, ":4")))
	NewWithT(t).Expect(names).To(HaveLen(13))
}

// candidates returns the lines of a completion without their descriptions.
func candidates(out string) []string {
	var all []string
	for line := range strings.Lines(out) {
		candidate, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		all = append(all, candidate)
	}
	return all
}

// Names of stacks come from the folder of --from-files, and from the kubeconfig come the contexts.
func TestCompletionOfNames(t *testing.T) {
	g := NewWithT(t)
	for _, command := range []string{"audit", "render", "diff", "settings"} {
		code, out, _ := invoke(t, "__complete", command, "--from-files", plugintest.Path("deploy"), "")
		g.Expect(code).To(Equal(cli.ExitSealed))
		g.Expect(candidates(out)).To(ContainElement("chat"), command)
	}
	_, out, _ := invoke(t, "__complete", "audit", "--from-files", plugintest.Path("deploy"), "chat", "")
	g.Expect(candidates(out)).To(Equal([]string{":4"}), "one name is enough")
	_, out, _ = invoke(t, "__complete", "explain", "--from-files", plugintest.Path("deploy"), "--stack", "")
	g.Expect(candidates(out)).To(Equal([]string{"chat", ":4"}))

	path := filepath.Join(t.TempDir(), "kubeconfig")
	plugintest.Write(t, path, `apiVersion: v1
kind: Config
contexts: [{name: dev, context: {cluster: c}}, {name: prod, context: {cluster: c}}]
clusters: [{name: c, cluster: {server: "https://192.0.2.1"}}]
users: [{name: jane, user: {token: t}}]
`)
	for flag, wants := range map[string][]string{"--context": {"dev", "prod", ":4"}, "--cluster": {"c", ":4"}, "--user": {"jane", ":4"}} {
		_, out, _ = invoke(t, "__complete", "audit", "--kubeconfig", path, flag, "")
		g.Expect(candidates(out)).To(Equal(wants), flag)
	}
}

// Every flag of the connection that kubectl users know is accepted by each command that reads a cluster.
func TestFlagsOfKubectl(t *testing.T) {
	flags := []string{
		"kubeconfig", "context", "cluster", "user", "namespace", "server", "token", "as", "as-group", "as-uid", "request-timeout",
		"certificate-authority", "client-certificate", "client-key", "insecure-skip-tls-verify", "tls-server-name",
	}
	for _, name := range []string{"audit", "explain", "diff", "probe", "status", "settings", "render"} {
		g := NewWithT(t)
		code, out, _ := invoke(t, name, "--help")
		g.Expect(code).To(Equal(cli.ExitSealed))
		for _, flag := range flags {
			g.Expect(out).To(ContainSubstring("--"+flag), name)
		}
		g.Expect(out).To(ContainSubstring("-n, --namespace"), name)
	}
}

// Every flag may come before the command, those without a value too.
func TestFlagsMayComeBeforeTheCommand(t *testing.T) {
	g := NewWithT(t)
	code, out, errs := invoke(t, "--from-files", plugintest.Path("deploy"), "-n", "im", "audit", "-o", "json")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(plugintest.Reports(t, out)[0].Verdict).To(Equal(audit.VerdictSealed))
	code, out, errs = invoke(t, "--from-files="+plugintest.Path("deploy"), "explain", "intruder", "api", "http")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(ContainSubstring("CLOSED"))
	code, out, errs = invoke(t, "--cluster-network-policy", "--from-files", plugintest.Path("deploy"), "render")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(ContainSubstring("kind: ClusterNetworkPolicy"))
	code, _, errs = invoke(t, "--nonsense", "audit")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("unknown flag: --nonsense"))
	code, _, errs = invoke(t, "-n", "im")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("no command is given"))
}
