package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/setup"
)

// firstRun and secondRun are what two runs print: each value that may differ between runs does.
const firstRun = `
 1  a Kubernetes node on this machine (the first time it is built from source, minutes)
    [1/5] kubernetes: building v1.34.1 from source
    Kubernetes v1.34.1 at https://127.0.0.1:6443
    done in 4m3.2s

 5  one OpenIMStack: kubectl apply -f config/samples/demo.yaml
      7.4s  0 of 16 pods ready, waiting for api 0/1
     38.0s  16 of 16 pods ready; OpenIM v3.8.3 runs
    done in 38s

 6  alice enrols
    alice enrols at chat-gateway-84744f75b6-ndzbb in 361ms: device t8NUcwUAAy9bS8I7ZXux0A, session _l4NHrRYa_tXFIp0I-9xfI
    bob enrols at chat-gateway-84744f75b6-q4gqz in 71ms: device DVBrUhu2AZyHjydIvvIDTA, session 4-teoH9Oa_tXFIp0I-9xfI
    doc_id si_alice_bob:0, seq 1: hello bob, it is 02:28:35.870 on 2026-11-30; newest_seq 1 (was 0); MALLOC_SEQ is at 1
      {"audit":1,"chain":"13eb28ea","seq":16,"time":"2026-11-30T02:28:35Z","userID":"alice","users":["a","b"],"ip":"10.0.0.7"}
    wrapper audit verify: 26 events of 2 replicas
    454 cells; 3 tried more than once until the policies had settled
    from 10.0.0.7:6379 in 4.1 s
    done in 1.2s

demo: PASS in 1m25s. Everything is left running.
`

const secondRun = `
 1  a Kubernetes node on this machine (the first time it is built from source, minutes)
    Kubernetes v1.34.1 at https://10.1.2.3:6443
    done in 900ms

 5  one OpenIMStack: kubectl apply -f config/samples/demo.yaml
      0.1s  16 of 16 pods ready; OpenIM v3.8.3 runs
    done in 0s

 6  alice enrols
    alice enrols at chat-gateway-5d9f8c7b6d-xxxxx in 1.2s: device AAAAcwUAAy9bS8I7ZXux0A, session BBBBHrRYa_tXFIp0I-9xfI
    bob enrols at chat-gateway-5d9f8c7b6d-aaaaa in 2ms: device CCCCUhu2AZyHjydIvvIDTA, session DDDDoH9Oa_tXFIp0I-9xfI
    doc_id si_alice_bob:1, seq 117: hello bob, it is 12:00:00.001 on 2027-01-02; newest_seq 117 (was 116); MALLOC_SEQ is at 117
      {"audit":1,"chain":"ffff","seq":3,"time":"2027-01-02T12:00:00Z","userID":"alice","users":["a","b"],"ip":"10.9.9.9"}
    wrapper audit verify: 1044 events of 2 replicas
    454 cells
    from 10.9.9.9:6379 in 12.5 s
    done in 2.1s

demo: PASS in 58s. Everything is left running.
`

const bothRuns = ` 1  a Kubernetes node on this machine (the first time it is built from source, minutes)
 5  one OpenIMStack: kubectl apply -f config/samples/demo.yaml
    16 of 16 pods ready; OpenIM v3.8.3 runs
 6  alice enrols
    alice enrols at chat-gateway-<pod 1> in <duration>: device <id>, session <id>
    bob enrols at chat-gateway-<pod 2> in <duration>: device <id>, session <id>
    doc_id si_alice_bob:<n>, seq <seq>: hello bob, it is <time>; newest_seq <seq>; MALLOC_SEQ is at <seq>
      {"audit":1,"chain":"...","seq":"...","time":"...","userID":"alice","users":["a","b"],"ip":"..."}
    wrapper audit verify: <n> events of 2 replicas
    454 cells
    from <address> in <duration>

demo: PASS in <duration>. Everything is left running.
`

func TestTwoRunsGiveTheSameTranscript(t *testing.T) {
	g := NewWithT(t)
	g.Expect(normalize(firstRun)).To(Equal(bothRuns))
	g.Expect(normalize(secondRun)).To(Equal(bothRuns))
}

func TestLongLinesAreFoldedAtSpacesAndCommas(t *testing.T) {
	g := NewWithT(t)
	for _, separator := range []string{" ", ","} {
		folded := fold("    " + strings.Repeat("word"+separator, 60))
		for line := range strings.Lines(folded) {
			g.Expect(len(line)).To(BeNumerically("<=", maxColumns+1))
		}
		g.Expect(strings.Count(folded, "word")).To(Equal(60))
	}
	g.Expect(fold(strings.Repeat("x", 300))).To(HavePrefix(strings.Repeat("x", maxColumns) + "\n"))
}

func TestTheTranscriptIsWrittenOnlyWhereItIsRequested(t *testing.T) {
	g := NewWithT(t)
	file := filepath.Join(t.TempDir(), "demo.md")
	g.Expect(writeTranscript(file, firstRun)).To(Succeed())
	content, err := os.ReadFile(file)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(HavePrefix("# The demo\n"))
	g.Expect(string(content)).To(HaveSuffix("```text\n" + bothRuns + "```\n"))
	g.Expect(writeTranscript(filepath.Join(file, "below"), "")).To(MatchError(ContainSubstring("writing the transcript")))
}

// docs/demo.md cannot become outdated: it has the text of page, every step of the demo in order, and nothing that differs between runs.
func TestThePageHasEveryStep(t *testing.T) {
	g := NewWithT(t)
	content, err := os.ReadFile("../../docs/demo.md")
	g.Expect(err).NotTo(HaveOccurred())
	before, after, _ := strings.Cut(page, "%s")
	printed, isPage := strings.CutPrefix(string(content), before)
	g.Expect(isPage).To(BeTrue(), "the page begins with other text: run go run ./hack/demo --transcript docs/demo.md")
	printed, isPage = strings.CutSuffix(printed, after)
	g.Expect(isPage).To(BeTrue())
	g.Expect(normalize(printed)).To(Equal(printed))

	environment := &setup.Environment{Local: true}
	titles := environment.Steps()
	g.Expect(titles).To(HaveLen(setupSteps))
	titles = append(titles, (&demo{Environment: environment}).steps()...)
	var shown []string
	for line := range strings.Lines(printed) {
		if title.MatchString(line) {
			shown = append(shown, strings.TrimSpace(line)[len("1"):])
		}
	}
	g.Expect(shown).To(HaveLen(len(titles)))
	for i, step := range titles {
		g.Expect(shown[i]).To(HaveSuffix("  "+step.Title), "step %d", i+1)
	}
}
