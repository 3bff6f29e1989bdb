package manifests

import (
	"cmp"
	"fmt"
	"path"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/netpol/graph"
	"github.com/openimstack/openim-operator/wrapper/config"
)

// HotSuffix follows the gateway's name in the name of the ConfigMap that the gateway applies without a restart.
const HotSuffix = "-hot"

// hotFile is the file in that ConfigMap.
const hotFile = "hot.yaml"

// addHot adds the ConfigMap that the gateway reads again while it runs, when the spec sets any of its fields. Unlike other ConfigMaps it
// keeps its name: a change must reach the running pods, and close no socket.
func (b *builder) addHot(c graph.Component) error {
	text, err := Hot(b.stack)
	if err != nil || text == nil {
		return err
	}
	b.add(&corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: b.meta(b.hotName(c), c),
		Data:       map[string]string{hotFile: string(text)},
	})
	return nil
}

func (b *builder) hotName(c graph.Component) string { return b.child(c) + HotSuffix }

// HotName returns the name of that ConfigMap.
func HotName(stack string) string {
	return v1alpha1.ChildName(stack, v1alpha1.ComponentGateway) + HotSuffix
}

// MultiLoginOf returns the multi-login policy that the ConfigMap of a gateway's hot file has, as a part of spec.settings; nil without one.
// A file that the operator did not write may be anything: it has none.
func MultiLoginOf(object *corev1.ConfigMap) *v1alpha1.MultiLogin {
	var file config.Hot
	if err := yaml.UnmarshalStrict([]byte(object.Data[hotFile]), &file); err != nil || file.MultiLogin == nil {
		return nil
	}
	m := file.MultiLogin
	of := &v1alpha1.MultiLogin{
		Policy: v1alpha1.MultiLoginPolicy(m.Policy), Enforcement: v1alpha1.Enforcement(m.Enforcement),
	}
	if m.MaxPerPlatform != 0 {
		of.MaxPerPlatform = ptr.To(m.MaxPerPlatform)
	}
	return of
}

// mountHot mounts that ConfigMap, and returns the path of its file, "" when there is none.
func (b *builder) mountHot(c graph.Component, mounts *mounts) string {
	if !hasHot(b.stack.Spec.Wrapper) {
		return ""
	}
	return path.Join(mounts.configMap("hot", b.hotName(c)), hotFile)
}

func hasHot(wrapper v1alpha1.Wrapper) bool {
	return wrapper.ExternalRef == nil && (wrapper.Auth.Users != nil || wrapper.Limits != nil || wrapper.Policy != nil)
}

// Hot returns the file that the gateway of a stack applies without a restart, nil when the spec sets none of its fields.
func Hot(stack *v1alpha1.OpenIMStack) ([]byte, error) {
	wrapper := stack.Spec.Wrapper
	if !hasHot(wrapper) {
		return nil, nil
	}
	text, err := yaml.Marshal(hot(stack))
	if err != nil {
		return nil, fmt.Errorf("rendering the gateway's hot configuration: %w", err)
	}
	return text, nil
}

func hot(stack *v1alpha1.OpenIMStack) config.Hot {
	var file config.Hot
	wrapper := stack.Spec.Wrapper
	if users := wrapper.Auth.Users; users != nil {
		file.MultiLogin = multiLogin(stack.Spec.Settings)
		for _, origin := range users.Origins {
			file.Origins = append(file.Origins, string(origin))
		}
		for _, block := range users.TrustedProxies {
			file.TrustedProxies = append(file.TrustedProxies, string(block))
		}
	}
	if limits := wrapper.Limits; limits != nil {
		file.Limits.Classes = map[string]config.Class{}
		for _, class := range limits.Classes {
			rate := config.Class{PerSecond: class.PerSecond.AsApproximateFloat64(), Burst: int(class.Burst)}
			for _, key := range class.By {
				rate.By = append(rate.By, strings.ToLower(string(key)))
			}
			file.Limits.Classes[class.Name] = rate
		}
	}
	if policy := wrapper.Policy; policy != nil {
		for _, rule := range policy.Rules {
			file.Rules = append(file.Rules, config.Rule{Name: rule.Name, Expression: rule.Expression, Message: rule.Message})
		}
	}
	return file
}

// multiLogin returns the policy that gateway and backend apply at each login, nil without one. The texts are the same on both sides.
func multiLogin(settings *v1alpha1.Settings) *config.MultiLogin {
	if settings == nil || settings.MultiLogin == nil {
		return nil
	}
	m := settings.MultiLogin
	return &config.MultiLogin{
		Policy: string(m.Policy), MaxPerPlatform: ptr.Deref(m.MaxPerPlatform, 0),
		Enforcement: cmp.Or(string(m.Enforcement), config.EnforcementReport),
	}
}

// defaultSampleRatio traces one request in a hundred.
const defaultSampleRatio = "0.01"

// tracing returns where the stack's spans are exported to. The zero value traces nothing.
func tracing(stack *v1alpha1.OpenIMStack) (config.Tracing, error) {
	spec := stack.Spec.Wrapper.Tracing
	if spec == nil {
		return config.Tracing{}, nil
	}
	text := cmp.Or(spec.SampleRatio, defaultSampleRatio)
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return config.Tracing{}, fmt.Errorf("rendering tracing.sampleRatio: %q is not a number: write 0 to 1", text)
	}
	return config.Tracing{Endpoint: spec.Endpoint, SampleRatio: ratio}, nil
}
