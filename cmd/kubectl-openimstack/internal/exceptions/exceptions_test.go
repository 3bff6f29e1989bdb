package exceptions

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/netpol/audit"
)

// now is the time of the tests, in the evening of a day west of Greenwich: days are those of UTC.
var now = time.Date(2026, 12, 31, 20, 0, 0, 0, time.FixedZone("west", -5*3600)) // 2027-01-01 01:00 UTC

// entry returns an entry, with some of its lines replaced.
func entry(changes ...string) string {
	return "exceptions:\n" + item(changes...)
}

func item(changes ...string) string {
	return strings.NewReplacer(changes...).Replace(
		"- finding: ServiceExposes\n  object: im/Service/debug\n  reason: load test\n  expires: 2027-03-31\n")
}

// finding returns a finding about an object.
func finding(kind, object, namespace, name string) audit.Finding {
	return audit.Finding{Kind: kind, Object: audit.Object{Kind: object, Namespace: namespace, Name: name}}
}

func TestAnExceptionMatchesOneFindingOfOneObject(t *testing.T) {
	g := NewWithT(t)
	set, err := parse("x.yaml", []byte(entry()), now)
	g.Expect(err).NotTo(HaveOccurred())
	for _, other := range []audit.Finding{
		finding(audit.ServiceSelects, "Service", "im", "debug"), finding(audit.ServiceExposes, "Ingress", "im", "debug"),
		finding(audit.ServiceExposes, "Service", "other", "debug"), finding(audit.ServiceExposes, "Service", "im", "debug2"),
		finding(audit.ServiceExposes, "Service", "", "debug"),
	} {
		g.Expect(set.Match(other)).To(BeNil(), other.Object.Path())
	}
	g.Expect(set.Unused()).To(ConsistOf(
		"x.yaml:2: the exception for ServiceExposes of im/Service/debug matches no finding: remove it, or it will hide a later one"))
	g.Expect(set.Match(finding(audit.ServiceExposes, "Service", "im", "debug"))).To(Equal(
		&audit.Acceptance{Reason: "load test", Expires: "2027-03-31"}))
	g.Expect(set.Unused()).To(BeEmpty())
	g.Expect(set.Expired()).To(BeEmpty())

	content := entry("ServiceExposes", "UnknownPolicyKind", "im/Service/debug", "CiliumClusterwideNetworkPolicy/a.b")
	set, err = parse("x.yaml", []byte(content), now)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.Match(finding(audit.UnknownPolicyKind, "CiliumClusterwideNetworkPolicy", "", "a.b"))).NotTo(BeNil())

	var none *Set
	g.Expect(none.Match(audit.Finding{})).To(BeNil())
	g.Expect(none.Unused()).To(BeEmpty())
	g.Expect(none.Expired()).To(BeEmpty())
}

// An exception counts until its day begins in Greenwich.
func TestDates(t *testing.T) {
	for expires, expired := range map[string]bool{
		"2026-12-31": true, "2027-01-01": true, "2027-01-02": false, "2028-01-01": false, `"2027-01-02"`: false, "1970-01-01": true,
	} {
		g := NewWithT(t)
		set, err := parse("x.yaml", []byte(entry("2027-03-31", expires)), now)
		g.Expect(err).NotTo(HaveOccurred(), expires)
		g.Expect(set.Match(finding(audit.ServiceExposes, "Service", "im", "debug")) == nil).To(Equal(expired), expires)
		if !expired {
			g.Expect(set.Expired()).To(BeEmpty())
			continue
		}
		g.Expect(set.Expired()).To(ConsistOf(fmt.Sprintf("x.yaml:2: the exception for ServiceExposes of im/Service/debug expired on %s: "+
			"fix the finding and remove the exception, or renew it after a review", expires)))
		g.Expect(set.Unused()).To(BeEmpty(), "one text is enough")
	}
}

