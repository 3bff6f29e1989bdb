package samples

import (
	"bytes"
	"context"
	"crypto/md5" // OpenIM names files by it
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/api/v1alpha1"
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

// partBytes is the size of a part of OpenIM's uploads to MinIO. Larger files are uploaded in parts.
const partBytes = 5 << 20

// A real object store behind TLS of a private authority: alice uploads a picture and a file in parts by the object routes, through the
// gateway, and bob downloads both. What the preflight says of another authority and of other keys is its own program's word.
func TestAFileIsUploadedByOneUserAndDownloadedByAnother(t *testing.T) {
	g := NewWithT(t)
	files := startObjectStore(t)
	s := files.sample(t)
	l := loopback.New(t, s.options)
	alice, bob := enrol(t, l, "alice", ios), enrol(t, l, "bob", android)
	as := func(d *device) loopback.API { return l.Frontend.User(d.session.Token()) }

	for name, size := range map[string]int{"alice/picture.png": 70_000, "alice/film.mp4": partBytes + 4096} {
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		files.upload(t, as(alice), name, content)
		g.Expect(files.download(t, l, bob, name)).To(Equal(content), "%s, as bob gets it", name)
		g.Expect(files.download(t, l, alice, name)).To(Equal(content))
	}

	// Nobody without a session gets anything, and the store gives nothing without a signature.
	_, refusal := files.get(t, l.Frontend.URL+wire.ObjectPrefix+"alice/picture.png", "")
	g.Expect(string(refusal)).To(MatchRegexp(`"errCode":[1-9]`))
	status, _ := files.get(t, files.url()+"/openim/openim/data/hash/"+strings.Repeat("0", 32), "")
	g.Expect(status).To(Equal(http.StatusForbidden))
	files.attacks(t, as(alice), as(bob))

	// After the refusals both still work.
	g.Expect(files.download(t, l, bob, "alice/own.mp4")).To(HaveLen(partBytes + 1))
	g.Expect(files.download(t, l, bob, "alice/picture.png")).To(HaveLen(70_000))
	files.upload(t, as(bob), "bob/note.txt", []byte("after the refusals"))
	g.Expect(files.download(t, l, alice, "bob/note.txt")).To(Equal([]byte("after the refusals")))

	files.preflight(t, l)
	g.Expect(l.Err()).To(Succeed())
}

// attacks are what bob can try with what belongs to alice, and with names and sizes that no honest client writes.
func (f *objectStore) attacks(t *testing.T, alice, bob loopback.API) {
	t.Helper()
	g := NewWithT(t)
	content := []byte("alice's next file")
	started := alice.Must(t, "/object/initiate_multipart_upload", uploadOf("alice/next.txt", content))
	upload := fmt.Sprint(loopback.At(started, "upload", "uploadID"))
	for name, try := range map[string]struct {
		path string
		body loopback.Object
	}{
		"to write where alice's files are": {"/object/initiate_multipart_upload", uploadOf("alice/picture.png", []byte("bob's"))},
		"to complete alice's upload under its name": {"/object/complete_multipart_upload", loopback.Object{
			"uploadID": upload, "parts": []string{sum(content)}, "name": "alice/next.txt"}},
		"to climb out of the own folder": {"/object/initiate_multipart_upload", uploadOf("bob/../alice/picture.png", []byte("bob's"))},
		"to hide the climb":              {"/object/initiate_multipart_upload", uploadOf(`bob/..\alice`, []byte("bob's"))},
		"a form for alice's name": {"/object/initiate_form_data", loopback.Object{
			"name": "alice/picture.png", "size": 10, "contentType": "image/png", "group": "g"}},
		"to sign parts of an upload of a foreign key": {"/object/auth_sign", loopback.Object{
			"uploadID": "eyJhIjoxLCJiIjoieCIsImMiOiJvdGhlci9rZXkiLCJkIjoxLCJlIjoieCJ9", "partNumbers": []int{1}}},
	} {
		reply, err := bob.Post(t.Context(), try.path, try.body)
		g.Expect(err).NotTo(HaveOccurred(), name)
		g.Expect(reply.OK()).To(BeFalse(), "bob may %s: %s", name, reply)
	}
	for _, size := range []any{-1, int64(-1) << 62, int64(1) << 62, "9e99", 0.5} {
		body := uploadOf("bob/huge", content)
		body["size"], body["maxParts"] = size, 1<<30
		reply, err := bob.Post(t.Context(), "/object/initiate_multipart_upload", body)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(reply.OK()).To(BeFalse(), "size %v: %s", size, reply)
	}
	// An access URL of alice's file is for whoever knows its name: chats are how names spread.
	reply := bob.Must(t, "/object/access_url", loopback.Object{"name": "alice/picture.png"})
	address := fmt.Sprint(reply["url"])
	g.Expect(address).To(HavePrefix(f.url() + "/openim/"))
	g.Expect(address).NotTo(ContainSubstring(storeSecret))
	status, got := f.get(t, address, "")
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(got).To(HaveLen(70_000))
	// The signature is for this object and for reading it alone.
	status, _ = f.get(t, strings.Replace(address, "/openim/openim/", "/openim/openim/other/", 1), "")
	g.Expect(status).To(Equal(http.StatusForbidden))
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address, strings.NewReader("bob's"))
	g.Expect(err).NotTo(HaveOccurred())
	put, err := f.client.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	_ = put.Body.Close()
	g.Expect(put.StatusCode).To(Equal(http.StatusForbidden), "an address for reading writes nothing")

	// Alice's upload goes on.
	f.finish(t, alice, started, "alice/next.txt", content)
	f.foreignTickets(t, alice, bob)
}

