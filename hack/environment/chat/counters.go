package chat

import (
	"context"
	"fmt"
	"io"
	"net/http"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Counters of OpenIM's processes that a message moves on its way (pkg/common/prommetrics). There is one for Redis, too, which v3.8.3
// never counts up.
const (
	// Produced: rpc-msg has handed a message to Kafka.
	Produced = "single_chat_msg_process_success_total"
	// Persisted: msgtransfer has taken messages from Kafka and put them into MongoDB.
	Persisted = "msg_insert_mongo_success_total"
)

// maxMetrics bounds one page of metrics, in bytes.
const maxMetrics = 4 << 20

// Counter reads a counter from a process's metrics page: the sum of its series that have all of labels. address is host:port. It is 0 when
// the process has not counted yet.
func Counter(ctx context.Context, address, name string, labels map[string]string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/metrics", nil)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	response, err := httpClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("metrics: HTTP %d", response.StatusCode)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(response.Body, maxMetrics))
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	var sum float64
	for _, metric := range families[name].GetMetric() {
		if hasLabels(metric, labels) {
			sum += metric.GetCounter().GetValue()
		}
	}
	return sum, nil
}

func hasLabels(metric *dto.Metric, labels map[string]string) bool {
	found := 0
	for _, pair := range metric.GetLabel() {
		if value, wanted := labels[pair.GetName()]; wanted && value == pair.GetValue() {
			found++
		}
	}
	return found == len(labels)
}
