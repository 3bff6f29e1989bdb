package setup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// etcdArgument is an argument of the demo's etcd that no other process of the machine has.
const etcdArgument = "--advertise-client-urls=http://etcd.infra.svc:2379"

// maxPage bounds what is read of a page of metrics.
const maxPage = 1 << 20

var metricsClient = &http.Client{Timeout: 10 * time.Second}

// FreezeEtcd stops the demo's etcd: connections are accepted and nothing is answered, as on a node that hangs. The pods of the local node
// are processes of this machine, so this needs no access to the pod, which has no shell. The returned function ends the outage.
func (e *Environment) FreezeEtcd() (thaw func() error, err error) {
	if !e.Local {
		return nil, errors.New("freezing etcd: the cluster's pods are not processes of this machine: use CLUSTER=local")
	}
	process, err := find(etcdArgument)
	if err != nil {
		return nil, fmt.Errorf("freezing etcd: %w", err)
	}
	if err := syscall.Kill(process, syscall.SIGSTOP); err != nil {
		return nil, fmt.Errorf("freezing etcd: %w", err)
	}
	return func() error { return syscall.Kill(process, syscall.SIGCONT) }, nil
}

// CrashStore kills the processes of one of the demo's stores, as a crash does. The kubelet starts them again, with their data.
func (e *Environment) CrashStore(ctx context.Context, name string) error {
	return e.signalStore(ctx, name, syscall.SIGKILL)
}

// FreezeStore stops the processes of one of the demo's stores: connections are accepted and nothing is answered. The returned function ends
// the outage.
func (e *Environment) FreezeStore(ctx context.Context, name string) (thaw func(context.Context) error, err error) {
	if err := e.signalStore(ctx, name, syscall.SIGSTOP); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error { return e.signalStore(ctx, name, syscall.SIGCONT) }, nil
}

// signalStore sends a signal to all processes of one of the demo's stores.
func (e *Environment) signalStore(ctx context.Context, name string, signal syscall.Signal) error {
	if !e.Local {
		return fmt.Errorf("%s to %s: the cluster's pods are not processes of this machine: use CLUSTER=local", signal, name)
	}
	var pods corev1.PodList
	labels := client.MatchingLabels{v1alpha1.LabelName: name}
	if err := e.Cluster.List(ctx, &pods, client.InNamespace(StoresNamespace), labels); err != nil {
		return fmt.Errorf("%s to %s: %w", signal, name, err)
	}
	paths, err := filepath.Glob("/proc/[0-9]*/cgroup")
	if err != nil {
		return fmt.Errorf("%s to %s: %w", signal, name, err)
	}
	sent := 0
	for _, container := range containerIDs(pods.Items) {
		for _, path := range paths {
			line, err := os.ReadFile(path)
			if err != nil || !bytes.Contains(line, []byte(container)) {
				continue // it has ended, or is another's
			}
			id, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
			if err == nil {
				err = syscall.Kill(id, signal)
			}
			if err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("%s to %s: %w", signal, name, err)
			}
			sent++
		}
	}
	if sent == 0 {
		return fmt.Errorf("%s to %s: it has no process: is the store up", signal, name)
	}
	return nil
}

// containerIDs returns the IDs of the pods' containers at the container runtime, which are part of the names of their control groups.
func containerIDs(pods []corev1.Pod) []string {
	var ids []string
	for _, pod := range pods {
		for _, c := range pod.Status.ContainerStatuses {
			if _, id, ok := strings.Cut(c.ContainerID, "://"); ok && id != "" {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// find returns the process with an argument.
func find(argument string) (int, error) {
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		return 0, err
	}
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		for word := range bytes.SplitSeq(line, []byte{0}) {
			if string(word) == argument {
				return strconv.Atoi(filepath.Base(filepath.Dir(path)))
			}
		}
	}
	return 0, fmt.Errorf("no process has the argument %s: is the store up", argument)
}

// Restored returns how many registrations the supervisors of a stack have restored, one pod of each process that registers.
func (e *Environment) Restored(ctx context.Context, stack *v1alpha1.OpenIMStack) (map[openim.Name]int, error) {
	restored := map[openim.Name]int{}
	for _, p := range openim.Processes() {
		if p.Registered == "" {
			continue
		}
		ctx, cancel := context.WithCancel(ctx) // ends the port-forward
		address, err := e.ForwardComponent(ctx, client.ObjectKeyFromObject(stack), string(p.Name), string(openim.Health))
		if err == nil {
			restored[p.Name], err = counter(ctx, "http://"+address+"/metrics", "openim_supervisor_restored_total")
		}
		cancel()
		if err != nil {
			return nil, fmt.Errorf("reading the supervisor's metrics of %s: %w", p.Name, err)
		}
	}
	return restored, nil
}

// counter reads one metric without labels.
func counter(ctx context.Context, url, name string) (int, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	reply, err := metricsClient.Do(request)
	if err != nil {
		return 0, err
	}
	defer func() { _ = reply.Body.Close() }()
	page, err := io.ReadAll(io.LimitReader(reply.Body, maxPage))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(page)) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), name+" "); found {
			return strconv.Atoi(value)
		}
	}
	return 0, fmt.Errorf("%s has no %s", url, name)
}

// Restarts returns how often the containers of OpenIM's pods were restarted, by pod.
func (e *Environment) Restarts(ctx context.Context, stack *v1alpha1.OpenIMStack) (map[string]int32, error) {
	var pods corev1.PodList
	if err := e.Cluster.List(ctx, &pods, client.InNamespace(stack.Namespace), client.MatchingLabels{
		v1alpha1.LabelInstance: stack.Name, v1alpha1.LabelName: v1alpha1.NameOpenIM,
	}); err != nil {
		return nil, fmt.Errorf("counting restarts: %w", err)
	}
	restarts := map[string]int32{}
	for _, pod := range pods.Items {
		for _, c := range pod.Status.ContainerStatuses {
			restarts[pod.Name] += c.RestartCount
		}
	}
	return restarts, nil
}
