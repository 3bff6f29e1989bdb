package truthtable

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	"github.com/openimstack/openim-operator/netpol/evaluate"
)

// policyCheck evaluates attempted connections against the live NetworkPolicies.
type policyCheck struct {
	evaluator *evaluate.Evaluator
	pods      map[string]*corev1.Pod // by namespace/name
}

func newPolicyCheck(namespaces []corev1.Namespace, policies []networkingv1.NetworkPolicy, pods []corev1.Pod) (*policyCheck, error) {
	evaluator, err := evaluate.New(namespaces, policies)
	if err != nil {
		return nil, fmt.Errorf("evaluating the live policies: %w", err)
	}
	j := &policyCheck{evaluator: evaluator, pods: map[string]*corev1.Pod{}}
	for i := range pods {
		j.pods[pods[i].Namespace+"/"+pods[i].Name] = &pods[i]
	}
	return j, nil
}

// open reports whether the policies let a pod reach a port of another. Both are namespace/name.
func (j *policyCheck) open(from, to string, port int32, protocol corev1.Protocol) (bool, error) {
	source, target := j.pods[from], j.pods[to]
	if source == nil || target == nil {
		return false, fmt.Errorf("pod %s or %s no longer exists: observe again when no rollout is in progress", from, to)
	}
	return j.evaluator.Connect(evaluate.End{Pod: source}, evaluate.End{Pod: target}, port, protocol).Open, nil
}

// evaluate adds the live policies' result to each observation. A Service's address is evaluated as the pod behind it, as networks do.
func (p *plan) evaluate(j *policyCheck, namespace string) error {
	for i := range p.observations {
		o := &p.observations[i]
		if o.Skipped != "" {
			continue
		}
		target := p.controls[i]
		open, err := j.open(p.containers[i].Namespace+"/"+p.containers[i].Pod, namespace+"/"+target, o.Target.Port.Number, o.Target.Port.Protocol)
		if err != nil {
			return err
		}
		o.Evaluated = &open
	}
	return nil
}
