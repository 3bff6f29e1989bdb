package pods_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim/pods"
)

// withSecrets returns a stack that names Secrets, with a template for a component or group; all for every component.
func withSecrets(t testing.TB, layer, text string) *v1alpha1.OpenIMStack {
	t.Helper()
	stack := stackOf(&v1alpha1.Pods{})
	const spec = `
secretRef: {name: share}
image: {pullSecrets: [{name: registry}]}
dependencies:
  kafka: {credentialsRef: {name: kafka}, peers: []}
  redis: {credentialsRef: {name: redis}}
  mongodb: {uriRef: {name: mongodb, key: uri}, tls: {clientCertificate: {secretRef: {name: mongodb-client}}}}
  etcd: {credentialsRef: {name: twice}}
  objectStorage: {minio: {credentialsRef: {name: twice}}}
push: {fcm: {credentialsRef: {name: fcm, key: a.json}}}
wrapper:
  redis: {credentialsRef: {name: wrapper-redis}}
  gateway: {tls: {secretRef: {name: certificate}}, expose: [{listener: Users, ingress: {tlsSecretRef: {name: ingress}}}]}
  auth: {users: {serverKeys: {secretRef: {name: login-keys}}}, admins: {issuers: [{}, {jwks: {secretRef: {name: jwks, key: a}}}]}}
`
	NewWithT(t).Expect(yaml.UnmarshalStrict([]byte(spec), &stack.Spec)).To(Succeed())
	if layer == "all" {
		stack.Spec.Pods = &v1alpha1.Pods{Template: template(t, text)}
	} else {
		stack.Spec.Pods = &v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{Name: v1alpha1.PodsName(layer), Template: template(t, text)}}}
	}
	return stack
}

// refusalsOf returns those of a stack that is alone in its namespace and has no run revision.
func refusalsOf(stack *v1alpha1.OpenIMStack) []pods.Refusal {
	return pods.Refusals(stack, pods.Elsewhere{})
}

// ways are the fields by which a template reads the Secret %s.
var ways = map[string]string{
	volume("secret: {secretName: %s}"):                                        "volumes[files].secret.secretName",
	volume("projected: {sources: [{downwardAPI: {}}, {secret: {name: %s}}]}"): "volumes[files].projected.sources[1].secret.name",
	volume("csi: {driver: a, nodePublishSecretRef: {name: %s}}"):              "volumes[files].csi.nodePublishSecretRef.name",
	own("env: [{name: A, valueFrom: {secretKeyRef: {name: %s, key: b}}}]"): "" +
		"containers[component].env[A].valueFrom.secretKeyRef.name",
	extra("env: [{name: A, valueFrom: {secretKeyRef: {name: %s, key: b}}}]"): "" +
		"containers[agent].env[A].valueFrom.secretKeyRef.name",
	own("envFrom: [{prefix: APP_, secretRef: {name: %s}}]"):                                 "containers[component].envFrom[0].secretRef.name",
	extra("envFrom: [{configMapRef: {name: a}}, {secretRef: {name: %s}}]"):                  "containers[agent].envFrom[1].secretRef.name",
	"spec: {initContainers: [{name: first, image: a, envFrom: [{secretRef: {name: %s}}]}]}": "initContainers[first].envFrom[0].secretRef.name",
	"spec: {initContainers: [{name: first, image: a, env: [{name: A, valueFrom: {secretKeyRef: {name: %s, key: b}}}]}]}": "" +
		"initContainers[first].env[A].valueFrom.secretKeyRef.name",
}

func TestATemplateCannotReadASecretOfTheStack(t *testing.T) {
	for way, field := range ways {
		for _, name := range []string{
			"chat-share-secret", "chat-share-secret-2", "chat-share-secret-999999", "chat-assertion", "chat-login", "chat-custody", "chat-digest",
			"other-share-secret", "other-share-secret-7", "other-assertion", "other-login", "o-t-h-e-r-custody", "1-digest", "chat-login-login",
			"share", "registry", "kafka", "redis", "mongodb-client", "mongodb", "twice", "fcm", "wrapper-redis", "certificate", "ingress",
			"login-keys", "jwks",
		} {
			g := NewWithT(t)
			text := fmt.Sprintf(way, name)
			found := refusalsOf(withSecrets(t, "all", text))
			g.Expect(found).To(ConsistOf(HaveField("Field", "spec.pods.template.spec."+field)), text)
			g.Expect(found[0].Why).To(And(HavePrefix("Secret "+name+" "),
				MatchRegexp("remove it, or use (another Secret|a Secret with another name)$")))
		}
		// Life goes on: Secrets of others, and names that only look alike.
		for _, name := range []string{
			"mine", "chat", "chat-", "chat-login-2", "chat-share-secret-", "chat-share-secret-x", "chat-share-secret-2-a", "share-secret",
			"share-secret-2", "login", "custody", "digest", "assertion", "-login", "-share-secret-2", "chatlogin", "chat-login-tls", "login-chat",
			"redis2", "chat-tls",
		} {
			NewWithT(t).Expect(refusalsOf(withSecrets(t, "all", fmt.Sprintf(way, name)))).To(BeEmpty(), name)
		}
	}
}

