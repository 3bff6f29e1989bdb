package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/hack/render"
)

// maxCRD bounds a CRD as compact JSON, in bytes. kubectl's client-side apply keeps that form in an annotation, and annotations may have
// 262,144 bytes in all; the YAML in the tree is about twice as long.
const maxCRD = 200_000

// Bounds of what the API server estimates rules to cost, each a fifth of its own limit (StaticEstimatedCostLimit and
// StaticEstimatedCRDCostLimit). Other releases of the API server estimate differently, and a CRD above the limits cannot be installed.
const (
	maxRule  = 2_000_000
	maxRules = 20_000_000
)

// costlyRules may cost more than maxRule, with the reason.
var costlyRules = map[string]struct {
	most uint64
	why  string
}{
	"spec.wrapper.limits.classes[].perSecond": {
		7_000_000, "a Quantity is counted with the length of a whole request, and controller-gen sets no maxLength on it",
	},
}

// ruleCost is a line of hack/celcosts: what one rule may cost at most.
type ruleCost struct {
	File  string `json:"file"`
	Field string `json:"field"`
	Rule  string `json:"rule"`
	Cost  uint64 `json:"cost"`
}

// crds finds CRDs that do not fit: too long for kubectl, or with rules that the API server may refuse.
func crds(ctx context.Context, t tree, figures io.Writer) ([]string, error) {
	var findings []string
	for _, name := range t.files {
		if !strings.HasPrefix(name, "config/crd/bases/") {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		compact, err := yaml.YAMLToJSON(content)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		if len(compact) > maxCRD {
			findings = append(
				findings,
				fmt.Sprintf("%s has %d bytes as compact JSON, over %d: shorten descriptions or types in api/", name, len(compact), maxCRD),
			)
		}
		costs, err := ruleCosts(ctx, filepath.Join(t.root, name))
		if err != nil {
			return nil, err
		}
		sum, costly := judgeCosts(name, costs)
		findings = append(findings, costly...)
		fmt.Fprintf(figures, "%s: %d of %d KB as JSON, %d rules cost %s of %s million ",
			path.Base(name), len(compact)/1000, maxCRD/1000, len(costs), millions(sum), millions(maxRules))
	}
	return findings, nil
}

// ruleCosts asks the API server's own code, which is in a module of its own.
func ruleCosts(ctx context.Context, file string) ([]ruleCost, error) {
	root, err := render.Root()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, "go", "run", "-C", filepath.Join(root, "hack", "celcosts"), ".", file)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("estimating the rules of %s: hack/celcosts: %w: %s", file, err, lastBytes(stderr.Bytes(), 2000))
	}
	var costs []ruleCost
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		var cost ruleCost
		if err := decoder.Decode(&cost); err != nil {
			return nil, fmt.Errorf("reading what hack/celcosts printed: %w", err)
		}
		costs = append(costs, cost)
	}
	return costs, nil
}

// judgeCosts returns the sum of the costs of a CRD's rules, and a finding for each rule above its bound and for a sum above its own.
func judgeCosts(name string, costs []ruleCost) (uint64, []string) {
	costs = slices.Clone(costs)
	slices.SortStableFunc(costs, func(a, b ruleCost) int { return cmp.Compare(b.Cost, a.Cost) })
	var findings []string
	var sum uint64
	for _, c := range costs {
		sum += min(c.Cost, ^uint64(0)-sum)
		if most := max(maxRule, costlyRules[c.Field].most); c.Cost > most {
			findings = append(findings, fmt.Sprintf("%s: the rule %q of %s costs %s million, over %s: "+
				"bound the lists, maps and text around it, or simplify it", name, oneLine(c.Rule), c.Field, millions(c.Cost), millions(most)))
		}
	}
	if sum > maxRules {
		var most []string
		for _, c := range costs[:min(3, len(costs))] {
			most = append(most, fmt.Sprintf("%s (%s million)", c.Field, millions(c.Cost)))
		}
		findings = append(findings, fmt.Sprintf("%s: all rules cost %s million, over %s: the most expensive are those of %s",
			name, millions(sum), millions(maxRules), strings.Join(most, ", ")))
	}
	return sum, findings
}

// millions writes a cost so that it is readable, with two digits after the point.
func millions(cost uint64) string {
	return fmt.Sprintf("%d.%02d", cost/1_000_000, cost%1_000_000/10_000)
}

func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
