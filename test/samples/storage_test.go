package samples

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/images/image"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/backend"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// The account of the object store. It is synthetic and used nowhere else.
const (
	storeKey    = "loopback-files"
	storeSecret = "loopback-files-secret"
)

// A real object store behind TLS of a private authority: alice uploads a picture and a file in parts by the object routes, through the
// gateway, and bob downloads both. What the preflight says of another authority and of other keys is its own program's word.
func TestAFileIsUploadedByOneUserAndDownloadedByAnother(t *testing.T) {
	g := NewWithT(t)
	files := startObjectStore(t)
	s := files.sample(t)
	l := loopback.New(t, s.options)
	alice, bob := enrol(t, l, "alice", ios), enrol(t, l, "bob", android)

	for name, size := range map[string]int{"alice/picture.png": 70_000, "alice/film.mp4": chat.PartBytes + 4096} {
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		link, err := files.store().Upload(t.Context(), userOf(l, alice), name, content)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(link).To(Equal(l.Frontend.URL + wire.ObjectPrefix + name))
		g.Expect(files.download(t, l, bob, name)).To(Equal(content), "%s, as bob gets it", name)
		g.Expect(files.download(t, l, alice, name)).To(Equal(content))
	}

	// Nobody without a session gets anything, and the store gives nothing without a signature. Afterwards both still work. What a user can
	// try with another one's uploads is in test/crossuser.
	nobody := userOf(l, bob)
	nobody.Token = ""
	_, refusal, err := files.store().Download(t.Context(), nobody, l.Frontend.URL+wire.ObjectPrefix+"alice/picture.png")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(refusal)).To(MatchRegexp(`"errCode":[1-9]`))
	status, _, err := files.store().Get(t.Context(), files.url()+"/openim/openim/data/hash/"+strings.Repeat("0", 32))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusForbidden))
	g.Expect(files.download(t, l, bob, "alice/picture.png")).To(HaveLen(70_000))
	_, err = files.store().Upload(t.Context(), userOf(l, bob), "bob/note.txt", []byte("after the refusals"))
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(files.download(t, l, alice, "bob/note.txt")).To(Equal([]byte("after the refusals")))

	files.preflight(t, l)
	g.Expect(l.Err()).To(Succeed())
}

// objectStore is a real server of S3 with TLS.
type objectStore struct {
	address   string
	authority *certtest.Authority
	client    *http.Client
}

func (f *objectStore) url() string { return "https://" + f.address }

func startObjectStore(t *testing.T) *objectStore {
	t.Helper()
	g := NewWithT(t)
	dirs, err := image.Programs(t.Context(), os.Stderr, "s3")
	g.Expect(err).NotTo(HaveOccurred())
	f := &objectStore{authority: certtest.New(t)}
	f.address, err = freeport.Take()
	g.Expect(err).NotTo(HaveOccurred())
	pair := f.authority.Issue(time.Hour)
	server := exec.CommandContext(t.Context(), filepath.Join(dirs[0], "s3"), "--listen="+f.address, "--data-dir="+t.TempDir(),
		"--cert="+certtest.File(t, "tls.crt", pair.Certificate), "--key="+certtest.File(t, "tls.key", pair.Key))
	var log bytes.Buffer
	server.Env, server.Stderr, server.Stdout = []string{"S3_ACCESS_KEY=" + storeKey, "S3_SECRET_KEY=" + storeSecret}, &log, &log
	g.Expect(server.Start()).To(Succeed())
	t.Cleanup(func() {
		_ = server.Process.Kill()
		_ = server.Wait()
		if t.Failed() {
			t.Log(log.String())
		}
	})
	f.client = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: f.authority.Pool(), MinVersion: tls.VersionTLS12},
	}}
	g.Eventually(func() (int, error) {
		reply, err := f.client.Get(f.url() + "/healthz") //nolint:noctx // polled
		if err != nil {
			return 0, err
		}
		return reply.StatusCode, reply.Body.Close()
	}, arrival, look).Should(Equal(http.StatusOK))
	return f
}

