package kube

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

const (
	// maxLog bounds the size of one container's log, in bytes.
	maxLog = 256 << 10
	// shortestSecret is the least length of a Secret's value that is redacted. Shorter values would match ordinary words.
	shortestSecret = 8
	redacted       = "<redacted>"
)

// token matches a JWT of any issuer.
var token = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*`)

// Dump writes stacks, pods, events and logs of the namespaces to a folder, for the analysis of a failure. Values of Secrets and
// tokens are redacted.
func (c *Cluster) Dump(ctx context.Context, folder string, namespaces ...string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("creating the folder for artifacts: %w", err)
	}
	secrets, err := c.secretValues(ctx, namespaces)
	if err != nil {
		return err
	}
	var failures []error
	keep := func(name string, content []byte) {
		failures = append(failures, os.WriteFile(filepath.Join(folder, name), Redact(content, secrets), 0o644))
	}
	for _, namespace := range namespaces {
		for name, list := range map[string]client.ObjectList{
			"stacks": &v1alpha1.OpenIMStackList{}, "pods": &corev1.PodList{}, "events": &corev1.EventList{},
		} {
			if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
				failures = append(failures, err)
				continue
			}
			content, err := yaml.Marshal(list)
			failures = append(failures, err)
			keep(namespace+"-"+name+".yaml", content)
			if pods, ok := list.(*corev1.PodList); ok {
				for _, pod := range pods.Items {
					c.logs(ctx, &pod, keep)
				}
			}
		}
	}
	return errors.Join(failures...)
}

// logs keeps the logs of a pod's containers and of their previous instances.
func (c *Cluster) logs(ctx context.Context, pod *corev1.Pod, keep func(string, []byte)) {
	for _, container := range pod.Spec.Containers {
		for _, previous := range []bool{false, true} {
			options := &corev1.PodLogOptions{Container: container.Name, Previous: previous, LimitBytes: ptr.To[int64](maxLog), TailLines: ptr.To[int64](2000)}
			stream, err := c.Clientset.CoreV1().Pods(pod.Namespace).GetLogs(pod.Name, options).Stream(ctx)
			if err != nil {
				continue // the container has not started, or has no previous instance: the pod's status shows that
			}
			content, _ := io.ReadAll(io.LimitReader(stream, maxLog))
			_ = stream.Close()
			name := strings.Join([]string{pod.Namespace, pod.Name, container.Name}, "-")
			if previous {
				name += "-previous"
			}
			keep(name+".log", content)
		}
	}
}

// secretValues collects the values of all Secrets of the namespaces.
func (c *Cluster) secretValues(ctx context.Context, namespaces []string) ([][]byte, error) {
	var values [][]byte
	for _, namespace := range namespaces {
		var list corev1.SecretList
		if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
			return nil, fmt.Errorf("reading Secrets to redact their values: %w", err)
		}
		for _, secret := range list.Items {
			for _, value := range secret.Data {
				values = append(values, bytes.TrimSpace(value))
			}
		}
	}
	return values, nil
}

// Redact replaces the secrets and all JWTs in a text.
func Redact(content []byte, secrets [][]byte) []byte {
	for _, secret := range secrets {
		if len(secret) >= shortestSecret {
			content = bytes.ReplaceAll(content, secret, []byte(redacted))
		}
	}
	return token.ReplaceAll(content, []byte(redacted))
}
