package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// These tests run the plugin as a pipeline does: a command line in, an exit code and text out. The folder testdata/deploy is what a
// repository holds: a stack and its stores, which are closed to everybody else. testdata/branch adds what somebody did in a hurry.

var update = flag.Bool("update", false, "write the golden files and the outputs in docs/plugin.md")

// secret stands in a Secret of the folder, and must turn up nowhere.
const secret = "correct-horse-battery"

// invoke runs a command line.
func invoke(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = (&program{out: &stdout, errors: &stderr}).run(t.Context(), args)
	if both := stdout.String() + stderr.String(); strings.Contains(both, secret) {
		t.Errorf("%v prints a Secret's value", args)
	}
	return code, stdout.String(), stderr.String()
}

// copies the given folders of testdata into one.
func copies(t *testing.T, folders ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, folder := range folders {
		copyFolder(t, filepath.Join("testdata", folder), dir)
	}
	return dir
}

func copyFolder(t *testing.T, from, to string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// edit replaces text in a file of a folder.
func edit(t *testing.T, path, old, new string) {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(content), old) {
		t.Fatalf("%s does not hold %q", path, old)
	}
	write(t, path, strings.ReplaceAll(string(content), old, new))
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// reports of a JSON output, one after the other.
func reports(t *testing.T, out string) []audit.Report {
	t.Helper()
	var all []audit.Report
	for decoder := json.NewDecoder(strings.NewReader(out)); ; {
		var r audit.Report
		if err := decoder.Decode(&r); err == io.EOF {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
}

func TestAnAuditOfAFolder(t *testing.T) {
	t.Run("sealed", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "--from-files", "testdata/deploy", "-o", "json")
		g.Expect(code).To(Equal(exitSealed))
		r := reports(t, out)
		g.Expect(r).To(HaveLen(1))
		g.Expect(r[0].Verdict).To(Equal(audit.Sealed))
		g.Expect(r[0].Counts.Pods).To(Equal(14), "twelve processes and the wrapper's two, as the operator will run them")
		g.Expect(r[0].Time.IsZero()).To(BeTrue(), "a folder has no time: the same folder, the same report")
	})
	t.Run("breached", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "--from-files", copies(t, "deploy", "branch"), "-o", "json")
		g.Expect(code).To(Equal(exitFindings))
		var kinds []string
		for _, f := range reports(t, out)[0].Findings {
			kinds = append(kinds, f.Kind)
		}
		g.Expect(kinds).To(ConsistOf(audit.ForeignPolicyWidens, audit.ServiceExposes))
	})
	t.Run("with a store that nobody knows", func(t *testing.T) {
		g := NewWithT(t)
		dir := copies(t, "deploy")
		edit(t, filepath.Join(dir, "stack.yaml"), "kafka.infra.svc", "kafka.elsewhere.svc")
		code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
		g.Expect(code).To(Equal(exitUnknown))
		r := reports(t, out)[0]
		g.Expect(r.Verdict).To(Equal(audit.Unknown))
		g.Expect(r.Unread).To(HaveLen(1))
		g.Expect(r.Unread[0].Reason).To(ContainSubstring("spec.dependencies.kafka.brokers: Service elsewhere/kafka does not exist in these manifests"))
		// What the spec itself says where it is needs no Service's manifest.
		edit(t, filepath.Join(dir, "stack.yaml"), `brokers: ["kafka.elsewhere.svc:9092"]`, `brokers: ["kafka.example.com:9092"], peers: [{ipBlock: {cidr: 192.0.2.0/24}}]`)
		code, out, _ = invoke(t, "audit", "--from-files", dir)
		g.Expect(code).To(Equal(exitSealed), out)
	})
	t.Run("with bad YAML", func(t *testing.T) {
		g := NewWithT(t)
		dir := copies(t, "deploy")
		write(t, filepath.Join(dir, "x.yaml"), "a: b\n c\n  d: [\n")
		code, out, errs := invoke(t, "audit", "--from-files", dir)
		g.Expect(code).To(Equal(exitUnknown))
		g.Expect(out).To(BeEmpty())
		g.Expect(errs).To(MatchRegexp(`error: reading manifests in .*: x.yaml:\d: it is not YAML`))
	})
	t.Run("without a stack", func(t *testing.T) {
		g := NewWithT(t)
		code, _, errs := invoke(t, "audit", "--from-files", "testdata/branch")
		g.Expect(code).To(Equal(exitUnknown))
		g.Expect(errs).To(ContainSubstring("there is no OpenIMStack in testdata/branch"))
		code, _, errs = invoke(t, "audit", "talk", "--from-files", "testdata/deploy")
		g.Expect(code).To(Equal(exitUnknown))
		g.Expect(errs).To(ContainSubstring(`there is no OpenIMStack "talk"`))
	})
}