// A file is read strictly, and an error names the line.
func TestWhatIsRefused(t *testing.T) {
	for name, c := range map[string]struct{ content, says string }{
		"nothing":             {"", "x.yaml is empty: write `exceptions: []`"},
		"a comment":           {"# later\n", "x.yaml is empty"},
		"null":                {"null\n", "x.yaml:1: not a mapping with the fields exceptions"},
		"a list":              {item(), "x.yaml:1: not a mapping"},
		"no list":             {"exceptions:\n", "x.yaml:1: exceptions is not a list"},
		"another field":       {"exceptions: []\nignore: all\n", `x.yaml:2: unknown field "ignore"`},
		"two documents":       {"exceptions: []\n---\nexceptions: []\n", "more than one document"},
		"a broken end":        {"exceptions: []\n---\n[\n", "more than one document"},
		"no YAML":             {"exceptions: [\n", "invalid YAML"},
		"a zero byte":         {"exceptions: []\x00", "invalid YAML"},
		"a template":          {"exceptions: {{ .Values.list }}\n", "x.yaml:1:"},
		"a null entry":        {"exceptions:\n- null\n", "x.yaml:2: not a mapping"},
		"a text as entry":     {"exceptions: [ServiceExposes]\n", "x.yaml:1: not a mapping"},
		"an unknown field":    {entry("  reason", "  until: never\n  reason"), `x.yaml:4: unknown field "until"`},
		"another case":        {entry("  reason", "  Reason"), `x.yaml:4: unknown field "Reason"`},
		"a field twice":       {entry("  reason", "  object: im/Service/other\n  reason"), "x.yaml:4: the field object is there twice"},
		"the list twice":      {entry() + entry(), "x.yaml:6: the field exceptions is there twice"},
		"no reason":           {entry("  reason: load test\n", ""), "x.yaml:2: the field reason is missing"},
		"an empty reason":     {entry("load test", `"  "`), "x.yaml:4: reason is empty"},
		"null as reason":      {entry("load test", "~"), "x.yaml:4: reason is not a text"},
		"a number as reason":  {entry("load test", "311"), "x.yaml:4: reason is not a text: write it in quotes"},
		"a list as reason":    {entry("load test", "[a]"), "x.yaml:4: reason is not a text"},
		"a long reason":       {entry("load test", strings.Repeat("é", maxReason+1)), "x.yaml:4: reason has 1001 characters"},
		"a reason in reverse": {entry("load test", "a\u202eb"), "x.yaml:4: reason has characters that nobody sees"},
		"an escape as reason": {entry("load test", `"\x1b[2J"`), "x.yaml:4: reason has characters that nobody sees"},
		"no date":             {entry("  expires: 2027-03-31\n", ""), "x.yaml:2: the field expires is missing"},
		"never":               {entry("2027-03-31", "never"), `x.yaml:5: expires "never" is not a date: write 2027-04-01`},
		"a time":              {entry("2027-03-31", "2027-03-31T00:00:00Z"), "x.yaml:5: expires"},
		"no day":              {entry("2027-03-31", "2027-02-30"), "x.yaml:5: expires"},
		"a short form":        {entry("2027-03-31", "2027-3-31"), "x.yaml:5: expires"},
		"more than a year": {
			entry("2027-03-31", "2028-01-02"),
			"x.yaml:5: expires 2028-01-02 is more than a year ahead: write 2028-01-01 or",
		},
		"a far year":         {entry("2027-03-31", "9999-12-31"), "more than a year ahead"},
		"an unknown finding": {entry("ServiceExposes", "serviceexposes"), `x.yaml:2: there is no finding "serviceexposes"`},
		"all findings":       {entry("ServiceExposes", `"*"`), "x.yaml:2: there is no finding"},
		"the lockdown itself": {
			entry("ServiceExposes", "OwnPolicyChanged"),
			"x.yaml:2: OwnPolicyChanged cannot be excepted: the operator restores",
		},
		"no enforcement":       {entry("ServiceExposes", "NotEnforced"), "x.yaml:2: NotEnforced cannot be excepted: without enforcement"},
		"every object":         {entry("im/Service/debug", `"*"`), `x.yaml:3: object "*" is a pattern: name one object`},
		"objects by a pattern": {entry("im/Service/debug", "im/Service/debug-*"), "x.yaml:3: object"},
		"a name alone":         {entry("im/Service/debug", "debug"), "is not namespace/kind/name"},
		"another order":        {entry("im/Service/debug", "Service/im/debug"), "is not namespace/kind/name"},
		"an empty part":        {entry("im/Service/debug", "/Service/debug"), "is not namespace/kind/name"},
		"a folder":             {entry("im/Service/debug", "im/Service/../debug"), "is not namespace/kind/name"},
		"an alias": {
			entry("load test", "&r load test") + item("load test", "*r", "debug", "other"),
			"x.yaml:4: anchors and aliases are not read",
		},
		"an alias of an entry": {"exceptions: [&e {a: b}, *e]\n", "x.yaml:1: anchors and aliases are not read"},
		"a merge":              {"exceptions:\n- <<: {finding: ServiceExposes}\n", `x.yaml:2: unknown field "<<"`},
		"a tag":                {entry("load test", "!!binary aGVsbG8="), "x.yaml:4: the tag !!binary is not read"},
		"a tag of a date":      {entry("2027-03-31", "!!str 2027-03-31"), "x.yaml:5: the tag !!str is not read"},
		"the same twice":       {entry() + item("load test", "another"), "x.yaml:6: ServiceExposes of im/Service/debug is in line 2 already"},
		"a list of a list":     {"exceptions: " + strings.Repeat("[", 20_000) + "\n", "x.yaml"},
		"more than are read": {
			"exceptions: [" + strings.Repeat("1,", maxCount+1) + "]\n",
			"x.yaml:1: there are 1001 exceptions, and at most 1000",
		},
		"more than can be read": {"exceptions: []\n#" + strings.Repeat("x", maxSize), "x.yaml is larger than 256 KiB"},
	} {
		t.Run(name, func(t *testing.T) {
			set, err := parse("x.yaml", []byte(c.content), now)
			NewWithT(t).Expect(err).To(MatchError(ContainSubstring(c.says)))
			NewWithT(t).Expect(set).To(BeNil())
		})
	}
}

