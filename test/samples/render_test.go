package samples

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/dependencies"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
)

// namespace is the namespace of samples without one.
const namespace = "im"

// assigned is a user as OpenShift assigns them to a namespace: of a high number, without a name, in group 0.
const assigned = 1000660000

// read parses a sample strictly, as the API server does: an unknown field is an error.
func read(t *testing.T, file string) *v1alpha1.OpenIMStack {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var stack v1alpha1.OpenIMStack
	if err := yaml.UnmarshalStrict(text, &stack); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	if stack.Namespace == "" {
		stack.Namespace = namespace
	}
	return &stack
}

// sample is a stack that is about to run on loopback.
type sample struct {
	stack *v1alpha1.OpenIMStack
	// uri is the content of the Secret of mongodb.uriRef; HOST is replaced by the store's address.
	uri string
	// database is the database for OpenIM. Empty: the stack's default.
	database string
	// dir is where the files are that pods have below /etc/openim-secrets. Empty: there are none.
	dir string
	// more are Secrets that the stack refers to, and address finds MongoDB when it is not at the stand-in's address.
	more    map[string]map[string]string
	address func(mongoDB string) string
	// redis is another Redis than the loopback's. Empty: there is none.
	redis string

	options loopback.Options
	objects []client.Object
	secrets map[string]map[string]string
}

// adapt removes settings of the sample that the stand-ins do not support, and logs them.
func (s *sample) adapt(t *testing.T) {
	d := &s.stack.Spec.Dependencies
	for _, c := range []struct {
		what string
		ref  **v1alpha1.LocalReference
	}{{"Kafka", &d.Kafka.CredentialsRef}, {"etcd", &d.Etcd.CredentialsRef}, {"MongoDB", &d.MongoDB.CredentialsRef}} {
		if *c.ref != nil {
			t.Logf("not tried here: the login to %s", c.what)
			*c.ref = nil
		}
	}
	if d.Kafka.TLS != nil {
		t.Log("not tried here: TLS to Kafka, of which TestOpenIMRunsWithTLSAndALoginToKafka is")
		d.Kafka.TLS = nil
	}
	if d.ObjectStorage != nil {
		t.Log("not tried here: the object store, of which make test-sdk is: openim-rpc-third ends without the one that it is told of")
		d.ObjectStorage = nil
	}
	if s.stack.Spec.Webhooks != nil {
		t.Log("not tried here: webhooks, of which TestAWebhookDecidesAboutMessages is")
		s.stack.Spec.Webhooks = nil
	}
	options, err := loopback.Options{}.FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	if release := cmp.Or(options.Release, loopback.DefaultRelease); s.stack.Spec.Version != release {
		t.Logf("the sample is of %s: its configuration is rendered for %s, whose programs are here", s.stack.Spec.Version, release)
		s.stack.Spec.Version = release
	}
	s.options = options
	if s.stack.Spec.Pods.EffectiveUserIDs(false) == v1alpha1.UserIDsPlatform {
		s.options.User = assigned
	}
	s.options.Render = s.render
	// References of the wrapper are not tested here, and would have to be resolved.
	s.stack.Spec.Wrapper = v1alpha1.Wrapper{ExternalRef: &v1alpha1.ExternalWrapper{
		PodSelector: &v1alpha1.Selector{MatchLabels: map[string]string{"app": "wrapper"}},
	}}
}

