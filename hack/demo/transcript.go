package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// page is docs/demo.md around the transcript.
const page = `# The demo

The demo starts a Kubernetes node, the real OpenIM v3.8.3 and one OpenIMStack on this machine, and then uses and attacks the stack. It
needs Linux, root and Go. The first run builds Kubernetes and OpenIM from source; later runs take about a minute.

    make demo         # go run ./hack/demo
    make demo-down    # remove everything

Below is what it prints. Values that differ between runs are written in angle brackets, and the lines of the steps that set the environment
up are left out. The command that wrote this page: ` + "`go run ./hack/demo --transcript docs/demo.md`." + `

` + "```text\n%s```\n"

// maxColumns is the longest line of the page.
const maxColumns = 140

// setupSteps is the number of steps that set the environment up. Their lines depend on what earlier runs left.
const setupSteps = 4

// writeTranscript writes what the demo printed as a Markdown page.
func writeTranscript(file, printed string) error {
	if err := os.WriteFile(file, []byte(pageOf(printed)), 0o644); err != nil {
		return fmt.Errorf("writing the transcript: %w", err)
	}
	return nil
}

// pageOf returns the page for what the demo printed. Two runs on the same sources give the same page.
func pageOf(printed string) string { return fmt.Sprintf(page, normalize(printed)) }

var (
	title    = regexp.MustCompile(`^ ?(\d+)  \S`)
	progress = regexp.MustCompile(`^ +\d+\.\ds  `)
	done     = regexp.MustCompile(`^    done in `)
	podName  = regexp.MustCompile(`\bchat-gateway-[a-z0-9]+-[a-z0-9]{5}\b`)
)

// replacements replace values that differ between runs. Their order matters: dates are replaced before durations.
var replacements = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`\b(device|session) [A-Za-z0-9_-]{16,}`), "$1 <id>"},
	{regexp.MustCompile(`\bserverMsgID \S+`), "serverMsgID <id>"},
	{regexp.MustCompile(`\b\d{2}:\d{2}:\d{2}\.\d+ on \d{4}-\d{2}-\d{2}\b`), "<time>"},
	{regexp.MustCompile(`\b\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z| ?UTC)?`), "<time>"},
	{regexp.MustCompile(`\b\d{1,3}(\.\d{1,3}){3}(:\d+)?\b`), "<address>"},
	{regexp.MustCompile(`\bis at \d+`), "is at <seq>"},
	{regexp.MustCompile(`\b(newest_seq|pull_msg_by_seq|seq) \d+( \(was \d+\))?`), "$1 <seq>"},
	{regexp.MustCompile(`\b(doc_id si_alice_bob):\d+`), "$1:<n>"},
	{regexp.MustCompile(`\bKUBECONFIG=\S+`), "KUBECONFIG=<file>"},
	{regexp.MustCompile(`verify: \d+ events`), "verify: <n> events"},
	{regexp.MustCompile(`; \d+ tried more than once until the policies had settled`), ""},
	{regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?(h|m|s|ms|µs)\b`), "<duration>"},
	{regexp.MustCompile(`\b\d+\.\d+ s\b`), "<duration>"},
}

// normalize replaces or removes what differs between runs: times, identifiers, addresses, and lines that report progress.
func normalize(printed string) string {
	var out strings.Builder
	lines := strings.Split(strings.Trim(printed, "\n"), "\n")
	pods := map[string]string{}
	step := "0"
	for i, line := range lines {
		if found := title.FindStringSubmatch(line); found != nil {
			step = found[1]
		} else if skipped(step, line, lines[i+1:]) {
			continue
		}
		line = progress.ReplaceAllString(line, "    ")
		line = podName.ReplaceAllStringFunc(line, func(name string) string {
			if pods[name] == "" {
				pods[name] = fmt.Sprintf("chat-gateway-<pod %d>", len(pods)+1)
			}
			return pods[name]
		})
		line = event(line)
		for _, r := range replacements {
			line = r.pattern.ReplaceAllString(line, r.with)
		}
		out.WriteString(fold(strings.TrimRight(line, " ")))
	}
	return out.String()
}

// skipped reports whether a line is left out: the lines of the set-up steps, the durations of steps, and all lines of progress but the
// last.
func skipped(step, line string, following []string) bool {
	if line == "" {
		return len(following) > 0 && title.MatchString(following[0]) // between two steps
	}
	number, _ := strconv.Atoi(step)
	setUp := number > 0 && number <= setupSteps
	repeated := progress.MatchString(line) && len(following) > 0 && progress.MatchString(following[0])
	return setUp || repeated || done.MatchString(line)
}

// stableKeys are the keys of an audit event whose values are the same in every run.
var stableKeys = []string{
	"audit",
	"kind",
	"role",
	"userID",
	"platformID",
	"route",
	"identifier",
	"class",
	"users",
	"userCount",
	"conversations",
	"verdict",
	"reason",
	"rule",
	"status",
	"errCode",
}

// event returns a line with an audit event without the values that differ between runs. Other lines are returned unchanged.
func event(line string) string {
	text := strings.TrimLeft(line, " ")
	if !strings.HasPrefix(text, `{"`) || !json.Valid([]byte(text)) {
		return line
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	_, _ = decoder.Token() // the opening brace: the text is a valid object
	var fields []string
	for decoder.More() {
		key, _ := decoder.Token()
		var value json.RawMessage
		_ = decoder.Decode(&value)
		if !slices.Contains(stableKeys, fmt.Sprint(key)) {
			value = json.RawMessage(`"..."`)
		}
		fields = append(fields, fmt.Sprintf("%q:%s", key, bytes.TrimSpace(value)))
	}
	return line[:len(line)-len(text)] + "{" + strings.Join(fields, ",") + "}"
}

// fold breaks a long line at spaces or after commas. Continuation lines are indented.
func fold(line string) string {
	const indent = "        "
	var out strings.Builder
	for len([]rune(line)) > maxColumns {
		runes := []rune(line)
		end := maxColumns
		for end > len(indent)+1 && runes[end-1] != ' ' && runes[end-1] != ',' {
			end--
		}
		if end == len(indent)+1 {
			end = maxColumns // no place to break: cut
		}
		out.WriteString(strings.TrimRight(string(runes[:end]), " ") + "\n")
		line = indent + strings.TrimLeft(string(runes[end:]), " ")
	}
	out.WriteString(line + "\n")
	return out.String()
}