// What a component's own pods read, a template of that component may read again, for a container beside it; in groups, each of them must.
func TestATemplateMayReadWhatItsComponentReads(t *testing.T) {
	for _, c := range []struct {
		layer, name string
		why         string
	}{
		{"msgtransfer", "kafka", ""},
		{"rpc", "kafka", "pods of rpc-auth do not read"},
		{"gateway", "kafka", "pods of gateway do not read"},
		{"rpc-user", "redis", ""},
		{"rpc", "redis", ""},
		{"openim", "redis", "pods of api do not read"},
		{"rpc-user", "mongodb-client", ""},
		{"backend", "mongodb-client", "do not read"},
		{"rpc-group", "mongodb", ""},
		{"rpc-auth", "mongodb", "spec.dependencies.mongodb.uriRef"},
		{"rpc-third", "twice", ""},
		{"api", "twice", "spec.dependencies.objectStorage.minio.credentialsRef, which pods of api do not read"},
		{"push", "fcm", ""},
		{"gateway", "certificate", ""},
		{"wrapper", "certificate", "pods of backend do not read"},
		{"wrapper", "wrapper-redis", ""},
		{"backend", "ingress", "pods of backend do not read"},
		{"backend", "login-keys", "do not read"},
		{"backend", "chat-login", "the operator generates"},
		{"rpc-auth", "chat-share-secret", "the operator generates"},
	} {
		g := NewWithT(t)
		found := refusalsOf(withSecrets(t, c.layer, volume("secret: {secretName: "+c.name+"}")))
		if c.why == "" {
			g.Expect(found).To(BeEmpty(), "%s of %s", c.name, c.layer)
		} else {
			g.Expect(found).To(ConsistOf(HaveField("Why", ContainSubstring(c.why))), "%s of %s", c.name, c.layer)
		}
	}
}

// One edit must not drop the field that names a Secret and read the Secret by a template: the pods of the template could be replaced before
// those that need the field are. What kept run revisions name stays closed to the components that never read it.
func TestASecretStaysClosedWhileARunRevisionNamesIt(t *testing.T) {
	earlier := pods.References(&withSecrets(t, "all", "spec: {}").Spec)
	for _, c := range []struct{ layer, name, why string }{
		{"gateway", "kafka", "" +
			"Secret kafka is that of spec.dependencies.kafka.credentialsRef in a kept run revision, which pods of gateway do not read"},
		{"rpc", "kafka", "pods of rpc-auth do not read"},
		{"gateway", "login-keys", "spec.wrapper.auth.users.serverKeys.secretRef in a kept run revision"},
		{"all", "jwks", "spec.wrapper.auth.admins.issuers.jwks.secretRef in a kept run revision"},
		{"all", "share", "spec.secretRef in a kept run revision"},
		{"api", "twice", "spec.dependencies.objectStorage.minio.credentialsRef in a kept run revision"},
		{"msgtransfer", "kafka", ""}, // it had the Secret, and a rollback gives it the Secret again
		{"gateway", "certificate", ""},
		{"gateway", "mine", ""},
	} {
		g := NewWithT(t)
		stack := stackOf(&v1alpha1.Pods{Components: []v1alpha1.ComponentPods{{
			Name: v1alpha1.PodsName(c.layer), Template: template(t, volume("secret: {secretName: "+c.name+"}")),
		}}})
		if c.layer == "all" {
			stack.Spec.Pods = &v1alpha1.Pods{Template: stack.Spec.Pods.Components[0].Template}
		}
		found := pods.Refusals(stack, pods.Elsewhere{Earlier: earlier})
		if c.why == "" {
			g.Expect(found).To(BeEmpty(), "%s of %s", c.name, c.layer)
		} else {
			why := And(ContainSubstring(c.why), HaveSuffix("use another Secret"))
			g.Expect(found).To(ConsistOf(HaveField("Why", why)), "%s of %s", c.name, c.layer)
		}
		g.Expect(refusalsOf(stack)).To(BeEmpty(), "once no revision names %s", c.name)
	}
}

