package kube

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/remotecommand"

	"github.com/openimstack/openim-operator/podforward"
)

// maxOutput bounds a command's output, in bytes.
const maxOutput = 1 << 20

// Container identifies a container of a pod, in which commands run.
type Container struct {
	Namespace, Pod, Container string
}

func (p Container) String() string { return p.Namespace + "/" + p.Pod + "/" + p.Container }

// Exec runs a command in a container and returns its stdout. The command ends with ctx.
func (c *Cluster) Exec(ctx context.Context, container Container, command ...string) ([]byte, error) {
	options := &corev1.PodExecOptions{Container: container.Container, Command: command, Stdout: true, Stderr: true}
	request := c.Clientset.CoreV1().
		RESTClient().
		Post().
		Resource("pods").
		Namespace(container.Namespace).
		Name(container.Pod).
		SubResource("exec").
		VersionedParams(options, scheme.ParameterCodec)
	executor, err := remotecommand.NewWebSocketExecutor(c.Config, http.MethodGet, request.URL().String())
	if err != nil {
		return nil, fmt.Errorf("exec in %s: %w", container, err)
	}
	stdout, stderr := &bounded{limit: maxOutput}, &bounded{limit: maxOutput}
	if err := executor.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: stdout, Stderr: stderr}); err != nil {
		return nil, fmt.Errorf("exec of %s in %s: %w: %s", command[0], container, err, strings.TrimSpace(stderr.String()))
	}
	if stdout.cut {
		return nil, fmt.Errorf("exec of %s in %s printed more than %d bytes", command[0], container, maxOutput)
	}
	return stdout.Bytes(), nil
}

// bounded keeps the first bytes of a stream and discards the rest.
type bounded struct {
	bytes.Buffer
	limit int
	cut   bool
}

func (b *bounded) Write(p []byte) (int, error) {
	kept := min(len(p), b.limit-b.Len())
	b.cut = b.cut || kept < len(p)
	b.Buffer.Write(p[:kept])
	return len(p), nil
}

// Forward forwards a port of a pod to this machine's loopback interface and returns its local address. It stays open until ctx ends.
func (c *Cluster) Forward(ctx context.Context, pod types.NamespacedName, port int32) (string, error) {
	forward, err := podforward.Open(ctx, c.Config, pod, port)
	if err != nil {
		return "", err
	}
	return forward.Listen(ctx)
}
