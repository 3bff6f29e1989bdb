package settings_test

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
)

// invoke runs a command line.
func invoke(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	return plugintest.Invoke(t, root.Run, append([]string{"settings"}, args...)...)
}

// A refused spec is named with the operator's texts, and changes nothing; once it is corrected, its values are in force.
func TestARefusedSpecAndItsCorrection(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(plugintest.Copies(t, "settings"), "stack.yaml")
	code, out, errs := invoke(t, "--from-files", path)
	g.Expect(code).To(Equal(cli.ExitFindings), errs)
	g.Expect(out).To(And(
		HavePrefix("im/chat: Refused\nOpenIM v3.8.3 does not take 2 settings.\n"),
		ContainSubstring("UnsupportedByRelease spec.settings.maxRPCMessageBytes: OpenIM v3.8.3 has no such setting: use v3.8.3-patch.5 or later"),
		ContainSubstring(`UnknownSetting spec.settings.overrides[redis.yml]."maxretry": OpenIM v3.8.3 has no such key: write one of maxRetry`),
		ContainSubstring("IN FORCE\n  the operator would refuse this spec, and keep what it accepted before\n"),
		MatchRegexp(`maxretry" +<redacted>\n`), MatchRegexp(`poolSize" +200\n`)))

	code, out, _ = invoke(t, "--from-files", path, "--release", "v3.8.3-patch.5")
	g.Expect(code).To(Equal(cli.ExitFindings), "another release takes the one, but not the other")
	g.Expect(out).To(And(HavePrefix("im/chat: Refused\nOpenIM v3.8.3-patch.5 does not take 1 setting.\n"),
		Not(ContainSubstring("UnsupportedByRelease")), MatchRegexp(`share\.yml +rpcMaxBodySize\.\* +spec\.settings\.maxRPCMessageBytes`)))

	plugintest.Edit(t, path, "maxretry", "maxRetry")
	code, out, _ = invoke(t, "--from-files", path, "--release", "v3.8.3-patch.5")
	g.Expect(code).To(Equal(cli.ExitSealed))
	g.Expect(out).To(ContainSubstring("OpenIM v3.8.3-patch.5 takes all that spec.settings sets."))
	plugintest.Edit(t, path, "    maxRPCMessageBytes: 16777216\n", "")
	code, out, errs = invoke(t, "--from-files", path)
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(And(HavePrefix("im/chat: Accepted\n"), MatchRegexp(`maxRetry" +5\n`), Not(ContainSubstring("would refuse")),
		MatchRegexp(`\nIN FORCE +VALUE\ndependencies\.kafka`), MatchRegexp(`\nsettings\.retention\.fileDays +180\n`)), "defaults included")
}

func TestCommandLines(t *testing.T) {
	dir := t.TempDir()
	stack := func(name, spec string) string {
		return "---\napiVersion: openimstack.dev/v1alpha1\nkind: OpenIMStack\nmetadata: {name: " + name + ", namespace: im}\n" +
			"spec: {" + spec + "}\n"
	}
	refused := stack("refused", "version: v3.8.3, settings: {overrides: [{file: redis.yml, values: {pool: x}}]}")
	for file, content := range map[string]string{
		"silent": stack("silent", "version: v3.8.3"), "later": stack("later", "version: v9, settings: {friendship: Required}"),
		"empty": stack("empty", ""), "refused": refused, "both": stack("later", "version: v9") + refused,
		"unbuildable": stack("unbuildable", "version: v3.8.3-patch.11"), "null": stack("none", "version: v3.8.3, settings: null"),
		"hollow": stack("hollow", "version: v3.8.3, settings: {retention: {}, overrides: [{file: redis.yml}]}"),
	} {
		plugintest.Write(t, filepath.Join(dir, file+".yaml"), content)
	}
	for line, c := range map[string]struct {
		code int
		says string
	}{
		"silent":                          {cli.ExitSealed, "im/silent: Accepted"},
		"null":                            {cli.ExitSealed, "im/none: Accepted"},
		"hollow":                          {cli.ExitSealed, "im/hollow: Accepted"},
		"refused":                         {cli.ExitFindings, "im/refused: Refused"},
		"later":                           {cli.ExitUnknown, "im/later: Unknown\nspec.version: version \"v9\" is not supported: write v3.8.3"},
		"later --release v3.8.3-patch.16": {cli.ExitSealed, "im/later: Accepted\nOpenIM v3.8.3-patch.16"},
		"empty":                           {cli.ExitUnknown, `version "" is not supported`},
		"unbuildable":                     {cli.ExitUnknown, "its sources do not compile: write v3.8.3-patch.12"},
		"both":                            {cli.ExitFindings, "im/later: Unknown"},
		"both refused":                    {cli.ExitFindings, "im/refused: Refused"},
		"both later":                      {cli.ExitUnknown, "im/later: Unknown"},
		"both other":                      {cli.ExitUnknown, `there is no OpenIMStack "other"`},
		"silent --release v3.8.4":         {cli.ExitUnknown, `error: --release: version "v3.8.4" is not supported`},
		"silent --release v3.8.3-patch.0": {cli.ExitUnknown, `error: --release: version "v3.8.3-patch.0" is not supported`},
		"silent --file nothing.yml":       {cli.ExitUnknown, `error: OpenIM has no configuration file "nothing.yml": use one of discovery.yml,`},
		"silent --file redis":             {cli.ExitUnknown, `no configuration file "redis"`},
		"silent -o xml":                   {cli.ExitUnknown, `error: unknown format "xml": use one of table, json, yaml`},
		"silent a b":                      {cli.ExitUnknown, "settings takes 0 to 1 arguments ([STACK])"},
		"gone":                            {cli.ExitUnknown, "no such file"},
	} {
		words := strings.Fields(line)
		code, out, errs := invoke(t, append([]string{"--from-files", filepath.Join(dir, words[0]+".yaml")}, words[1:]...)...)
		NewWithT(t).Expect(code).To(Equal(c.code), line)
		NewWithT(t).Expect(out+errs).To(ContainSubstring(c.says), line)
	}
}

