package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// folder has the dashboards, below the project's root.
const folder = "config/monitoring/dashboards"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: dashboards ROOT")
		os.Exit(2)
	}
	if err := write(filepath.Join(os.Args[1], folder)); err != nil {
		fmt.Fprintln(os.Stderr, "dashboards:", err)
		os.Exit(1)
	}
}

func write(to string) error {
	faults := []error{os.MkdirAll(to, 0o755)}
	for _, b := range boards() {
		content, err := b.json()
		faults = append(faults, err, os.WriteFile(filepath.Join(to, b.name+".json"), content, 0o644))
	}
	return errors.Join(faults...)
}

// board is a dashboard.
type board struct {
	// name of the file and the identifier, which links and bookmarks keep.
	name, title, about string
	rows               []row
}

// row is a row of panels under a heading.
type row struct {
	title  string
	panels []panel
}

// panel is a graph over time.
type panel struct {
	title, about string
	// unit of Grafana: short, reqps, s, ops, bytes, percentunit, none.
	unit string
	// width of 24.
	width   uint32
	queries []query
}

// query is an expression in PromQL, and the text of its series in the legend.
type query struct{ expr, legend string }

const height = 7

func (b board) json() ([]byte, error) {
	source := common.DataSourceRef{Type: ptr("prometheus"), Uid: ptr("${datasource}")}
	all := dashboard.NewDashboardBuilder(b.title).Uid(b.name).Description(b.about).Tags([]string{"openim"}).
		Refresh("1m").Time("now-6h", "now").
		Tooltip(dashboard.DashboardCursorSyncCrosshair).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Prometheus").Type("prometheus")).
		WithVariable(variable(source, "namespace", "label_values(openim_operator_stack_info, namespace)")).
		WithVariable(variable(source, "stack", `label_values(openim_operator_stack_info{namespace=~"$namespace"}, stack)`))
	for _, r := range b.rows {
		all = all.WithRow(dashboard.NewRowBuilder(r.title))
		for _, p := range r.panels {
			graph := timeseries.NewPanelBuilder().Title(p.title).Description(p.about).Unit(p.unit).Datasource(source).
				Span(p.width).Height(height).Min(0).FillOpacity(8).ShowPoints(common.VisibilityModeNever)
			for i, q := range p.queries {
				graph = graph.WithTarget(prometheus.NewDataqueryBuilder().Expr(q.expr).LegendFormat(q.legend).Range().
					RefId(string(rune('A' + i))).Datasource(source))
			}
			all = all.WithPanel(graph)
		}
	}
	built, err := all.Build()
	if err != nil {
		return nil, fmt.Errorf("building %s: %w", b.name, err)
	}
	content, err := json.MarshalIndent(built, "", "  ")
	return append(content, '\n'), err
}

// variable is a choice of one or several values, all at first.
func variable(source common.DataSourceRef, name, expr string) *dashboard.QueryVariableBuilder {
	return dashboard.NewQueryVariableBuilder(name).Datasource(source).Query(dashboard.StringOrMap{String: &expr}).
		Refresh(dashboard.VariableRefreshOnTimeRangeChanged).Sort(dashboard.VariableSortAlphabeticalAsc).Multi(true).IncludeAll(true)
}

func ptr[T any](value T) *T { return &value }