// An object of another operator names the Secret, for example by its status.binding.name: no field of the stack does.
func TestASecretThatAReferenceLeadsToIsClosed(t *testing.T) {
	const field = "spec.dependencies.kafka.resourceRef"
	bound := pods.Named{"bound": {field}}
	for _, c := range []struct {
		layer     string
		elsewhere pods.Elsewhere
		why       string
	}{
		{"gateway", pods.Elsewhere{Bound: bound}, "Secret bound is that of " + field + ", which pods of gateway do not read"},
		{"all", pods.Elsewhere{Bound: bound}, "do not read"},
		{"msgtransfer", pods.Elsewhere{Bound: bound}, ""},
		{"msgtransfer", pods.Elsewhere{Bound: bound, Others: bound}, ""}, // both stacks are led to it for the same store
		{"msgtransfer", pods.Elsewhere{Others: bound}, "another OpenIMStack of the namespace"},
		{"gateway", pods.Elsewhere{Bound: pods.Named{"mine": {field}}}, ""},
	} {
		g := NewWithT(t)
		found := pods.Refusals(withSecrets(t, c.layer, volume("secret: {secretName: bound}")), c.elsewhere)
		if c.why == "" {
			g.Expect(found).To(BeEmpty(), c.layer)
		} else {
			g.Expect(found).To(ConsistOf(HaveField("Why", ContainSubstring(c.why))), c.layer)
		}
	}
}

// What another stack names is closed, unless the stack names it too, and only to components that would read the other's field.
func TestASecretOfAnotherStackIsClosed(t *testing.T) {
	others := pods.Named{
		"theirs": {"spec.dependencies.kafka.credentialsRef"}, "kafka": {"spec.dependencies.kafka.credentialsRef"},
		"redis": {"spec.wrapper.auth.users.serverKeys.secretRef"},
	}
	for _, c := range []struct{ layer, name, why string }{
		{"msgtransfer", "theirs", "Secret theirs is that of another OpenIMStack of the namespace, which names it or has named it: remove it"},
		{"all", "theirs", "another OpenIMStack of the namespace"},
		{"msgtransfer", "kafka", ""}, // both stacks name it for the same store
		{"rpc-user", "redis", "another OpenIMStack of the namespace"},
		{"gateway", "mine", ""},
	} {
		g := NewWithT(t)
		stack := withSecrets(t, c.layer, volume("secret: {secretName: "+c.name+"}"))
		found := pods.Refusals(stack, pods.Elsewhere{Others: others})
		if c.why == "" {
			g.Expect(found).To(BeEmpty(), "%s of %s", c.name, c.layer)
		} else {
			g.Expect(found).To(ConsistOf(HaveField("Why", ContainSubstring(c.why))), "%s of %s", c.name, c.layer)
		}
	}
	stack := withSecrets(t, "rpc-user", volume("secret: {secretName: redis}"))
	NewWithT(t).Expect(refusalsOf(stack)).To(BeEmpty(), "once the other stack is gone")
}

// Only templates that read a Secret are worth a look at other specs.
func TestWhetherTemplatesReadSecrets(t *testing.T) {
	g := NewWithT(t)
	for way := range ways {
		g.Expect(pods.ReadSecrets(withSecrets(t, "rpc", fmt.Sprintf(way, "mine")).Spec.Pods)).To(BeTrue(), way)
	}
	for _, text := range []string{"spec: {}", "spec: {imagePullSecrets: [{name: a}]}", "spec: {volumez: []}", volume("emptyDir: {}")} {
		g.Expect(pods.ReadSecrets(withSecrets(t, "all", text).Spec.Pods)).To(BeFalse(), text)
	}
	g.Expect(pods.ReadSecrets(nil)).To(BeFalse())
}