// A repository may hold what `render` printed. Then the same is there once, and the audit is the same.
func TestRenderedChildrenDoNotCountTwice(t *testing.T) {
	g := NewWithT(t)
	_, before, _ := invoke(t, "audit", "--from-files", "testdata/deploy", "-o", "json")
	dir := copies(t, "deploy")
	code, _, errs := invoke(t, "render", "--from-files", dir, "--output-file", filepath.Join(dir, "rendered.yaml"))
	g.Expect(code).To(Equal(exitSealed), errs)
	code, after, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
	g.Expect(code).To(Equal(exitSealed))
	was, is := reports(t, before)[0], reports(t, after)[0]
	g.Expect(is.Counts).To(Equal(was.Counts))
	g.Expect(is.Cells).To(Equal(was.Cells))

	// One of them that somebody changed counts as it stands.
	edit(t, filepath.Join(dir, "rendered.yaml"), "    - port: 10002\n", "    - port: 10003\n")
	code, out, _ := invoke(t, "diff", "--from-files", dir)
	g.Expect(code).To(Equal(exitFindings))
	g.Expect(out).To(ContainSubstring("NetworkPolicy im/chat-api-ingress spec.ingress[0].ports[0].port: 10003, 10002"))
	g.Expect(out).To(ContainSubstring("shut, and should be open:\n  backend -> api:10002/TCP"))
}

// A connection string is a Secret's, and with it where MongoDB is.
func TestAddressesBehindASecretAreAskedFor(t *testing.T) {
	g := NewWithT(t)
	dir := copies(t, "deploy")
	edit(t, filepath.Join(dir, "stack.yaml"), `mongodb: {addresses: ["mongodb.infra.svc:27017"]}`, `mongodb: {uriRef: {name: mongodb, key: uri}}`)
	code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
	g.Expect(code).To(Equal(exitUnknown))
	g.Expect(reports(t, out)[0].Unread[0].Reason).To(ContainSubstring("spec.dependencies.mongodb.uriRef: the addresses of MongoDB stand in a Secret, and no Secret is read: write them behind --mongodb-addresses"))
	code, out, _ = invoke(t, "audit", "--from-files", dir, "--mongodb-addresses", "mongodb.infra.svc:27017")
	g.Expect(code).To(Equal(exitSealed), out)
}

func TestSeveralStacks(t *testing.T) {
	dir := copies(t, "deploy", "branch")
	second, err := os.ReadFile(filepath.Join(dir, "stack.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(second), "---") // without the Secret
	write(t, filepath.Join(dir, "second.yaml"), strings.Replace(text, "name: chat\n", "name: talk\n", 1))
	edit(t, filepath.Join(dir, "stores.yaml"), "podSelector: {matchLabels: {app.kubernetes.io/instance: chat, ", "podSelector: {matchLabels: {")
	edit(t, filepath.Join(dir, "debug.yaml"), "{app.kubernetes.io/component: msggateway}", "{app.kubernetes.io/component: msggateway, app.kubernetes.io/instance: chat}")

	t.Run("the worst decides", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "json")
		g.Expect(code).To(Equal(exitFindings))
		all := reports(t, out)
		g.Expect(all).To(HaveLen(2))
		g.Expect([]audit.Verdict{all[0].Verdict, all[1].Verdict}).To(Equal([]audit.Verdict{audit.Open, audit.Sealed}))
	})
	t.Run("one is chosen", func(t *testing.T) {
		g := NewWithT(t)
		code, out, _ := invoke(t, "audit", "talk", "--from-files", dir, "-o", "json")
		g.Expect(code).To(Equal(exitSealed))
		g.Expect(reports(t, out)[0].Counts.Pods).To(Equal(14))
		code, _, errs := invoke(t, "audit", "talk", "--from-files", dir, "-n", "other")
		g.Expect(code).To(Equal(exitUnknown))
		g.Expect(errs).To(ContainSubstring(`no OpenIMStack "talk"`))
	})
	t.Run("a picture is of one", func(t *testing.T) {
		g := NewWithT(t)
		for _, format := range []string{"svg", "dot", "html"} {
			code, out, errs := invoke(t, "audit", "--from-files", dir, "-o", format)
			g.Expect(code).To(Equal(exitUnknown))
			g.Expect(out).To(BeEmpty())
			g.Expect(errs).To(ContainSubstring("shows one stack, and there are 2: name one of im/chat, im/talk"))
			code, out, _ = invoke(t, "audit", "chat", "--from-files", dir, "-o", format)
			g.Expect(code).To(Equal(exitFindings))
			g.Expect(out).NotTo(BeEmpty())
		}
	})
	t.Run("csv has one head", func(t *testing.T) {
		g := NewWithT(t)
		_, out, _ := invoke(t, "audit", "--from-files", dir, "-o", "csv")
		head, rest, _ := strings.Cut(out, "\n")
		g.Expect(head).To(HavePrefix("namespace,stack,"))
		g.Expect(rest).NotTo(ContainSubstring(head))
		g.Expect(rest).To(And(ContainSubstring("\nim,chat,"), ContainSubstring("\nim,talk,")))
	})
	t.Run("explain wants to know which", func(t *testing.T) {
		g := NewWithT(t)
		code, _, errs := invoke(t, "explain", "gateway", "backend", "http", "--from-files", dir)
		g.Expect(code).To(Equal(exitUnknown))
		g.Expect(errs).To(ContainSubstring("--stack"))
		code, _, errs = invoke(t, "explain", "gateway", "backend", "http", "--from-files", dir, "--stack", "talk")
		g.Expect(code).To(Equal(exitSealed), errs)
	})
}

