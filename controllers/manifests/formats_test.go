package manifests_test

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/controllers/manifests"
	"github.com/openimstack/openim-operator/controllers/manifests/manifeststest"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/wrapper/config"
)

// formatsFile lists what images read: each key of the wrapper's files, and the start of each argument of supervisor and preflight, with the
// first format that reads it.
const formatsFile = "testdata/formats.txt"

// formats reads the list, by program and key.
func formats(t *testing.T) map[string]int {
	t.Helper()
	text, err := os.ReadFile(formatsFile)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	since := map[string]int{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		NewWithT(t).Expect(words).To(HaveLen(3), line)
		format, err := strconv.Atoi(words[0])
		NewWithT(t).Expect(err).NotTo(HaveOccurred(), line)
		since[words[1]+" "+words[2]] = format
	}
	return since
}

// fileKeys adds the keys of a type of wrapper/config, with the path of each. Elements of lists and maps are *.
func fileKeys(of reflect.Type, path string, keys map[string]bool) {
	switch of.Kind() {
	case reflect.Pointer:
		fileKeys(of.Elem(), path, keys)
	case reflect.Slice, reflect.Map:
		fileKeys(of.Elem(), path+".*", keys)
	case reflect.Struct:
		for field := range of.Fields() {
			name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
			at := strings.TrimPrefix(path+"."+name, ".")
			if field.Anonymous && name == "" {
				at = path
			} else {
				keys[at] = true
			}
			fileKeys(field.Type, at, keys)
		}
	default:
	}
}

// A gateway or backend of an earlier release refuses a file with a key that it does not know.
func TestEveryNewKeyHasAFormat(t *testing.T) {
	g := NewWithT(t)
	since, keys, newest := formats(t), map[string]bool{}, 0
	for program, of := range map[string]any{"gateway": config.Gateway{}, "backend": config.Backend{}, "hot": config.Hot{}} {
		found := map[string]bool{}
		fileKeys(reflect.TypeOf(of), "", found)
		for key := range found {
			keys[program+" "+key] = true
		}
	}
	for key := range keys {
		g.Expect(since).To(HaveKey(key), "raise WrapperFormat, add the key to %s, and a row for its field to newerFields", formatsFile)
	}
	for key, format := range since {
		if program, _, _ := strings.Cut(key, " "); program != "supervisor" && program != "preflight" {
			g.Expect(keys).To(HaveKey(key), "no file has it any more: an image of an earlier operator may still need it")
			newest = max(newest, format)
		}
	}
	g.Expect(newest).To(Equal(manifests.WrapperFormat))
}

// used returns the highest format that a value of a file needs.
func used(value any, program, path string, since map[string]int) int {
	highest := since[program+" "+path]
	switch v := value.(type) {
	case map[string]any:
		for key, one := range v {
			at := strings.TrimPrefix(path+"."+key, ".")
			if _, known := since[program+" "+at]; !known {
				at = path + ".*"
			}
			highest = max(highest, used(one, program, at, since))
		}
	case []any:
		for _, one := range v {
			highest = max(highest, used(one, program, path+".*", since))
		}
	}
	return highest
}

// argument returns the format that an argument needs: that of the longest start in the list.
func argument(t *testing.T, since map[string]int, program, text string) int {
	t.Helper()
	best := ""
	for key := range since {
		if start, ok := strings.CutPrefix(key, program+" "); ok && strings.HasPrefix(text, start) && len(start) > len(best) {
			best = start
		}
	}
	NewWithT(t).Expect(best).NotTo(BeEmpty(), "%s %s: raise SupervisorFormat, add it to %s, and a row for its field to newerFields",
		program, text, formatsFile)
	return since[program+" "+best]
}

// What is rendered for an image of an earlier operator is what that image reads, or the field that it does not read is named.
func TestFieldsThatAnImageDoesNotReadAreNamed(t *testing.T) {
	since := formats(t)
	for _, name := range manifeststest.Cases(t, "testdata") {
		stack, cluster := manifeststest.Read(t, filepath.Join("testdata", name))
		facts := manifeststest.Facts(t, stack, cluster)
		rendered, err := manifests.Templates(stack, facts, manifests.Options{}, func(string) bool { return false })
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		for component, r := range rendered {
			wrapper, supervisor := 0, 0
			for _, files := range r.ConfigMaps {
				if text, ok := files["config.yaml"]; ok {
					var file map[string]any
					NewWithT(t).Expect(yaml.Unmarshal([]byte(text), &file)).To(Succeed())
					wrapper = max(wrapper, used(file, component, "", since))
				}
			}
			if _, process := openim.Lookup(openim.Name(component)); process {
				for _, c := range r.Template.Spec.InitContainers {
					for _, text := range c.Command[1:] {
						supervisor = max(supervisor, argument(t, since, "preflight", text))
					}
				}
				for _, text := range r.Template.Spec.Containers[0].Args {
					if text == "--" {
						break
					}
					supervisor = max(supervisor, argument(t, since, "supervisor", text))
				}
			}
			if _, process := openim.Lookup(openim.Name(component)); !process && reads(r.Template.Spec.Containers[0], openim.TrustEnv) {
				wrapper = max(wrapper, 1) // format 0 would trust nobody else
			}
			at := fmt.Sprintf("%s: %s", name, component)
			for format := range manifests.WrapperFormat + 1 {
				unread := manifests.Unread(stack, facts, component, format, manifests.SupervisorFormat)
				if wrapper > format {
					NewWithT(t).Expect(unread).NotTo(BeEmpty(), "%s in format %d", at, format)
				} else {
					NewWithT(t).Expect(unread).To(BeEmpty(), "%s in format %d", at, format)
				}
			}
			for format := range manifests.SupervisorFormat + 1 {
				if supervisor > format {
					NewWithT(t).Expect(manifests.Unread(stack, facts, component, manifests.WrapperFormat, format)).NotTo(BeEmpty(), at)
				}
			}
		}
	}
}

