package dependencies_test

import (
	"slices"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// storedAt returns a change that gives a stack of a release an object store.
func storedAt(version string, storage v1alpha1.ObjectStorage) func(*spec) {
	return func(s *spec) { s.Version, s.Dependencies.ObjectStorage = version, &storage }
}

var (
	filesKeys  = v1alpha1.LocalReference{Name: "files"}
	cloudBlock = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "198.51.100.0/24"}}}
	onAWS      = v1alpha1.ObjectStorage{AWS: &v1alpha1.AWS{Region: "eu-central-1", Bucket: "chat", CredentialsRef: filesKeys}}
	onCOS      = v1alpha1.ObjectStorage{COS: &v1alpha1.COS{BucketURL: "https://chat-1.cos.example.com", CredentialsRef: filesKeys}}
	onOSS      = v1alpha1.ObjectStorage{OSS: &v1alpha1.OSS{
		Endpoint: "https://oss.example.com", BucketURL: "https://chat.oss.example.com", Bucket: "chat", CredentialsRef: filesKeys,
	}}
	onKodo = v1alpha1.ObjectStorage{Kodo: &v1alpha1.Kodo{
		Endpoint: "https://s3.example.com:8443", BucketURL: "https://files.example.com", Bucket: "chat", CredentialsRef: filesKeys,
	}}
	onMinIO = v1alpha1.ObjectStorage{MinIO: &v1alpha1.MinIO{
		InternalAddress: "192.0.2.20:443", ExternalAddress: "https://files.example.com", CredentialsRef: filesKeys, TLS: &v1alpha1.ServerTLS{
			CASecretRef: &v1alpha1.KeyReference{Name: "files-ca", Key: "ca.crt"},
		},
	}}
)

// A policy cannot name the host of a cloud: peers place it, or an entry of extraEgress for rpc-third alone.
func TestTheStoreOfACloudNeedsPeers(t *testing.T) {
	keys := secret("files", map[string]string{"accessKeyID": "id", "secretAccessKey": "s3cr-t"})
	for kind, c := range map[string]struct {
		storage v1alpha1.ObjectStorage
		host    string
		address string
	}{
		"aws":  {onAWS, `"chat.s3.eu-central-1.amazonaws.com"`, "chat.s3.eu-central-1.amazonaws.com:443"},
		"cos":  {onCOS, `"chat-1.cos.example.com"`, "chat-1.cos.example.com:443"},
		"oss":  {onOSS, `"chat.oss.example.com"`, "chat.oss.example.com:443"},
		"kodo": {onKodo, `"chat.s3.example.com"`, "chat.s3.example.com:8443"},
	} {
		t.Run(kind, func(t *testing.T) {
			g := NewWithT(t)
			_, problems := resolve(t, stack(storedAt("v3.8.3-patch.16", c.storage)), objectsInCluster(keys)...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonPeersNeeded))
			g.Expect(problems[0].Components).To(Equal([]string{"rpc-third"}), "all others run on")
			g.Expect(problems[0].String()).To(And(HavePrefix("spec.dependencies.objectStorage.peers: "), ContainSubstring(c.host),
				ContainSubstring("to objectStorage.peers, or to an entry of network.extraEgress that names rpc-third")))

			placed := c.storage
			placed.Peers = cloudBlock
			facts, problems := resolve(t, stack(storedAt("v3.8.3-patch.16", placed)), objectsInCluster(keys)...)
			g.Expect(problems).To(BeEmpty())
			at := facts.Locations[slices.IndexFunc(facts.Locations, func(l openim.Location) bool { return l.Party == openim.PartyObjectStorage })]
			g.Expect(at.Addresses).To(HaveLen(1))
			g.Expect(at.Addresses[0].Text).To(Equal(c.address))
			g.Expect(facts.Endpoints[openim.ObjectStorage]).To(HaveLen(1))
			g.Expect(facts.Settings.ObjectStorage.Enable()).To(Equal(openim.ObjectStorageKind(kind)))
			id, key := facts.Settings.ObjectStorage.CredentialsEnv()
			var env []string
			for _, v := range facts.Credentials[openim.ObjectStorage] {
				g.Expect(v.Value).To(BeEmpty(), "values stay in the Secret")
				env = append(env, v.Name)
			}
			g.Expect(env).To(Equal([]string{id, key}))

			extra := func(component v1alpha1.ComponentName) func(*spec) {
				return func(s *spec) {
					s.Network = &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
						Name: "files", Components: []v1alpha1.ComponentName{component}, Peers: cloudBlock, Ports: []v1alpha1.EgressPort{{Port: 443}},
					}}}
				}
			}
			facts, problems = resolve(t, stack(storedAt("v3.8.3-patch.16", c.storage), extra("rpc-third")), objectsInCluster(keys)...)
			g.Expect(problems).To(BeEmpty())
			g.Expect(facts.Endpoints[openim.ObjectStorage]).To(BeEmpty(), "the entry is the edge")
			_, problems = resolve(t, stack(storedAt("v3.8.3-patch.16", c.storage), extra("push")), objectsInCluster(keys)...)
			g.Expect(problems).To(HaveLen(1), "another component's entry")
		})
	}
}

