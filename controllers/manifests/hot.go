package manifests

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
)

// HotSuffix names the ConfigMap with what the gateway takes without a restart, behind the gateway's own name.
const HotSuffix = "-hot"

// hotFile is the file in it.
const hotFile = "hot.yaml"

// addHot adds what the gateway reads again while it runs, when the spec says anything of that kind. Unlike other configuration
// its ConfigMap keeps its name: a change of it must reach the pods that run, and drop no socket.
func (b *builder) addHot(component graph.Component, mounts *mounts, config *gatewayConfig) error {
	text, err := Hot(b.stack)
	if err != nil || text == nil {
		return err
	}
	configMap := &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: b.meta(b.child(component)+HotSuffix, component),
		Data:       map[string]string{hotFile: string(text)},
	}
	b.add(configMap)
	config.HotFile = path.Join(mounts.configMap("hot", configMap.Name), hotFile)
	return nil
}

// Hot returns what the gateway of a stack takes without a restart, nil when the spec says nothing of that kind.
func Hot(stack *v1alpha1.OpenIMStack) ([]byte, error) {
	wrapper := stack.Spec.Wrapper
	if wrapper.ExternalRef != nil || wrapper.Auth.Users == nil && wrapper.Limits == nil && wrapper.Policy == nil {
		return nil, nil
	}
	text, err := yaml.Marshal(hot(wrapper))
	if err != nil {
		return nil, fmt.Errorf("rendering what the gateway takes without a restart: %w", err)
	}
	return text, nil
}

func hot(wrapper v1alpha1.Wrapper) hotConfig {
	var config hotConfig
	if users := wrapper.Auth.Users; users != nil {
		for _, origin := range users.Origins {
			config.Origins = append(config.Origins, string(origin))
		}
		for _, block := range users.TrustedProxies {
			config.TrustedProxies = append(config.TrustedProxies, string(block))
		}
	}
	if limits := wrapper.Limits; limits != nil {
		config.Limits = &limitsConfig{Classes: map[string]classConfig{}}
		for _, class := range limits.Classes {
			rate := classConfig{PerSecond: class.PerSecond.AsApproximateFloat64(), Burst: class.Burst}
			for _, key := range class.By {
				rate.By = append(rate.By, strings.ToLower(string(key)))
			}
			config.Limits.Classes[class.Name] = rate
		}
	}
	if policy := wrapper.Policy; policy != nil {
		for _, rule := range policy.Rules {
			config.Rules = append(config.Rules, ruleConfig{Name: rule.Name, Expression: rule.Expression, Message: rule.Message})
		}
	}
	return config
}

// tracing is nil when no traces are wanted.
func tracing(stack *v1alpha1.OpenIMStack) *tracingConfig {
	spec := stack.Spec.Wrapper.Tracing
	if spec == nil {
		return nil
	}
	const one = "0.01" // in a hundred
	ratio := spec.SampleRatio
	if ratio == "" {
		ratio = one
	}
	return &tracingConfig{Endpoint: spec.Endpoint, SampleRatio: json.Number(ratio)}
}
