package openim_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"sigs.k8s.io/yaml"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// storages are the specs of the golden files in testdata/object-storage.
func storages() map[string]*v1alpha1.ObjectStorage {
	keys := v1alpha1.LocalReference{Name: "files"}
	minio := v1alpha1.MinIO{InternalAddress: "minio.stores.svc:9000", ExternalAddress: "https://files.example.com", CredentialsRef: keys}
	secure := minio
	secure.TLS, secure.Bucket = &v1alpha1.ServerTLS{}, "1e5"
	return map[string]*v1alpha1.ObjectStorage{
		"none":      nil,
		"minio":     {MinIO: &minio},
		"minio-tls": {MinIO: &secure},
		"aws":       {AWS: &v1alpha1.AWS{Region: "eu-central-1", Bucket: "chat", CredentialsRef: keys}},
		"cos":       {COS: &v1alpha1.COS{BucketURL: "https://chat-1250000000.cos.ap-chengdu.myqcloud.com", CredentialsRef: keys}},
		"oss-public": {OSS: &v1alpha1.OSS{
			Endpoint: "https://oss-cn-chengdu.aliyuncs.com", BucketURL: "https://chat.oss-cn-chengdu.aliyuncs.com", Bucket: "chat",
			Access: v1alpha1.FilesPublic, CredentialsRef: keys,
		}},
		"kodo": {Kodo: &v1alpha1.Kodo{
			Endpoint: "https://s3.cn-south-1.qiniucs.com", BucketURL: "https://files.example.com", Bucket: "chat", CredentialsRef: keys,
		}},
	}
}

// renderedStorage returns the two files that name the object store.
func renderedStorage(t *testing.T, tag string, spec *v1alpha1.ObjectStorage) string {
	t.Helper()
	s := settings(t, tag)
	s.ObjectStorage, _, _ = openim.ObjectStorageOf(spec)
	p, _ := openim.Lookup(openim.RPCThird)
	files, err := openim.Render(p, s)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return "# openim-rpc-third.yml\n" + files[string(openim.RPCThirdFile)] + "# minio.yml\n" + files[string(openim.MinIOFile)]
}

// The configuration of each kind is a golden file. It is the same at all releases; only without a store it changed with patch 6.
// UPDATE_GOLDEN=1 writes the files.
func TestTheConfigurationOfEachObjectStoreIsWhatWasReviewed(t *testing.T) {
	for name, spec := range storages() {
		for _, r := range openim.Releases() {
			g := NewWithT(t)
			file := name + ".yml"
			if name == "none" && !r.StorageMayBeAbsent() {
				file = "none-before-patch.6.yml"
			}
			file = filepath.Join("testdata", "object-storage", file)
			got := renderedStorage(t, r.Tag, spec)
			if os.Getenv("UPDATE_GOLDEN") != "" {
				g.Expect(os.MkdirAll(filepath.Dir(file), 0o755)).To(Succeed())
				g.Expect(os.WriteFile(file, []byte(got), 0o644)).To(Succeed())
			}
			want, err := os.ReadFile(file)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(got).To(Equal(string(want)), r.Tag)
		}
	}
}

// Upstream's third.go: patch 6 added the kinds aws and "".
func TestTheReleasesThatKnowAWSAndNone(t *testing.T) {
	for tag, known := range map[string]bool{"v3.8.3": false, "v3.8.3-patch.5": false, "v3.8.3-patch.6": true, "v3.8.3-patch.16": true} {
		g := NewWithT(t)
		g.Expect(release(t, tag).StorageAWS()).To(Equal(known), tag)
		g.Expect(release(t, tag).StorageMayBeAbsent()).To(Equal(known), tag)
	}
}

// OpenIM ignores a variable whose key is in no file: the kind's keys are.
func TestTheKeysOfCredentialsAreInTheFiles(t *testing.T) {
	for name, want := range map[string][2]string{
		"minio":      {"IMENV_MINIO_ACCESSKEYID", "IMENV_MINIO_SECRETACCESSKEY"},
		"aws":        {"IMENV_OPENIM_RPC_THIRD_OBJECT_AWS_ACCESSKEYID", "IMENV_OPENIM_RPC_THIRD_OBJECT_AWS_SECRETACCESSKEY"},
		"cos":        {"IMENV_OPENIM_RPC_THIRD_OBJECT_COS_SECRETID", "IMENV_OPENIM_RPC_THIRD_OBJECT_COS_SECRETKEY"},
		"oss-public": {"IMENV_OPENIM_RPC_THIRD_OBJECT_OSS_ACCESSKEYID", "IMENV_OPENIM_RPC_THIRD_OBJECT_OSS_ACCESSKEYSECRET"},
		"kodo":       {"IMENV_OPENIM_RPC_THIRD_OBJECT_KODO_ACCESSKEYID", "IMENV_OPENIM_RPC_THIRD_OBJECT_KODO_ACCESSKEYSECRET"},
	} {
		g := NewWithT(t)
		s := settings(t, "v3.8.3-patch.16")
		s.ObjectStorage, _, _ = openim.ObjectStorageOf(storages()[name])
		id, secret := s.ObjectStorage.CredentialsEnv()
		g.Expect([2]string{id, secret}).To(Equal(want))
		p, _ := openim.Lookup(openim.RPCThird)
		files, err := openim.Render(p, s)
		g.Expect(err).NotTo(HaveOccurred())
		known := map[string]bool{}
		for file, text := range files {
			var parsed map[string]any
			g.Expect(yaml.UnmarshalStrict([]byte(text), &parsed)).To(Succeed())
			addKeys(known, openim.File(file), "", parsed)
		}
		g.Expect(known).To(And(HaveKey(id), HaveKey(secret)))
	}
}

// addKeys adds the variables of all keys of a file.
func addKeys(known map[string]bool, file openim.File, prefix string, members map[string]any) {
	for key, value := range members {
		if inner, ok := value.(map[string]any); ok {
			addKeys(known, file, prefix+key+".", inner)
			continue
		}
		known[openim.EnvName(file, prefix+key)] = true
	}
}

func TestClientsReadFilesAtThePublicURL(t *testing.T) {
	for name, want := range map[string][2]string{ // what OpenIM connects to, and where clients are sent
		"minio":      {"http://minio.stores.svc:9000", "https://files.example.com"},
		"minio-tls":  {"https://minio.stores.svc:9000", "https://files.example.com"},
		"aws":        {"https://chat.s3.eu-central-1.amazonaws.com", "https://chat.s3.eu-central-1.amazonaws.com"},
		"cos":        {"https://chat-1250000000.cos.ap-chengdu.myqcloud.com", "https://chat-1250000000.cos.ap-chengdu.myqcloud.com"},
		"oss-public": {"https://chat.oss-cn-chengdu.aliyuncs.com", "https://chat.oss-cn-chengdu.aliyuncs.com"},
		"kodo":       {"https://chat.s3.cn-south-1.qiniucs.com", "https://chat.s3.cn-south-1.qiniucs.com"},
	} {
		s, _, _ := openim.ObjectStorageOf(storages()[name])
		NewWithT(t).Expect([2]string{s.URL(), s.PublicURL()}).To(Equal(want), name)
		NewWithT(t).Expect(s.OnePart()).To(Equal(name == "cos"), "%s: whose parts OpenIM signs without their query", name)
	}
}