func reads(container corev1.Container, variable string) bool {
	return slices.ContainsFunc(container.Env, func(v corev1.EnvVar) bool { return v.Name == variable })
}

// users returns the processes that use a store, sorted.
func users(store openim.Dependency) (names []string) {
	for _, process := range openim.Processes() {
		if slices.Contains(process.Dependencies, store) {
			names = append(names, string(process.Name))
		}
	}
	slices.Sort(names)
	return names
}

// Each row: the field, and the components that keep their pods for it.
func TestWhoWaitsForAnUpdateOfItsImage(t *testing.T) {
	cases := []struct {
		name, field string
		change      func(*v1alpha1.OpenIMStackSpec)
		facts       func(*openim.Facts)
		want        []string
	}{
		{name: "nothing new"},
		{name: "a Redis Cluster of the wrapper", field: "spec.wrapper.redis.mode",
			facts: func(f *openim.Facts) { f.Wrapper.Redis.Cluster = true }, want: []string{"backend", "gateway"}},
		{name: "options of the wrapper's MongoDB", field: "spec.dependencies.mongodb",
			facts: func(f *openim.Facts) { f.Wrapper.MongoDB.Options = "tls=true" }, want: []string{"backend"}},
		{name: "options of a MongoDB of the wrapper's own", field: "spec.wrapper.mongodb",
			change: func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.MongoDB = &v1alpha1.MongoDB{} },
			facts:  func(f *openim.Facts) { f.Wrapper.MongoDB.Options = "tls=true" }, want: []string{"backend"}},
		{name: "authorities for a collector", field: "spec.pods.trust",
			change: func(s *v1alpha1.OpenIMStackSpec) {
				s.Wrapper.Tracing = &v1alpha1.Tracing{Endpoint: "https://192.0.2.1:4318"}
			},
			facts: func(f *openim.Facts) { f.Trust.Key = &corev1.ConfigMapKeySelector{} }, want: []string{"backend", "gateway"}},
		{name: "etcd with TLS", field: "spec.dependencies.etcd.tls",
			facts: func(f *openim.Facts) { f.Settings.EtcdTLS = true }, want: users(openim.Etcd)},
		{name: "etcd with TLS, without a supervisor",
			change: func(s *v1alpha1.OpenIMStackSpec) { s.Supervision = v1alpha1.SupervisionDisabled },
			facts:  func(f *openim.Facts) { f.Settings.EtcdTLS = true }},
		{name: "Kafka with TLS", field: "spec.dependencies.kafka.tls",
			facts: func(f *openim.Facts) { f.Settings.KafkaTLS = &openim.KafkaTLS{} }, want: users(openim.Kafka)},
		{name: "topics", field: "spec.dependencies.kafka.topics.management",
			facts: func(f *openim.Facts) { f.Settings.NewTopics = &openim.NewTopics{Partitions: 8} }, want: users(openim.Kafka)},
		{name: "MongoDB with TLS", field: "spec.dependencies.mongodb.tls",
			change: func(s *v1alpha1.OpenIMStackSpec) { s.Dependencies.MongoDB.TLS = &v1alpha1.StoreTLS{} }, want: users(openim.MongoDB)},
		{name: "MongoDB with the certificates of a resourceRef", field: "spec.dependencies.mongodb.tls",
			facts: func(f *openim.Facts) {
				f.Files = map[openim.Dependency][]openim.StoreFile{openim.MongoDB: {{Name: openim.CAFile}}}
			},
			want: users(openim.MongoDB)},
		{name: "MinIO with TLS", field: "spec.dependencies.objectStorage.minio.tls",
			facts: func(f *openim.Facts) { f.Settings.ObjectStorage = &openim.ObjectStorageSettings{TLS: true} },
			want:  users(openim.ObjectStorage)},
		{name: "COS, whose uploads have one part", field: "spec.dependencies.objectStorage.cos",
			facts: func(f *openim.Facts) {
				f.Settings.ObjectStorage = &openim.ObjectStorageSettings{Kind: openim.StorageCOS}
			},
			want: []string{"backend"}},
		{name: "COS, without users of the wrapper",
			change: func(s *v1alpha1.OpenIMStackSpec) { s.Wrapper.Auth.Users = nil },
			facts: func(f *openim.Facts) {
				f.Settings.ObjectStorage = &openim.ObjectStorageSettings{Kind: openim.StorageCOS}
			}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			stack, cluster := manifeststest.Read(t, "testdata/users")
			facts := manifeststest.Facts(t, stack, cluster)
			if c.change != nil {
				c.change(&stack.Spec)
			}
			if c.facts != nil {
				c.facts(&facts)
			}
			var waiting []string
			components := []string{v1alpha1.ComponentBackend, v1alpha1.ComponentGateway}
			for _, process := range openim.Processes() {
				components = append(components, string(process.Name))
			}
			for _, component := range components {
				unread := manifests.Unread(stack, facts, component, 0, 0)
				if len(unread) > 0 {
					g.Expect(unread).To(Equal([]string{c.field}), component)
					waiting = append(waiting, component)
				}
				g.Expect(manifests.Unread(stack, facts, component, manifests.WrapperFormat, manifests.SupervisorFormat)).To(BeEmpty())
			}
			slices.Sort(waiting)
			g.Expect(waiting).To(Equal(c.want))
		})
	}
}