// foreignTickets are what bob can try with upload ids that OpenIM itself would accept: alice's, and some that bob wrote.
func (f *objectStore) foreignTickets(t *testing.T, alice, bob loopback.API) {
	t.Helper()
	g := NewWithT(t)
	note, film := make([]byte, 3000), make([]byte, partBytes+1)
	_, _ = rand.Read(note) // never fails
	_, _ = rand.Read(film)
	begun := map[string]loopback.Object{}
	for name, content := range map[string][]byte{"alice/own.txt": note, "alice/own.mp4": film} {
		begun[name] = alice.Must(t, "/object/initiate_multipart_upload", uploadOf(name, content))
		f.put(t, begun[name], content)
	}
	ticket := func(name string) string { return fmt.Sprint(loopback.At(begun[name], "upload", "uploadID")) }
	forged := func(id string, content []byte) string {
		hash, _ := hashOf(content)
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"a":1,"b":%q,"c":"openim/data/hash/%s","d":1,"e":%q}`, id, hash, hash))
	}
	_, ofNote := hashOf(note)
	_, ofFilm := hashOf(film)
	for _, try := range []struct{ name, path, uploadID, as string }{
		{"alice's upload in one part", "/object/complete_multipart_upload", ticket("alice/own.txt"), "bob/note.txt"},
		{"alice's upload in parts", "/object/complete_multipart_upload", ticket("alice/own.mp4"), "bob/film.mp4"},
		{"parts of alice's upload", "/object/auth_sign", ticket("alice/own.mp4"), ""},
		{"parts of an upload that nobody began", "/object/auth_sign", forged("x", note), ""},
		{"another setting of a file", "/object/auth_sign", forged("x&acl", note), ""},
		{"a ticket cut short", "/object/auth_sign", ticket("alice/own.mp4")[:100], ""},
	} {
		body := loopback.Object{"uploadID": try.uploadID, "partNumbers": []int{1}}
		if try.as != "" {
			body = loopback.Object{"uploadID": try.uploadID, "name": try.as, "parts": ofNote, "contentType": "text/plain", "cause": "test"}
		}
		if try.as == "bob/film.mp4" {
			body["parts"] = ofFilm
		}
		reply, err := bob.Post(t.Context(), try.path, body)
		g.Expect(err).NotTo(HaveOccurred(), try.name)
		g.Expect(reply.OK()).To(BeFalse(), "bob has %s: %s", try.name, reply)
		g.Expect(reply.Code).To(Equal(wire.CodeNoPermission), "%s: %s", try.name, reply)
	}
	// Alice signs the parts, and completes both uploads.
	signed := alice.Must(t, "/object/auth_sign", loopback.Object{"uploadID": ticket("alice/own.mp4"), "partNumbers": []int{1, 2}})
	g.Expect(signed["parts"]).To(HaveLen(2))
	f.complete(t, alice, begun["alice/own.txt"], "alice/own.txt", note)
	f.complete(t, alice, begun["alice/own.mp4"], "alice/own.mp4", film)
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

func sum(content []byte) string {
	hash := md5.Sum(content)
	return hex.EncodeToString(hash[:])
}

// parts returns the content in OpenIM's parts.
func parts(content []byte) [][]byte {
	var all [][]byte
	for len(content) > partBytes {
		all, content = append(all, content[:partBytes]), content[partBytes:]
	}
	return append(all, content)
}

// hashOf returns the hash of an upload: of the hashes of its parts, joined by commas.
func hashOf(content []byte) (hash string, ofParts []string) {
	for _, part := range parts(content) {
		ofParts = append(ofParts, sum(part))
	}
	return sum([]byte(strings.Join(ofParts, ","))), ofParts
}

// uploadOf is the request that begins an upload, as the SDKs write it.
func uploadOf(name string, content []byte) loopback.Object {
	hash, ofParts := hashOf(content)
	return loopback.Object{
		"hash": hash, "size": len(content), "partSize": partBytes, "maxParts": len(ofParts), "cause": "test", "name": name,
		"contentType": "application/octet-stream",
	}
}

// upload uploads a file as the SDKs do.
func (f *objectStore) upload(t *testing.T, api loopback.API, name string, content []byte) {
	t.Helper()
	f.finish(t, api, api.Must(t, "/object/initiate_multipart_upload", uploadOf(name, content)), name, content)
}

// finish puts the parts of an upload that was begun, and completes it.
func (f *objectStore) finish(t *testing.T, api loopback.API, started loopback.Object, name string, content []byte) {
	t.Helper()
	f.put(t, started, content)
	f.complete(t, api, started, name, content)
}

// put puts the parts of an upload that was begun.
func (f *objectStore) put(t *testing.T, started loopback.Object, content []byte) {
	t.Helper()
	g := NewWithT(t)
	for i, part := range parts(content) {
		signed := loopback.At(started, "upload", "sign", "parts", i)
		address := fmt.Sprint(loopback.At(signed, "url"))
		if address == "" {
			address = fmt.Sprint(loopback.At(started, "upload", "sign", "url"))
		}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, address, bytes.NewReader(part))
		g.Expect(err).NotTo(HaveOccurred())
		query := request.URL.Query()
		for _, from := range []any{loopback.At(started, "upload", "sign", "query"), loopback.At(signed, "query")} {
			eachPair(from, query.Add)
		}
		request.URL.RawQuery = query.Encode()
		for _, from := range []any{loopback.At(started, "upload", "sign", "header"), loopback.At(signed, "header")} {
			eachPair(from, request.Header.Add)
		}
		reply, err := f.client.Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		text, _ := io.ReadAll(io.LimitReader(reply.Body, 4096))
		_ = reply.Body.Close()
		g.Expect(reply.StatusCode).To(Equal(http.StatusOK), "part %d: %s", i+1, text)
	}
}

// complete completes an upload whose parts are put.
func (f *objectStore) complete(t *testing.T, api loopback.API, started loopback.Object, name string, content []byte) {
	t.Helper()
	_, ofParts := hashOf(content)
	api.Must(t, "/object/complete_multipart_upload", loopback.Object{
		"uploadID": loopback.At(started, "upload", "uploadID"), "parts": ofParts, "name": name, "contentType": "application/octet-stream",
		"cause": "test",
	})
}

// eachPair calls add for each key of OpenIM's lists of keys and values.
func eachPair(list any, add func(key, value string)) {
	all, _ := list.([]any)
	for _, pair := range all {
		values, _ := loopback.At(pair, "values").([]any)
		for _, value := range values {
			add(fmt.Sprint(loopback.At(pair, "key")), fmt.Sprint(value))
		}
	}
}

// download gets a file by the gateway's address, which leads to the store.
func (f *objectStore) download(t *testing.T, l *loopback.Stack, d *device, name string) []byte {
	t.Helper()
	status, content := f.get(t, l.Frontend.URL+wire.ObjectPrefix+name, d.session.Token())
	NewWithT(t).Expect(status).To(Equal(http.StatusOK), "%.300s", content)
	return content
}

func (f *objectStore) get(t *testing.T, address, token string) (int, []byte) {
	t.Helper()
	g := NewWithT(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("Token", token)
	}
	reply, err := f.client.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = reply.Body.Close() }()
	content, err := io.ReadAll(reply.Body)
	g.Expect(err).NotTo(HaveOccurred())
	return reply.StatusCode, content
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