func TestWhatIsRead(t *testing.T) {
	for name, content := range map[string]string{
		"Windows": strings.ReplaceAll(entry(), "\n", "\r\n"),
		"a mark":  "\ufeff" + entry(),
		"JSON": `{"exceptions": [{"finding": "ServiceExposes", "object": "im/Service/debug", "reason": "load test", ` +
			`"expires": "2027-03-31"}]}`,
		"several lines": entry("load test", "|\n    load\n    test\n"),
		"an end":        "---\n" + entry() + "...\n",
	} {
		g := NewWithT(t)
		set, err := parse("x.yaml", []byte(content), now)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(set.Match(finding(audit.ServiceExposes, "Service", "im", "debug"))).To(Equal(
			&audit.Acceptance{Reason: "load test", Expires: "2027-03-31"}), name)
	}
	g := NewWithT(t)
	set, err := parse("x.yaml", []byte("exceptions: []\n"), now)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(set.list).To(BeEmpty())
}

func TestFilesThatCannotBeRead(t *testing.T) {
	g := NewWithT(t)
	_, err := Read(filepath.Join(t.TempDir(), "gone.yaml"), now)
	g.Expect(err).To(MatchError(os.ErrNotExist), "a file that was named must be there")
	_, err = Read(t.TempDir(), now)
	g.Expect(err).To(HaveOccurred())
	endless := "/dev/zero"
	if _, err := os.Stat(endless); err == nil {
		_, err = Read(endless, now)
		g.Expect(err).To(MatchError(ContainSubstring("is larger than 256 KiB")))
	}
}

// Whatever a file holds: the result is an error that names the file, or exceptions for one object each, with a reason and a date within a
// year.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"", entry(), entry() + item("debug", "other"), "exceptions: [&a {x: *a}]", "exceptions: [{<<: *x}]",
		"? [a]\n: b", "\xff\xfe", "%YAML 1.2\n--- {}",
		"exceptions: !!set {a}", "exceptions:\n- {finding: ServiceExposes, object: im/Service/x, reason: 'a', expires: 2027-01-02}",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, content string) {
		g := NewWithT(t)
		set, err := parse("x.yaml", []byte(content), now)
		if err != nil {
			g.Expect(err.Error()).To(HavePrefix("x.yaml"))
			g.Expect(set).To(BeNil())
			return
		}
		for _, e := range set.list {
			g.Expect(audit.NeverExcepted(e.finding)).To(BeEmpty())
			g.Expect(e.object).NotTo(ContainSubstring("*"))
			g.Expect(strings.Count(e.object, "/")).To(BeElementOf(1, 2))
			g.Expect(e.reason).NotTo(BeEmpty())
			g.Expect(e.expires.Before(now.AddDate(1, 0, 1))).To(BeTrue())
			g.Expect(e.line).To(BeNumerically(">", 0))
		}
	})
}
