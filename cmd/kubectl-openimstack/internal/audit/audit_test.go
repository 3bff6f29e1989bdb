package audit_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
	"github.com/openimstack/openim-operator/netpol/audit"
)

func TestAnAuditOfAFolder(t *testing.T) {
	t.Run("sealed", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "--from-files", plugintest.Path("deploy"), "-o", "json")
		g.Expect(code).To(Equal(cli.ExitSealed))
		r := plugintest.Reports(t, out)
		g.Expect(r).To(HaveLen(1))
		g.Expect(r[0].Verdict).To(Equal(audit.VerdictSealed))
		g.Expect(r[0].Counts.Pods).To(Equal(14), "twelve processes and the wrapper's two, as the operator will run them")
		g.Expect(r[0].Time.IsZero()).To(BeTrue(), "a folder has no time: the same folder, the same report")
	})
	t.Run("breached", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "--from-files", plugintest.Copies(t, "deploy", "branch"), "-o", "json")
		g.Expect(code).To(Equal(cli.ExitFindings))
		var kinds []string
		for _, f := range plugintest.Reports(t, out)[0].Findings {
			kinds = append(kinds, f.Kind)
		}
		g.Expect(kinds).To(ConsistOf(audit.ForeignPolicyWidens, audit.ServiceExposes))
	})
	t.Run("with an unknown store", func(t *testing.T) {
		g := NewWithT(t)
		dir := plugintest.Copies(t, "deploy")
		plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), "kafka.infra.svc", "kafka.elsewhere.svc")
		code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
		g.Expect(code).To(Equal(cli.ExitUnknown))
		r := plugintest.Reports(t, out)[0]
		g.Expect(r.Verdict).To(Equal(audit.VerdictCouldNotTell))
		g.Expect(r.Unread).To(HaveLen(1))
		g.Expect(r.Unread[0].Reason).To(ContainSubstring(
			"spec.dependencies.kafka.brokers: Service elsewhere/kafka does not exist in these manifests"))
		// A store whose peers the spec names needs no Service's manifest.
		plugintest.Edit(t, filepath.Join(dir, "stack.yaml"),
			`brokers: ["kafka.elsewhere.svc:9092"]`, `brokers: ["kafka.example.com:9092"], peers: [{ipBlock: {cidr: 192.0.2.0/24}}]`)
		code, out, _ = invoke(t, "audit", "--from-files", dir)
		g.Expect(code).To(Equal(cli.ExitSealed), out)
	})
	t.Run("with bad YAML", func(t *testing.T) {
		g := NewWithT(t)
		dir := plugintest.Copies(t, "deploy")
		plugintest.Write(t, filepath.Join(dir, "x.yaml"), "a: b\n c\n  d: [\n")
		code, out, errs := invoke(t, "audit", "--from-files", dir)
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(out).To(BeEmpty())
		g.Expect(errs).To(MatchRegexp(`error: reading manifests in .*: x.yaml:\d: invalid YAML`))
	})
	t.Run("without a stack", func(t *testing.T) {
		g := NewWithT(t)
		code, _, errs := invoke(t, "audit", "--from-files", plugintest.Path("branch"))
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(errs).To(ContainSubstring("there is no OpenIMStack in " + plugintest.Path("branch")))
		code, _, errs = invoke(t, "audit", "talk", "--from-files", plugintest.Path("deploy"))
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(errs).To(ContainSubstring(`there is no OpenIMStack "talk"`))
	})
}

// A connection string is in a Secret, and with it the addresses of MongoDB.
func TestAddressesBehindASecretAreRequested(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy")
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"),
		`mongodb: {addresses: ["mongodb.infra.svc:27017"]}`, `mongodb: {uriRef: {name: mongodb, key: uri}}`)
	code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(plugintest.Reports(t, out)[0].Unread[0].Reason).To(ContainSubstring(
		"spec.dependencies.mongodb.uriRef: the addresses of MongoDB are in a Secret, and no Secret is read: " +
			"name them with --mongodb-addresses"))
	code, out, _ = invoke(t, "audit", "--from-files", dir, "--mongodb-addresses", "mongodb.infra.svc:27017")
	g.Expect(code).To(Equal(cli.ExitSealed), out)
}

// A resourceRef leads to objects that are in no folder.
func TestAddressesBehindAReferenceAreNotKnown(t *testing.T) {
	g := NewWithT(t)
	dir := plugintest.Copies(t, "deploy")
	plugintest.Edit(t, filepath.Join(dir, "stack.yaml"), `mongodb: {addresses: ["mongodb.infra.svc:27017"]}`,
		"mongodb: {resourceRef: {apiVersion: v1, kind: Secret, name: mongodb, namespace: infra}}")
	code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(plugintest.Reports(t, out)[0].Unread[0].Reason).To(ContainSubstring(
		"spec.dependencies.mongodb.resourceRef: the addresses are in an object of another operator or in a Secret, which is not read"))
}