// The forms hold the same, and several stacks follow one another.
func TestFormsForMachines(t *testing.T) {
	g := NewWithT(t)
	path := plugintest.Path("settings", "stack.yaml")
	code, text, _ := invoke(t, "--from-files", path, "-o", "json", "--file", "redis.yml")
	g.Expect(code).To(Equal(cli.ExitFindings))
	var fromJSON, fromYAML map[string]any
	g.Expect(json.Unmarshal([]byte(text), &fromJSON)).To(Succeed())
	g.Expect(fromJSON).To(HaveKeyWithValue("verdict", "Refused"))
	g.Expect(fromJSON["refused"]).To(HaveLen(2), "refusals are not filtered by the file")
	g.Expect(fromJSON["set"]).To(HaveLen(2))
	code, text, _ = invoke(t, "--from-files", path, "-o", "yaml", "--file", "redis.yml")
	g.Expect(code).To(Equal(cli.ExitFindings))
	g.Expect(yaml.Unmarshal([]byte(text), &fromYAML)).To(Succeed())
	g.Expect(fromYAML).To(Equal(fromJSON))
	_, text, _ = invoke(t, "--from-files", plugintest.Path("deploy"), "-o", "json")
	g.Expect(text).To(ContainSubstring(`"refused": [],`), "an empty list is a list")
	g.Expect(text).To(ContainSubstring(`"set": [],`))
}

// The connection string of MongoDB is in a Secret: the database in it is not made up.
func TestTheDatabaseOfAConnectionStringIsNotKnown(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(plugintest.Copies(t, "deploy"), "stack.yaml")
	plugintest.Edit(t, path, `mongodb: {addresses: ["mongodb.infra.svc:27017"]}`, "mongodb: {uriRef: {name: mongodb, key: uri}}")
	for _, more := range [][]string{nil, {"--mongodb-addresses", "mongodb.infra.svc:27017"}} {
		code, out, errs := invoke(t, append([]string{"--from-files", path}, more...)...)
		g.Expect(code).To(Equal(cli.ExitSealed), errs)
		g.Expect(out).To(ContainSubstring("  dependencies.mongodb.database is in a Secret, which is not read\n"))
		g.Expect(out).NotTo(MatchRegexp(`(?m)^dependencies\.mongodb\.database`))
	}
}

// A resourceRef leads to what is not read. What the spec says beside it holds.
func TestADatabaseBehindAReferenceIsNotKnown(t *testing.T) {
	const (
		mongodb = `mongodb: {addresses: ["mongodb.infra.svc:27017"]}`
		redis   = `redis: {addresses: ["redis.infra.svc:6379"], credentialsRef: {name: redis}}`
		ref     = "resourceRef: {apiVersion: databases.example.com/v1, kind: Database, name: chat}"
		note    = "  dependencies.mongodb.database is in a Secret, which is not read\n"
	)
	for _, c := range []struct{ before, after, shows string }{
		{mongodb, "mongodb: {" + ref + "}", ""},
		{mongodb, "mongodb: {" + ref + ", database: im}", `dependencies\.mongodb\.database +im`},
		{mongodb, "mongodb: {uriRef: {name: mongodb, key: uri}, database: im}", `dependencies\.mongodb\.database +im`},
		{redis, "redis: {" + ref + ", database: 3}", `dependencies\.redis\.database +3`},
		{redis, "redis: {" + ref + ", mode: Cluster}", `dependencies\.redis\.mode +Cluster`},
	} {
		t.Run(c.after, func(t *testing.T) {
			g := NewWithT(t)
			path := filepath.Join(plugintest.Copies(t, "deploy"), "stack.yaml")
			plugintest.Edit(t, path, c.before, c.after)
			code, out, errs := invoke(t, "--from-files", path)
			g.Expect(code).To(Equal(cli.ExitSealed), errs)
			if c.shows == "" {
				g.Expect(out).To(ContainSubstring(note))
				g.Expect(out).NotTo(MatchRegexp(`(?m)^dependencies\.mongodb\.database`))
				return
			}
			g.Expect(out).NotTo(ContainSubstring(note))
			g.Expect(out).To(MatchRegexp("(?m)^" + c.shows + "$"))
		})
	}
}

func TestCompletion(t *testing.T) {
	g := NewWithT(t)
	for flag, want := range map[string]string{"--release": "v3.8.3-patch.16", "--file": "notification.yml", "-o": "yaml"} {
		code, out, _ := plugintest.Invoke(t, root.Run, "__complete", "settings", flag, want[:1])
		g.Expect(code).To(Equal(cli.ExitSealed))
		g.Expect(strings.Split(out, "\n")).To(ContainElement(want))
	}
}
