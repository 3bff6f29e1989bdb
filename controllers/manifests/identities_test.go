package manifests_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// The backend verifies callers itself instead of trusting the gateway. These tests check the files that it verifies with, and that the
// gateway, the exposed component, has no more of them than it needs.

// configOf returns the configuration file of a role of the wrapper.
func configOf(t *testing.T, objects []client.Object, component string) map[string]any {
	t.Helper()
	var found map[string]any
	for _, o := range objects {
		if c, ok := o.(*corev1.ConfigMap); ok && c.Labels[v1alpha1.LabelComponent] == component && c.Data["config.yaml"] != "" {
			NewWithT(t).Expect(found).To(BeNil(), "%s has two", component)
			NewWithT(t).Expect(yaml.Unmarshal([]byte(c.Data["config.yaml"]), &found)).To(Succeed())
		}
	}
	NewWithT(t).Expect(found).NotTo(BeNil(), component)
	return found
}

// mountedAs maps the folders of mounted Secrets of a role to the Secret and its keys.
func mountedAs(t *testing.T, objects []client.Object, component string) map[string]*corev1.SecretVolumeSource {
	t.Helper()
	pod := deploymentOf(t, objects, component).Spec.Template.Spec
	folders := map[string]*corev1.SecretVolumeSource{}
	for _, m := range pod.Containers[0].VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		NewWithT(t).Expect(i).To(BeNumerically(">=", 0), m.Name)
		if secret := pod.Volumes[i].Secret; secret != nil {
			folders[m.MountPath] = secret
		}
	}
	return folders
}

func TestTheBackendKnowsAdministratorsByTheGatewaysIssuers(t *testing.T) {
	for _, folder := range []string{"testdata/minimal", "testdata/users", "testdata/everything"} {
		t.Run(path.Base(folder), func(t *testing.T) {
			g := NewWithT(t)
			_, objects := build(t, folder)
			backend, gateway := configOf(t, objects, v1alpha1.ComponentBackend), configOf(t, objects, v1alpha1.ComponentGateway)
			g.Expect(backend["admins"]).NotTo(BeNil())
			g.Expect(backend["admins"]).To(Equal(gateway["admins"]))
			there, here := mountedAs(t, objects, v1alpha1.ComponentGateway), mountedAs(t, objects, v1alpha1.ComponentBackend)
			for _, issuer := range backend["admins"].(map[string]any)["issuers"].([]any) {
				for _, member := range []string{"jwksFile", "caFile"} {
					file, ok := issuer.(map[string]any)[member].(string)
					if !ok {
						continue
					}
					g.Expect(here).To(HaveKey(path.Dir(file)), "%s is mounted", file)
					g.Expect(here[path.Dir(file)]).To(Equal(there[path.Dir(file)]), file)
				}
			}
		})
	}
}

// Each case is a stack, and the files that its backend verifies users with. A stack without users has none.
func TestTheBackendAloneHasWhatUsersLogInWith(t *testing.T) {
	type users = map[string]any
	for folder, want := range map[string]struct {
		secret string
		users  users
	}{
		"testdata/minimal": {},
		"testdata/users": {"chat-login", users{
			"audience": "https://im.example.com", "serverKeysDir": "/etc/wrapper/login",
			"session": users{"lifetimeSeconds": 86400.0, "idleSeconds": 3600.0},
		}},
		"testdata/everything": {"own-login-keys", users{
			"audience": "https://im.example.com", "serverKeysDir": "/etc/wrapper/login",
			"session": users{"lifetimeSeconds": 43200.0, "idleSeconds": 1800.0},
		}},
	} {
		t.Run(path.Base(folder), func(t *testing.T) {
			g := NewWithT(t)
			_, objects := build(t, folder)
			backend, gateway := configOf(t, objects, v1alpha1.ComponentBackend), configOf(t, objects, v1alpha1.ComponentGateway)
			if want.users == nil {
				for _, member := range []string{"users", "redis", "mongodb", "custodyKeyFile"} {
					g.Expect(backend).NotTo(HaveKey(member))
				}
				return
			}
			g.Expect(backend["users"]).To(Equal(want.users))
			g.Expect(backend).To(And(HaveKey("redis"), HaveKey("mongodb"), HaveKey("custodyKeyFile")))
			g.Expect(mountedAs(t, objects, v1alpha1.ComponentBackend)["/etc/wrapper/login"].SecretName).To(Equal(want.secret))
			g.Expect(gateway["users"]).NotTo(Or(HaveKey("audience"), HaveKey("serverKeysDir")))
			g.Expect(gateway["users"]).To(HaveKeyWithValue("session", want.users["session"]), "both roles bound a session alike")
			for folder := range mountedAs(t, objects, v1alpha1.ComponentGateway) {
				g.Expect(strings.HasPrefix(folder, "/etc/wrapper/login")).To(BeFalse(), folder)
			}
		})
	}
}

// A session may be shorter than the default idle time.
func TestAShortSessionIsIdleNoLongerThanItLives(t *testing.T) {
	objects := changed(t, "testdata/users", func(s *v1alpha1.OpenIMStackSpec) {
		s.Wrapper.Auth.Users.Session = &v1alpha1.UserSession{LifetimeSeconds: ptr.To[int32](600)}
	})
	for _, role := range []string{v1alpha1.ComponentGateway, v1alpha1.ComponentBackend} {
		NewWithT(t).Expect(configOf(t, objects, role)["users"]).To(
			HaveKeyWithValue("session", map[string]any{"lifetimeSeconds": 600.0, "idleSeconds": 600.0}), role)
	}
}

// OpenIM signs the parts of uploads to COS without their query, and to no other store.
func TestTheBackendGivesNoPartsOfUploadsToCOS(t *testing.T) {
	keys := v1alpha1.LocalReference{Name: "minio"}
	for _, c := range []struct {
		storage v1alpha1.ObjectStorage
		one     bool
	}{
		{v1alpha1.ObjectStorage{COS: &v1alpha1.COS{BucketURL: "https://chat-1.cos.ap-chengdu.myqcloud.com", CredentialsRef: keys}}, true},
		{v1alpha1.ObjectStorage{OSS: &v1alpha1.OSS{
			Endpoint: "https://oss-cn-chengdu.aliyuncs.com", BucketURL: "https://chat.oss-cn-chengdu.aliyuncs.com",
			Bucket: "chat", CredentialsRef: keys,
		}}, false},
	} {
		objects := changed(t, "testdata/everything", func(s *v1alpha1.OpenIMStackSpec) {
			c.storage.Peers = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"}}}
			s.Dependencies.ObjectStorage = &c.storage
		})
		backend := configOf(t, objects, v1alpha1.ComponentBackend)["openim"].(map[string]any)
		if c.one {
			NewWithT(t).Expect(backend).To(HaveKeyWithValue("objectOnePart", true))
		} else {
			NewWithT(t).Expect(backend).NotTo(HaveKey("objectOnePart"))
		}
		NewWithT(t).Expect(backend).To(HaveKey("objectURL"))
	}
}
