package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// stackName is the name of the stack in each namespace.
const stackName = "chat"

// components is the number of a stack's Deployments.
const components = 14

// cluster is an API server of the measurement.
type cluster struct {
	environment *envtest.Environment
	client      client.Client
	kubeconfig  string
	dir         string
}

func startCluster() (*cluster, error) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		return nil, errors.New("no API server: set KUBEBUILDER_ASSETS, as make bench-operator does")
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	environment := &envtest.Environment{CRDDirectoryPaths: []string{"config/crd/bases"}, ErrorIfCRDPathMissing: true, Scheme: scheme}
	// envtest's own range has 254 addresses, and each stack has some twenty Services.
	environment.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.96.0.0/12")
	restConfig, err := environment.Start()
	if err != nil {
		return nil, fmt.Errorf("starting the API server: %w", err)
	}
	c := &cluster{environment: environment}
	if c.dir, err = os.MkdirTemp("", "capacity-"); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	restConfig.QPS = -1
	if c.client, err = client.New(restConfig, client.Options{Scheme: scheme}); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	c.kubeconfig = filepath.Join(c.dir, "kubeconfig")
	if err := os.WriteFile(c.kubeconfig, environment.KubeConfig, 0o600); err != nil {
		return nil, errors.Join(err, c.stop())
	}
	return c, nil
}

func (c *cluster) stop() error {
	return errors.Join(c.environment.Stop(), os.RemoveAll(c.dir))
}

func namespaceOf(i int) string { return fmt.Sprintf("im-%03d", i) }

// prepare creates a namespace with what a stack refers to.
func (c *cluster) prepare(ctx context.Context, namespace string) error {
	objects := []client.Object{&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}}
	for name, port := range map[string]int32{"kafka": 9092, "redis": 6379, "mongodb": 27017, "etcd": 2379} {
		objects = append(objects, &corev1.Service{
			ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
			Spec: corev1.ServiceSpec{Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{
				Port: port, TargetPort: intstr.FromInt32(port),
			}}},
		})
	}
	for name, content := range map[string]map[string][]byte{
		"jwks": {"jwks.json": []byte(`{"keys":[{"kty":"EC"}]}`)}, "redis": {"password": []byte("example")},
	} {
		objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Data: content})
	}
	for _, object := range objects {
		if err := c.client.Create(ctx, object); err != nil {
			return fmt.Errorf("preparing %s: %w", namespace, err)
		}
	}
	return nil
}

// Sizes of a Secret that belongs to no stack, in bytes. The annotations are as long as those that `kubectl apply` leaves: it repeats the
// data there, and the API server takes 256 KiB of annotations.
const (
	foreignData       = 1_000_000
	foreignAnnotation = 200_000
)

// addForeignSecret creates a large Secret that no stack refers to.
func (c *cluster) addForeignSecret(ctx context.Context, i int) error {
	err := c.client.Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("foreign-%03d", i), Namespace: metav1.NamespaceDefault, Annotations: map[string]string{
			corev1.LastAppliedConfigAnnotation: strings.Repeat("x", foreignAnnotation),
		}},
		Data: map[string][]byte{"content": make([]byte, foreignData)},
	})
	if err != nil {
		return fmt.Errorf("creating a Secret that belongs to no stack: %w", err)
	}
	return nil
}

// apply creates the stack of a namespace.
func (c *cluster) apply(ctx context.Context, namespace string) error {
	address := func(service string, port int) v1alpha1.Address {
		return v1alpha1.Address(fmt.Sprintf("%s.%s.svc:%d", service, namespace, port))
	}
	return c.client.Create(ctx, &v1alpha1.OpenIMStack{
		ObjectMeta: metav1.ObjectMeta{Name: stackName, Namespace: namespace},
		Spec: v1alpha1.OpenIMStackSpec{
			Version: "v3.8.3",
			Dependencies: v1alpha1.Dependencies{
				Kafka:   v1alpha1.Kafka{Brokers: []v1alpha1.Address{address("kafka", 9092)}},
				Redis:   v1alpha1.Redis{Addresses: []v1alpha1.Address{address("redis", 6379)}, CredentialsRef: &v1alpha1.LocalReference{Name: "redis"}},
				MongoDB: v1alpha1.MongoDB{Addresses: []v1alpha1.Address{address("mongodb", 27017)}},
				Etcd:    v1alpha1.Etcd{Endpoints: []v1alpha1.Address{address("etcd", 2379)}},
			},
			Wrapper: v1alpha1.Wrapper{Auth: v1alpha1.WrapperAuth{Admins: v1alpha1.AdminAuth{Issuers: []v1alpha1.Issuer{{
				Issuer: "https://id.example.com", Audiences: []string{"im-admin"},
				JWKS:  v1alpha1.JWKSSource{SecretRef: &v1alpha1.KeyReference{Name: "jwks", Key: "jwks.json"}},
				Roles: v1alpha1.Roles{Claim: "groups", Admin: []string{"im-admins"}},
			}}}}},
		},
	})
}

// waitApplied waits until the operator has applied all stacks.
func (c *cluster) waitApplied(ctx context.Context, stacks int) error {
	return poll(ctx, 20*time.Minute, func() (string, error) {
		var list v1alpha1.OpenIMStackList
		if err := c.client.List(ctx, &list); err != nil {
			return "", err
		}
		applied := 0
		for _, s := range list.Items {
			if s.Status.ObservedGeneration == s.Generation {
				applied++
			}
		}
		if applied < stacks {
			return fmt.Sprintf("%d of %d stacks are applied", applied, stacks), nil
		}
		var deployments appsv1.DeploymentList
		if err := c.client.List(ctx, &deployments); err != nil {
			return "", err
		}
		if have := len(deployments.Items); have != components*stacks {
			return fmt.Sprintf("%d Deployments of %d", have, components*stacks), nil
		}
		return "", nil
	})
}

// touch makes the operator reconcile a stack that has nothing to change.
func (c *cluster) touch(ctx context.Context, namespace string) error {
	patch := fmt.Sprintf(`{"metadata":{"annotations":{"example.com/touched":%q}}}`, time.Now().Format(time.RFC3339Nano))
	return c.client.Patch(ctx, &v1alpha1.OpenIMStack{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: stackName}},
		client.RawPatch(types.MergePatchType, []byte(patch)))
}

// poll calls a function until it returns no text. A server that is busy is asked again.
func poll(ctx context.Context, longest time.Duration, missing func() (string, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, longest, errors.New("too slow"))
	defer cancel()
	for {
		text, err := missing()
		if err != nil && !apierrors.IsTooManyRequests(err) {
			return err
		}
		if text == "" && err == nil {
			return nil
		}
		if err := wait(ctx, 250*time.Millisecond); err != nil {
			return fmt.Errorf("%w: %s", err, text)
		}
	}
}