// The names of Secrets that only pull images stay usable for that, and a name that no Secret can have is no way around.
func TestPullingImagesReadsNoSecret(t *testing.T) {
	stack := withSecrets(t, "all", "spec: {imagePullSecrets: [{name: registry}, {name: kafka}]}")
	NewWithT(t).Expect(refusalsOf(stack)).To(BeEmpty())
}

func TestOneTemplateReportsEightSecretsAtMost(t *testing.T) {
	var env []string
	for i := range 40 {
		env = append(env, fmt.Sprintf("{name: A%d, valueFrom: {secretKeyRef: {name: kafka, key: a}}}", i))
	}
	NewWithT(t).Expect(refusalsOf(withSecrets(t, "all", extra("env: ["+strings.Join(env, ",")+"]")))).To(HaveLen(8))
}

func TestAResourceRefNamesSecretsToo(t *testing.T) {
	g := NewWithT(t)
	var spec v1alpha1.OpenIMStackSpec
	spec.Dependencies.Kafka.ResourceRef = &v1alpha1.ResourceReference{Kind: "Kafka", Name: "events", User: "openim"}
	spec.Dependencies.Redis.ResourceRef = &v1alpha1.ResourceReference{Kind: "Secret", Name: "redis"}
	spec.Dependencies.MongoDB.ResourceRef = &v1alpha1.ResourceReference{Kind: "Database", Name: "chat"}
	g.Expect(pods.References(&spec)).To(Equal(pods.Named{
		"openim": {"spec.dependencies.kafka.resourceRef"}, "redis": {"spec.dependencies.redis.resourceRef"},
	}))
}

// notNames are the fields of the CRD whose names speak of a Secret or a reference and which name no Secret.
var notNames = []string{
	"spec.wrapper.externalRef", "spec.webhooks.serviceRef", // Services
	"spec.wrapper.gateway.expose.httpRoute.backendCARef", // a ConfigMap
}

// TestEveryFieldThatNamesASecretIsFound fails for a field of the CRD that speaks of a Secret in another type
// than those that References knows.
func TestEveryFieldThatNamesASecretIsFound(t *testing.T) {
	g := NewWithT(t)
	raw, err := os.ReadFile(filepath.Join("..", "..", "config", "crd", "bases", "openimstack.dev_openimstacks.yaml"))
	g.Expect(err).NotTo(HaveOccurred())
	var crd apiextensionsv1.CustomResourceDefinition
	g.Expect(yaml.Unmarshal(raw, &crd)).To(Succeed())
	known := referenceFields(reflect.TypeFor[v1alpha1.OpenIMStackSpec](), "spec")
	g.Expect(len(known)).To(BeNumerically(">", 15))
	form := regexp.MustCompile(`(?i)(secrets?(name|ref)?|ref)$`)
	seen := 0
	var walk func(path string, schema apiextensionsv1.JSONSchemaProps)
	walk = func(path string, schema apiextensionsv1.JSONSchemaProps) {
		if slices.Contains(known, path) {
			seen++
			return
		}
		if form.MatchString(path) && !slices.Contains(notNames, path) {
			t.Errorf("%s speaks of a Secret, and pods.References does not find it: give it the type LocalReference or KeyReference, "+
				"or add it to notNames", path)
		}
		for name, below := range schema.Properties {
			walk(path+"."+name, below)
		}
		if schema.Items != nil && schema.Items.Schema != nil {
			walk(path, *schema.Items.Schema)
		}
		if schema.AdditionalProperties != nil && schema.AdditionalProperties.Schema != nil {
			walk(path, *schema.AdditionalProperties.Schema)
		}
	}
	walk("spec", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"])
	g.Expect(seen).To(BeNumerically(">=", len(known)), "the walk through the schema was lost")
}

// referenceFields returns the paths of the references in a type, as the CRD names them.
func referenceFields(of reflect.Type, path string) []string {
	switch of.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map:
		return referenceFields(of.Elem(), path)
	case reflect.Struct:
		if of == reflect.TypeFor[v1alpha1.LocalReference]() || of == reflect.TypeFor[v1alpha1.KeyReference]() ||
			of == reflect.TypeFor[v1alpha1.ResourceReference]() {
			return []string{path}
		}
		var all []string
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			if !strings.HasPrefix(field.Type.String(), "*runtime.") && field.IsExported() {
				all = append(all, referenceFields(field.Type, strings.TrimSuffix(path+"."+name, "."))...)
			}
		}
		return all
	}
	return nil
}
