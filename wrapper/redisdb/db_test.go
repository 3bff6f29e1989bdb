package redisdb_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/freeport"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

// soon is a generous timeout for what takes milliseconds on an idle machine.
const soon = time.Minute

func TestKeysHaveThePrefix(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	db := server.Open("im/chat:")
	g.Expect(db.Key("s:", "{x}")).To(Equal("im/chat:s:{x}"))
	g.Expect(db.Set(t.Context(), db.Key("s:", "x"), "v", time.Minute).Err()).To(Succeed())
	g.Expect(server.Client().Get(t.Context(), "im/chat:s:x").Result()).To(Equal("v"))
}

func TestCommandsFailBeforeThePasswordIsRead(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	db, sources := redisdb.Open(server.Config("a:"), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = db.Close() })
	g.Expect(db.Ready(t.Context())).To(MatchError(ContainSubstring("has not been read yet")))
	for _, s := range sources {
		g.Expect(s.Reload()).To(BeTrue())
	}
	g.Expect(db.Ready(t.Context())).To(Succeed())
}

func TestAChangedPasswordIsPickedUp(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	db, sources := redisdb.Open(server.Config("a:"), slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = db.Close() })
	_, err := sources[0].Reload()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(db.Ready(t.Context())).To(Succeed())

	server.Password = "another"
	server.Restart()
	g.Expect(db.Ready(t.Context())).To(MatchError(ContainSubstring("WRONGPASS")))
	g.Expect(db.Ready(t.Context())).NotTo(MatchError(ContainSubstring("another")))
	g.Expect(os.WriteFile(server.PasswordFile, []byte("another\n"), 0o600)).To(Succeed())
	g.Expect(sources[0].Reload()).To(BeTrue())
	g.Expect(db.Ready(t.Context())).To(Succeed(), "without a restart of the wrapper")
}

func TestAUserOfItsOwn(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	g.Expect(server.Client().Do(t.Context(), "ACL", "SETUSER", "wrapper", "on", ">secret", "~*", "&*", "+@all").Err()).To(Succeed())
	c := server.Config("a:")
	dir := t.TempDir()
	c.UsernameFile, c.PasswordFile = filepath.Join(dir, "user"), filepath.Join(dir, "password")
	g.Expect(os.WriteFile(c.UsernameFile, []byte("wrapper\n"), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(c.PasswordFile, []byte("secret\n"), 0o600)).To(Succeed())
	db, sources := redisdb.Open(c, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { _ = db.Close() })
	for _, s := range sources {
		g.Expect(s.Reload()).To(BeTrue())
	}
	g.Expect(db.Do(t.Context(), "ACL", "WHOAMI").Text()).To(Equal("wrapper"))
}

func TestARedisThatMayEvictKeysIsNotReady(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	db := server.Open("a:")
	g.Expect(server.Client().ConfigSet(t.Context(), "maxmemory-policy", "allkeys-lru").Err()).To(Succeed())
	g.Expect(db.Ready(t.Context())).To(MatchError(ContainSubstring("allkeys-lru): set it to noeviction")))
}

// TestAFrozenRedisDelaysCallsUpToTheTimeout: with any number of callers, none waits longer than for a slot, a connection and a reply.
func TestAFrozenRedisDelaysCallsUpToTheTimeout(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	db := server.Open("a:")
	g.Expect(db.Ready(t.Context())).To(Succeed())
	server.Freeze()
	// A slow machine is slow now and then, so one quick round is the proof.
	g.Eventually(func() (longest time.Duration) {
		start := time.Now()
		var all sync.WaitGroup
		var mu sync.Mutex
		for range 200 {
			all.Go(func() {
				err := db.Ping(context.Background()).Err()
				mu.Lock()
				defer mu.Unlock()
				longest = max(longest, time.Since(start))
				g.Expect(err).To(HaveOccurred())
			})
		}
		all.Wait()
		return longest
	}, soon).Should(BeNumerically("<", 3*redisdb.Timeout+2*time.Second))
	server.Thaw()
	g.Eventually(func() error { return db.Ready(context.Background()) }, soon, 10*time.Millisecond).Should(Succeed())
}

func TestARestartedRedisIsUsedAgain(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	db := server.Open("a:")
	g.Expect(db.Set(t.Context(), "k", "v", 0).Err()).To(Succeed())
	server.Stop()
	g.Expect(db.Ready(t.Context())).To(MatchError(ContainSubstring("does not answer")))
	server.Restart()
	g.Expect(db.Ready(t.Context())).To(Succeed())
	g.Expect(db.Exists(t.Context(), "k").Result()).To(BeZero(), "it is empty")
}

func TestTLSTrustsOnlyTheConfiguredAuthority(t *testing.T) {
	g := NewWithT(t)
	dir := t.TempDir()
	cert, key := selfSigned(t, dir, "good")
	other, _ := selfSigned(t, dir, "other")
	address := freeport.Address(t)
	_, port, err := net.SplitHostPort(address)
	g.Expect(err).NotTo(HaveOccurred())
	server := redistest.Start(t, "--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file",
		cert, "--tls-auth-clients", "no")

	for _, c := range []struct{ name, ca, want string }{{"its own", cert, ""}, {"another's", other, "unknown authority"},
		{"the system's", "", "unknown authority"}} {
		config := server.Config("a:")
		config.Addresses = []string{address}
		config.TLS = &redisdb.TLS{CAFile: c.ca}
		db, sources := redisdb.Open(config, slog.New(slog.DiscardHandler))
		t.Cleanup(func() { _ = db.Close() })
		for _, s := range sources {
			g.Expect(s.Reload()).To(BeTrue())
		}
		if c.want == "" {
			g.Eventually(func() error { return db.Ready(t.Context()) }, soon).Should(Succeed(), c.name)
			continue
		}
		g.Eventually(func() error { return db.Ready(t.Context()) }, soon).Should(MatchError(ContainSubstring(c.want)), c.name)
	}
}

func selfSigned(t *testing.T, dir, name string) (cert, key string) {
	t.Helper()
	g := NewWithT(t)
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	g.Expect(err).NotTo(HaveOccurred())
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &private.PublicKey, private)
	g.Expect(err).NotTo(HaveOccurred())
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	g.Expect(err).NotTo(HaveOccurred())
	cert, key = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	g.Expect(os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)).To(Succeed())
	g.Expect(os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600)).To(Succeed())
	return cert, key
}
