package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
)

// Registrations are the keys of a stack's processes in the demo's etcd. They are read through etcd's own JSON API.
type Registrations struct {
	// address is host:port of a port-forward to etcd.
	address string
	// root is what the keys begin with.
	root string
}

// Registrations opens a port-forward to etcd, which is open until ctx ends.
func (e *Environment) Registrations(ctx context.Context, stack *v1alpha1.OpenIMStack) (Registrations, error) {
	address, err := e.ForwardService(ctx, stack.Spec.Dependencies.Etcd.Endpoints[0])
	return Registrations{address: address, root: "openim." + stack.Namespace + "." + stack.Name + "/"}, err
}

// All returns the keys of endpoints with the revision of etcd in which each was created: the key of a process ends with its address.
func (r Registrations) All(ctx context.Context) (map[string]int64, error) {
	var reply struct {
		Keys []struct {
			Key            []byte `json:"key"`
			CreateRevision int64  `json:"create_revision,string"`
		} `json:"kvs"`
	}
	end := []byte(r.root)
	end[len(end)-1]++
	err := r.call(ctx, "range", map[string]any{"key": []byte(r.root), "range_end": end, "keys_only": true}, &reply)
	found := map[string]int64{}
	for _, kv := range reply.Keys {
		key := string(kv.Key)
		if _, _, err := net.SplitHostPort(key[strings.LastIndex(key, "/")+1:]); err == nil {
			found[key] = kv.CreateRevision
		}
	}
	return found, err
}

// Delete deletes one key.
func (r Registrations) Delete(ctx context.Context, key string) error {
	return r.call(ctx, "deleterange", map[string]any{"key": []byte(key)}, &struct{}{})
}

// Reads returns how many reads clients have made since etcd started.
func (r Registrations) Reads(ctx context.Context) (float64, error) {
	reads := map[string]string{"grpc_service": "etcdserverpb.KV", "grpc_method": "Range"}
	return chat.Counter(ctx, r.address, "grpc_server_handled_total", reads)
}

func (r Registrations) call(ctx context.Context, method string, body, reply any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("asking etcd: %w", err)
	}
	url := "http://" + r.address + "/v3/kv/" + method
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(content))
	if err != nil {
		return fmt.Errorf("asking etcd: %w", err)
	}
	response, err := metricsClient.Do(request)
	if err != nil {
		return fmt.Errorf("asking etcd: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if content, err = io.ReadAll(io.LimitReader(response.Body, maxPage)); err != nil {
		return fmt.Errorf("asking etcd: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking etcd: %s answered HTTP %d", url, response.StatusCode)
	}
	return json.Unmarshal(content, reply)
}