// build runs the operator's own packages over the stack, once the addresses of its stores are known.
func (s *sample) build(l *loopback.Stack) error {
	at := func(address string) []v1alpha1.Address { return []v1alpha1.Address{v1alpha1.Address(address)} }
	spec := &s.stack.Spec
	d := &spec.Dependencies
	d.Kafka.Brokers, d.Redis.Addresses, d.Etcd.Endpoints = at(l.Kafka), at(l.Redis), at(l.Etcd)
	if s.redis != "" {
		d.Redis.Addresses = at(s.redis)
	}
	s.secrets = map[string]map[string]string{}
	if push := spec.Push; push != nil && push.JPush != nil { // no message of the samples is pushed
		s.secrets[push.JPush.CredentialsRef.Name] = map[string]string{v1alpha1.KeyAppKey: appKey, v1alpha1.KeyMasterSecret: masterSecret}
	}
	share := v1alpha1.ChildName(s.stack.Name, v1alpha1.SuffixShareSecret)
	if spec.SecretRef != nil {
		share = spec.SecretRef.Name
	}
	s.secrets[v1alpha1.ChildName(s.stack.Name, v1alpha1.SuffixDigest)] = map[string]string{v1alpha1.KeyDigest: "digest-of-the-samples"}
	s.secrets[share] = map[string]string{v1alpha1.KeyShareSecret: loopback.ShareSecret}
	if d.Redis.CredentialsRef == nil { // the store on loopback has a password
		d.Redis.CredentialsRef = &v1alpha1.LocalReference{Name: "redis"}
	}
	s.secrets[d.Redis.CredentialsRef.Name] = map[string]string{v1alpha1.KeyPassword: loopback.RedisPassword}
	if ref := d.MongoDB.URIRef; ref != nil {
		s.secrets[ref.Name] = map[string]string{ref.Key: strings.ReplaceAll(s.uri, "HOST", l.MongoDB)}
	} else {
		d.MongoDB.Addresses = at(l.MongoDB)
		if s.address != nil {
			d.MongoDB.Addresses = at(s.address(l.MongoDB))
		}
	}
	maps.Copy(s.secrets, s.more)
	objects := fake.NewClientBuilder()
	for name, data := range s.secrets {
		secret := &corev1.Secret{Data: map[string][]byte{}}
		secret.Namespace, secret.Name = s.stack.Namespace, name
		for key, value := range data {
			secret.Data[key] = []byte(value)
		}
		objects = objects.WithObjects(secret)
	}
	facts, problems, err := dependencies.Resolve(context.Background(), objects.Build(), s.stack)
	if err != nil || len(problems) > 0 {
		return fmt.Errorf("resolving the references: %v, %w", problems, err)
	}
	s.objects, err = manifests.Build(s.stack, facts, manifests.Options{})
	return err
}

// render returns files and environment of a process's Deployment, as the kubelet resolves them.
func (s *sample) render(l *loopback.Stack, p openim.Process) (files map[string]string, env []string, err error) {
	if s.objects == nil {
		if err := s.build(l); err != nil {
			return nil, nil, err
		}
	}
	configs := map[string]map[string]string{}
	var template *corev1.PodSpec
	for _, object := range s.objects {
		switch o := object.(type) {
		case *corev1.ConfigMap:
			configs[o.Name] = o.Data
		case *appsv1.Deployment:
			if o.Labels[v1alpha1.LabelComponent] == string(p.Name) {
				template = &o.Spec.Template.Spec
			}
		}
	}
	if template == nil {
		return nil, nil, fmt.Errorf("the operator makes no Deployment of %s", p.Name)
	}
	for _, v := range template.Volumes {
		if v.ConfigMap != nil {
			files = maps.Clone(configs[v.ConfigMap.Name])
		}
		if err := s.mount(l, v, template.Containers[0].VolumeMounts); err != nil {
			return nil, nil, fmt.Errorf("mounting %s: %w", v.Name, err)
		}
	}
	for name, text := range files {
		files[name] = s.onThisMachine(text)
	}
	for _, v := range template.Containers[0].Env {
		value := v.Value
		if from := v.ValueFrom; from != nil && from.SecretKeyRef != nil {
			value = s.secrets[from.SecretKeyRef.Name][from.SecretKeyRef.Key]
		}
		env = append(env, v.Name+"="+s.onThisMachine(strings.ReplaceAll(value, "$(POD_IP)", "127.0.0.1")))
	}
	return files, env, nil
}

// mount writes the files of a volume, as the kubelet does: to the folder that stands for its mount path, or else to one below the stack's
// folder instead of /etc. The configuration of each process is in a folder beside that, as in pods.
func (s *sample) mount(l *loopback.Stack, v corev1.Volume, mounts []corev1.VolumeMount) error {
	files := map[string]string{}
	if v.Secret != nil {
		for _, item := range v.Secret.Items {
			files[item.Path] = s.secrets[v.Secret.SecretName][item.Key]
		}
	}
	if v.Projected != nil {
		for _, source := range v.Projected.Sources {
			for _, item := range source.Secret.Items {
				files[item.Path] = s.secrets[source.Secret.Name][item.Key]
			}
		}
	}
	for _, m := range mounts {
		if m.Name != v.Name || len(files) == 0 {
			continue
		}
		dir := s.onThisMachine(m.MountPath)
		if s.dir == "" {
			dir = filepath.Join(l.Dir, strings.TrimPrefix(m.MountPath, "/etc/"))
		}
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		for name, content := range files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				return err
			}
		}
	}
	return nil
}

// onThisMachine replaces the folder of Secrets in a text, which may be part of a URL.
func (s *sample) onThisMachine(text string) string {
	if s.dir == "" {
		return text
	}
	return strings.NewReplacer(openim.SecretsDir, s.dir, url.QueryEscape(openim.SecretsDir), url.QueryEscape(s.dir)).Replace(text)
}