// sample returns OpenIM with the store, and the wrapper in front.
func (f *objectStore) sample(t *testing.T) *sample {
	t.Helper()
	s := &sample{stack: read(t, "../../config/samples/openimstack_v1alpha1_minimal.yaml"), dir: t.TempDir()}
	s.adapt(t)
	s.more = map[string]map[string]string{
		"files":    {v1alpha1.KeyAccessKeyID: storeKey, v1alpha1.KeySecretAccessKey: storeSecret},
		"files-ca": {"ca.crt": string(f.authority.PEM)},
	}
	s.stack.Spec.Dependencies.ObjectStorage = &v1alpha1.ObjectStorage{MinIO: &v1alpha1.MinIO{
		InternalAddress: v1alpha1.Address(f.address), ExternalAddress: f.url(), CredentialsRef: v1alpha1.LocalReference{Name: "files"},
		TLS: &v1alpha1.ServerTLS{CASecretRef: &v1alpha1.KeyReference{Name: "files-ca", Key: "ca.crt"}},
	}}
	s.options.Wrapper = &loopback.Wrapper{Hot: loopback.Generous, Backend: func(_ int, c *backend.Config) { c.OpenIM.ObjectURL = f.url() }}
	return s
}

// download gets a file by the gateway's address, which leads to the store.
func (f *objectStore) download(t *testing.T, l *loopback.Stack, d *device, name string) []byte {
	t.Helper()
	status, content, err := f.store().Download(t.Context(), userOf(l, d), l.Frontend.URL+wire.ObjectPrefix+name)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(status).To(Equal(http.StatusOK), "%.300s", content)
	return content
}

func (f *objectStore) store() chat.Store { return chat.Store{Client: f.client} }

// userOf returns a device's user as a client of the gateway.
func userOf(l *loopback.Stack, d *device) chat.User {
	return chat.User{URL: l.Frontend.URL, Client: http.DefaultClient, Token: d.session.Token()}
}

// preflight runs the program of prepare with the configuration of openim-rpc-third: with the authority of the spec, with another, and with
// another key.
func (f *objectStore) preflight(t *testing.T, l *loopback.Stack) {
	t.Helper()
	dirs, err := image.Programs(t.Context(), os.Stderr, "preflight")
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	ours, foreign := filepath.Dir(certtest.File(t, "ca.crt", f.authority.PEM)), filepath.Dir(certtest.File(t, "ca.crt", certtest.New(t).PEM))
	for _, c := range []struct {
		name, authority, secret, says string
	}{
		{"the spec's", ours, storeSecret, ""},
		{"another authority", foreign, storeSecret, "CertificateNotTrusted"},
		{"another secret key", ours, "sesame", "AuthenticationFailed"},
	} {
		g := NewWithT(t)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		check := exec.CommandContext(ctx, filepath.Join(dirs[0], "preflight"), "--stores=object-storage",
			"--config="+filepath.Join(l.Dir, "config-"+string(openim.RPCThird)), "--attempts="+filepath.Join(t.TempDir(), "attempts"))
		check.Env = []string{
			openim.TrustEnv + "=" + c.authority, openim.EnvName(openim.MinIOFile, openim.KeyAccessKeyID) + "=" + storeKey,
			openim.EnvName(openim.MinIOFile, openim.KeySecretAccessKey) + "=" + c.secret,
		}
		out, err := check.CombinedOutput()
		cancel()
		if c.says == "" {
			g.Expect(err).NotTo(HaveOccurred(), "%s: %s", c.name, out)
			continue
		}
		g.Expect(err).To(HaveOccurred(), c.name)
		g.Expect(string(out)).To(And(ContainSubstring(c.says), Not(ContainSubstring("sesame"))), c.name)
	}
}