func TestAReportInAFile(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "report.html")
	write(t, path, "yesterday's")
	var out, errs bytes.Buffer
	p := &program{out: &out, errors: &errs, terminal: terminal{colour: true, width: 60}}
	code := p.run(t.Context(), []string{"audit", "--from-files", "testdata/deploy", "-o", "html", "--output-file", path})
	g.Expect(code).To(Equal(exitSealed), errs.String())
	g.Expect(out.String()).To(Equal("OpenIMStack im/chat: Sealed, 0 findings, 0 kinds or references not read\nwritten to " + path + "\n"))
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(ContainSubstring("<svg"))
	left, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(left).To(Equal([]string{path}), "nothing half-written stays")

	code, _, errors := invoke(t, "audit", "--from-files", "testdata/deploy", "--output-file", filepath.Join(path, "under-a-file"))
	g.Expect(code).To(Equal(exitUnknown))
	g.Expect(errors).To(ContainSubstring("writing "))
}

func TestColoursAreForTerminals(t *testing.T) {
	g := NewWithT(t)
	run := func(term terminal, args ...string) string {
		var out bytes.Buffer
		(&program{out: &out, errors: io.Discard, terminal: term}).run(t.Context(), append([]string{"audit", "--from-files", "testdata/deploy"}, args...))
		return out.String()
	}
	g.Expect(run(terminal{colour: true})).To(ContainSubstring("\x1b["))
	g.Expect(run(terminal{})).NotTo(ContainSubstring("\x1b["))
	path := filepath.Join(t.TempDir(), "report.txt")
	run(terminal{colour: true}, "--output-file", path)
	content, err := os.ReadFile(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).NotTo(BeEmpty())
	g.Expect(string(content)).NotTo(ContainSubstring("\x1b["))

	reader, writer, err := os.Pipe()
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = reader.Close(); _ = writer.Close() }()
	g.Expect(terminalOf(writer, func(string) string { return "" })).To(Equal(terminal{}), "a pipe is no terminal")
}

func TestCommandLines(t *testing.T) {
	for line, c := range map[string]struct {
		code int
		says string
	}{
		"":                              {exitSealed, "Usage: kubectl openimstack COMMAND"},
		"help":                          {exitSealed, "Exit codes: 0 sealed, 2 findings, 1 could not tell"},
		"--help":                        {exitSealed, "Usage: kubectl openimstack COMMAND"},
		"help audit":                    {exitSealed, "--from-files"},
		"help nothing":                  {exitUnknown, `"nothing" is no command`},
		"audit --help":                  {exitSealed, "--all-namespaces"},
		"probe -h":                      {exitSealed, "0 enforced, 2 breached or not enforced"},
		"version":                       {exitSealed, audit.Schema},
		"version 1":                     {exitUnknown, "version takes no arguments"},
		"audti":                         {exitUnknown, `"audti" is no command: use one of audit, explain`},
		"audit --output":                {exitUnknown, "kubectl openimstack audit --help"},
		"audit --watch":                 {exitUnknown, "unknown flag: --watch"},
		"audit a b":                     {exitUnknown, "audit takes 0 to 1 arguments ([STACK])"},
		"explain a b":                   {exitUnknown, "explain takes 3 arguments (FROM TO PORT)"},
		"probe":                         {exitUnknown, "probe takes 1 arguments (STACK)"},
		"audit -o xml --from-files .":   {exitUnknown, `"xml" is no format of a report`},
		"audit --from-files gone":       {exitUnknown, "no such file"},
		"audit --kubeconfig gone":       {exitUnknown, "reading the kubeconfig"},
		"audit -A x --kubeconfig /dev/": {exitUnknown, "reading the kubeconfig"},
	} {
		t.Run(line, func(t *testing.T) {
			g := NewWithT(t)
			code, out, errs := invoke(t, strings.Fields(line)...)
			g.Expect(code).To(Equal(c.code))
			g.Expect(out + errs).To(ContainSubstring(c.says))
			if c.code == exitUnknown {
				g.Expect(out).To(BeEmpty(), "what is wrong goes to standard error")
			}
		})
	}
}

func TestCompletion(t *testing.T) {
	for line, wants := range map[string]string{
		"__complete a":                    "audit :4",
		"__complete audit -o s":           "svg :4",
		"__complete audit --output-":      "--output-file :4",
		"__complete probe --from":         ":4",
		"__complete help di":              "diff :4",
		"__complete nothing -":            ":4",
		"__complete diff ./":              ":0",
		"__complete audit --kubeconfig .": ":0",
	} {
		code, out, _ := invoke(t, strings.Fields(line)...)
		g := NewWithT(t)
		g.Expect(code).To(Equal(exitSealed))
		g.Expect(strings.Join(strings.Fields(out), " ")).To(Equal(wants), line)
	}
	_, out, _ := invoke(t, "__complete", "")
	NewWithT(t).Expect(strings.Fields(out)).To(Equal(append(words(), ":4")))
}