func TestAWSNeedsAReleaseThatKnowsIt(t *testing.T) {
	keys := secret("files", map[string]string{"accessKeyID": "id", "secretAccessKey": "s3cr-t"})
	placed := onAWS
	placed.Peers = cloudBlock
	for _, r := range openim.Releases() {
		g := NewWithT(t)
		facts, problems := resolve(t, stack(storedAt(r.Tag, placed)), objectsInCluster(keys)...)
		if r.StorageAWS() {
			g.Expect(problems).To(BeEmpty(), r.Tag)
			continue
		}
		g.Expect(problems).To(HaveLen(1), r.Tag)
		g.Expect(problems[0].Reason).To(Equal(v1alpha1.ReasonUnsupportedByRelease))
		g.Expect(problems[0].String()).To(Equal("spec.dependencies.objectStorage.aws: OpenIM " + r.Tag + " does not know the object store aws: " +
			"use v3.8.3-patch.6 or later, or write another kind"))
		for _, at := range facts.Locations {
			if at.Party == openim.PartyObjectStorage {
				g.Expect(at.Addresses[0].Resolved).To(BeFalse(), "the place stays where it was accepted")
			}
		}
	}
}

func TestMinIOWithTLSTrustsTheAuthorityOfItsSecret(t *testing.T) {
	g := NewWithT(t)
	with := func(authority string, keys map[string]string) (openim.Facts, []string) {
		facts, problems := resolve(t, stack(storedAt("v3.8.3", onMinIO)),
			objectsInCluster(secret("files", keys), secret("files-ca", map[string]string{"ca.crt": authority}))...)
		var texts []string
		for _, p := range problems {
			texts = append(texts, p.String())
		}
		return facts, texts
	}
	both := map[string]string{"accessKeyID": "id", "secretAccessKey": "s3cr-t"}
	facts, problems := with(string(certtest.New(t).PEM), both)
	g.Expect(problems).To(BeEmpty())
	g.Expect(facts.Settings.ObjectStorage.InternalURL()).To(Equal("https://192.0.2.20:443"))
	g.Expect(facts.Files[openim.ObjectStorage]).To(Equal([]openim.StoreFile{{Key: *selector("files-ca", "ca.crt"), Name: "ca.crt"}}))
	other, _ := with(string(certtest.New(t).PEM), both)
	hash := facts.CredentialHashes[openim.ObjectStorage]
	g.Expect(hash).NotTo(BeEmpty())
	g.Expect(other.CredentialHashes[openim.ObjectStorage]).NotTo(Equal(hash), "another authority restarts rpc-third")

	_, problems = with("s3cr-t", both)
	g.Expect(problems).To(ConsistOf(
		HavePrefix(`spec.dependencies.objectStorage.minio.tls.caSecretRef: key "ca.crt" of Secret "files-ca" holds no certificate`)))
	_, problems = with(string(certtest.New(t).PEM), map[string]string{"accessKeyID": "id"})
	g.Expect(problems).To(ConsistOf(And(
		HavePrefix("spec.dependencies.objectStorage.minio.credentialsRef"), ContainSubstring("secretAccessKey"))))
}