func TestSeveralStacks(t *testing.T) {
	dir := plugintest.Copies(t, "deploy", "branch")
	second, err := os.ReadFile(filepath.Join(dir, "stack.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(second), "---") // without the Secret
	plugintest.Write(t, filepath.Join(dir, "second.yaml"), strings.Replace(text, "name: chat\n", "name: talk\n", 1))
	plugintest.Edit(t, filepath.Join(dir, "stores.yaml"),
		"podSelector: {matchLabels: {app.kubernetes.io/instance: chat, ", "podSelector: {matchLabels: {")
	plugintest.Edit(t, filepath.Join(dir, "debug.yaml"),
		"{app.kubernetes.io/component: msggateway}", "{app.kubernetes.io/component: msggateway, app.kubernetes.io/instance: chat}")

	t.Run("the worst result decides", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
		g.Expect(code).To(Equal(cli.ExitFindings))
		all := plugintest.Reports(t, out)
		g.Expect(all).To(HaveLen(2))
		g.Expect([]audit.Verdict{all[0].Verdict, all[1].Verdict}).To(Equal([]audit.Verdict{audit.VerdictFindings, audit.VerdictSealed}))
	})
	t.Run("one is chosen", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "talk", "--from-files", dir, "-o", "json")
		g.Expect(code).To(Equal(cli.ExitSealed))
		g.Expect(plugintest.Reports(t, out)[0].Counts.Pods).To(Equal(14))
		code, _, errs := invoke(t, "audit", "talk", "--from-files", dir, "-n", "other")
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(errs).To(ContainSubstring(`no OpenIMStack "talk"`))
	})
	t.Run("a picture is of one", func(t *testing.T) {
		g := NewWithT(t)
		for _, format := range []string{"svg", "dot", "html"} {
			code, out, errs := invoke(t, "audit", "--from-files", dir, "-o", format)
			g.Expect(code).To(Equal(cli.ExitUnknown))
			g.Expect(out).To(BeEmpty())
			g.Expect(errs).To(ContainSubstring("shows one stack, and there are 2: name one of im/chat, im/talk"))
			code, out, _ = invoke(t, "audit", "chat", "--from-files", dir, "-o", format)
			g.Expect(code).To(Equal(cli.ExitFindings))
			g.Expect(out).NotTo(BeEmpty())
		}
	})
	t.Run("csv has one header", func(t *testing.T) {
		g := NewWithT(t)
		_, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "csv")
		head, rest, _ := strings.Cut(out, "\n")
		g.Expect(head).To(HavePrefix("namespace,stack,"))
		g.Expect(rest).NotTo(ContainSubstring(head))
		g.Expect(rest).To(And(ContainSubstring("\nim,chat,"), ContainSubstring("\nim,talk,")))
	})
	t.Run("explain needs the name of one", func(t *testing.T) {
		g := NewWithT(t)
		code, _, errs := invoke(t, "explain", "gateway", "backend", "http", "--from-files", dir)
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(errs).To(ContainSubstring("--stack"))
		code, _, errs = invoke(t, "explain", "gateway", "backend", "http", "--from-files", dir, "--stack", "talk")
		g.Expect(code).To(Equal(cli.ExitSealed), errs)
	})
}

func TestAReportInAFile(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "report.html")
	plugintest.Write(t, path, "yesterday's")
	streams, out, errs := plugintest.Streams()
	streams.Terminal = cli.Terminal{Colour: true, Width: 60}
	code := root.Run(t.Context(), streams, []string{"audit", "--from-files", plugintest.Path("deploy"), "-o", "html", "--output-file", path})
	g.Expect(code).To(Equal(cli.ExitSealed), errs.String())
	g.Expect(out.String()).To(Equal("OpenIMStack im/chat: Sealed, 0 findings, 0 kinds or references not read\nwritten to " + path + "\n"))
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(ContainSubstring("<svg"))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(Equal([]string{path}), "no partial file remains")

	code, _, failure := invoke(t, "audit", "--from-files", plugintest.Path("deploy"), "--output-file", filepath.Join(path, "under-a-file"))
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(failure).To(ContainSubstring("writing "))
}

func TestColoursAreForTerminals(t *testing.T) {
	g := NewWithT(t)
	run := func(terminal cli.Terminal, args ...string) string {
		streams, out, _ := plugintest.Streams()
		streams.Terminal = terminal
		root.Run(t.Context(), streams, append([]string{"audit", "--from-files", plugintest.Path("deploy")}, args...))
		return out.String()
	}
	g.Expect(run(cli.Terminal{Colour: true})).To(ContainSubstring("\x1b["))
	g.Expect(run(cli.Terminal{})).NotTo(ContainSubstring("\x1b["))
	path := filepath.Join(t.TempDir(), "report.txt")
	run(cli.Terminal{Colour: true}, "--output-file", path)
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).NotTo(BeEmpty())
	g.Expect(string(content)).NotTo(ContainSubstring("\x1b["))

	reader, writer, err := os.Pipe()
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = reader.Close(); _ = writer.Close() }()
	g.Expect(cli.TerminalOf(writer, func(string) string { return "" })).To(Equal(cli.Terminal{}), "a pipe is not a terminal")
}
