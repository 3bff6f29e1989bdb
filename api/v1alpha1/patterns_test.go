package v1alpha1_test

import (
	"os"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"slices"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

// misleading are characters that no field with a pattern may hold: controls of both sets, line and paragraph separators, and format
// characters that hide text or turn its direction in a terminal, a log or a browser.
var misleading = []rune{
	0, '\n', '\r', 0x1b, 0x7f, 0x80, 0x85, 0x9b, 0x9f, 0xad, 0x61c, 0x200b, 0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060, 0x2066,
	0x2069, 0xfeff, 0xfff9, 0xe000, 0xe0041,
}

// TestNoPatternTakesCharactersThatMislead reads all patterns of the CRD, so that a new one is judged, too. A pattern is judged where it
// admits something: rules that refuse what matches are not among them.
func TestNoPatternTakesCharactersThatMislead(t *testing.T) {
	g := NewWithT(t)
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "openimstack.dev_openimstacks.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	g.Expect(yaml.Unmarshal(raw, &crd)).To(Succeed())
	admits := regexp.MustCompile(`(^|[^!])self\.matches\(r?'([^']*)'\)`)
	patterns := 0
	judge := func(path, pattern string) {
		patterns++
		parsed, err := syntax.Parse(pattern, syntax.Perl)
		g.Expect(err).NotTo(HaveOccurred(), path)
		for _, r := range misleading {
			if takes(parsed, r) {
				t.Errorf("%s: the pattern %s takes U+%04X", path, pattern, r)
			}
		}
	}
	var walk func(path string, schema apiextensionsv1.JSONSchemaProps)
	walk = func(path string, schema apiextensionsv1.JSONSchemaProps) {
		if schema.Pattern != "" {
			judge(path, schema.Pattern)
		}
		for _, rule := range schema.XValidations {
			for _, match := range admits.FindAllStringSubmatch(rule.Rule, -1) {
				judge(path, match[2])
			}
		}
		for name, below := range schema.Properties {
			walk(path+"."+name, below)
		}
		if schema.Items != nil && schema.Items.Schema != nil {
			walk(path+"[]", *schema.Items.Schema)
		}
		if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
			walk(path+"{}", *schema.AdditionalProperties.Schema)
		}
	}
	walk("spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"])
	g.Expect(patterns).To(BeNumerically(">", 30), "the walk through the schema was lost")
}

// takes reports whether a part of a pattern takes a character.
func takes(pattern *syntax.Regexp, r rune) bool {
	switch pattern.Op {
	case syntax.OpAnyChar:
		return true
	case syntax.OpAnyCharNotNL:
		return r != '\n'
	case syntax.OpLiteral:
		return slices.Contains(pattern.Rune, r)
	case syntax.OpCharClass:
		for i := 0; i < len(pattern.Rune); i += 2 {
			if pattern.Rune[i] <= r && r <= pattern.Rune[i+1] {
				return true
			}
		}
	}
	return slices.ContainsFunc(pattern.Sub, func(sub *syntax.Regexp) bool { return takes(sub, r) })
}

// What people write in their languages is taken: the joiners of Persian and of emoji are format characters, too.
func TestTextsOfAllLanguagesAreTaken(t *testing.T) {
	g := NewWithT(t)
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "openimstack.dev_openimstacks.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	texts := regexp.MustCompile(`self\.matches\(r'(\^[^']*x\{200c\}[^']*)'\)`).FindAllSubmatch(raw, -1)
	g.Expect(len(texts)).To(BeNumerically(">=", 4))
	for _, text := range texts {
		pattern, err := regexp.Compile(string(text[1]))
		g.Expect(err).NotTo(HaveOccurred())
		for _, written := range []string{
			"FCM, for phones", "Nachrichten für München", "消息", "می\u200cخواهم", "הודעות", "👩\u200d💻 1",
			"intent:#Intent;component=com.example.im/.Main;end",
		} {
			g.Expect(pattern.MatchString(written)).To(BeTrue(), written)
		}
		for _, r := range misleading {
			g.Expect(pattern.MatchString("a"+string(r)+"b")).To(BeFalse(), "U+%04X", r)
		}
	}
}

// badURLs are texts that are no URL of a server, or that parsers read in different ways.
var badURLs = []string{
	"https://", "https://a:b", "https://a:", "https://a:0", "https://a:123456", "https://%zz", "https://a%20b", "https://a..b", "https://.a",
	"https://-a", "https://a-", "https://a_:b@c", "https://a@b", "https://a b", "https://a\\b", "https://a<b", "https://a,b", "https://[::1",
	"https://[x]", "https://a?b", "https://a#b", "https://a;b", "//a", "https:a", "ftp://a",
}

// TestNoPatternOfAURLTakesAnotherText reads all patterns of the CRD that take a URL of a host, so that a new one is judged, too.
func TestNoPatternOfAURLTakesAnotherText(t *testing.T) {
	g := NewWithT(t)
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "openimstack.dev_openimstacks.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	patterns := map[string]bool{}
	// YAML folds long rules into lines: a pattern has no blanks of its own.
	text := regexp.MustCompile(`\n\s+`).ReplaceAllString(string(raw), "")
	for _, match := range regexp.MustCompile(`self\.matches\('+(\^https[^']*)'+\)`).FindAllStringSubmatch(text, -1) {
		patterns[match[1]] = true
	}
	for text := range patterns {
		pattern, err := regexp.Compile(text)
		g.Expect(err).NotTo(HaveOccurred(), text)
		g.Expect(pattern.MatchString("https://im-1.example.com:8443")).To(BeTrue(), text)
		for _, bad := range badURLs {
			g.Expect(pattern.MatchString(bad)).To(BeFalse(), "%s takes %q", text, bad)
		}
		for _, path := range []string{"/%zz", "/%", "/a?b", "/a b", "/a#b"} {
			g.Expect(pattern.MatchString("https://a"+path)).To(BeFalse(), "%s takes the path %q", text, path)
		}
	}
	g.Expect(len(patterns)).To(BeNumerically(">=", 5), "the patterns were lost")
}
