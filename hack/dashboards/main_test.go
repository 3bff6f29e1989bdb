package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheFilesAreWhatTheTablesSay fails after a change without `make dashboards`.
func TestTheFilesAreWhatTheTablesSay(t *testing.T) {
	for _, b := range boards() {
		want, err := b.json()
		if err != nil {
			t.Fatal(err)
		}
		have, err := os.ReadFile(filepath.Join("..", "..", folder, b.name+".json"))
		if err != nil {
			t.Fatal(err)
		}
		if string(have) != string(want) {
			t.Errorf("%s is not what hack/dashboards makes: run make dashboards", b.name)
		}
	}
}

// TestPrometheusUnderstandsEveryQuery gives all expressions to promtool as rules, with Grafana's variables replaced.
func TestPrometheusUnderstandsEveryQuery(t *testing.T) {
	type rule struct {
		Record string `json:"record"`
		Expr   string `json:"expr"`
	}
	var rules []rule
	variables := strings.NewReplacer("$__rate_interval", "5m", "$namespace", ".*", "$stack", ".*")
	for _, b := range boards() {
		for _, r := range b.rows {
			for _, p := range r.panels {
				for _, q := range p.queries {
					if expr := variables.Replace(q.expr); strings.Contains(expr, "$") {
						t.Errorf("%s: a variable is left: %s", p.title, expr)
					} else {
						rules = append(rules, rule{"query:" + string(rune('a'+len(rules)%26)) + strings.Repeat("x", len(rules)/26), expr})
					}
				}
			}
		}
	}
	content, err := json.Marshal(map[string]any{"groups": []any{map[string]any{"name": "queries", "rules": rules}}})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		t.Fatal("promtool is not installed: install the Debian package prometheus (go run ./hack/packages prometheus)")
	}
	if out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", path).CombinedOutput(); err != nil {
		t.Fatalf("promtool: %v\n%s", err, out)
	}
}

// TestPanelsFillTheirRows keeps rows from ending with a gap.
func TestPanelsFillTheirRows(t *testing.T) {
	const columns = 24
	for _, b := range boards() {
		for _, r := range b.rows {
			var total uint32
			for _, p := range r.panels {
				total += p.width
			}
			if total%columns != 0 {
				t.Errorf("%s, row %q: panels have %d columns, which is no multiple of %d", b.name, r.title, total, columns)
			}
		}
	}
}
