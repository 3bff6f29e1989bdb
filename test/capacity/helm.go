package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// measureHelm installs the objects of one stack by helm as often as there are stacks, one after the other, as a script would.
func measureHelm(ctx context.Context, c *cluster, stacks int) (figure, error) {
	chart := filepath.Join(c.dir, "chart")
	if err := c.writeChart(ctx, chart); err != nil {
		return figure{}, err
	}
	tool, err := exec.CommandContext(ctx, "go", "tool", "-modfile=hack/tools/helm/go.mod", "-n", "helm").Output()
	if err != nil {
		return figure{}, fmt.Errorf("building helm: %w", err)
	}
	began := time.Now()
	for i := range stacks {
		command := exec.CommandContext(ctx, strings.TrimSpace(string(tool)), "install", stackName, chart, "--kubeconfig", c.kubeconfig,
			"--namespace", fmt.Sprintf("helm-%03d", i), "--create-namespace")
		if out, err := command.CombinedOutput(); err != nil {
			return figure{}, fmt.Errorf("helm install: %w: %s", err, out)
		}
	}
	return figure{"helm", "s", "helm install of the same objects, one release after the other", time.Since(began).Seconds()}, nil
}

// writeChart writes a chart with the children of the first stack as they are.
func (c *cluster) writeChart(ctx context.Context, dir string) error {
	var all bytes.Buffer
	for _, list := range []client.ObjectList{
		&networkingv1.NetworkPolicyList{}, &corev1.ServiceAccountList{}, &corev1.SecretList{}, &corev1.ConfigMapList{}, &corev1.ServiceList{},
		&appsv1.DeploymentList{}, &policyv1.PodDisruptionBudgetList{}, &autoscalingv2.HorizontalPodAutoscalerList{},
	} {
		err := c.client.List(ctx, list, client.InNamespace(namespaceOf(0)), client.MatchingLabels{v1alpha1.LabelInstance: stackName})
		if err != nil {
			return err
		}
		items, err := apimeta.ExtractList(list)
		if err != nil {
			return err
		}
		for _, item := range items {
			text, err := c.manifest(item)
			if err != nil {
				return err
			}
			all.WriteString("---\n")
			all.Write(text)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "templates"), 0o700); err != nil {
		return err
	}
	// The files have braces of their own, which helm must not read as a template.
	content := strings.NewReplacer("{{", `{{ "{{" }}`).Replace(all.String())
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "Chart.yaml"), []byte("apiVersion: v2\nname: stack\nversion: 0.0.1\n"), 0o600),
		os.WriteFile(filepath.Join(dir, "templates", "all.yaml"), []byte(content), 0o600),
	)
}

// manifest returns an object as a user would write it.
func (c *cluster) manifest(item runtime.Object) ([]byte, error) {
	object := item.(client.Object) //nolint:forcetypeassert // kinds of the API
	gvk, err := apiutil.GVKForObject(object, c.client.Scheme())
	if err != nil {
		return nil, err
	}
	object.GetObjectKind().SetGroupVersionKind(gvk)
	meta := metav1.ObjectMeta{Name: object.GetName(), Labels: object.GetLabels(), Annotations: object.GetAnnotations()}
	text, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	fields["metadata"] = meta
	delete(fields, "status")
	if spec, ok := fields["spec"].(map[string]any); ok { // an address is given by the API server
		if spec["clusterIP"] != corev1.ClusterIPNone {
			delete(spec, "clusterIP")
			delete(spec, "clusterIPs")
		}
	}
	return yaml.Marshal(fields)
}
