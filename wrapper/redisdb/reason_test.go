package redisdb_test

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/supervisor/termination"
	"github.com/openimstack/openim-operator/wrapper/redisdb"
	"github.com/openimstack/openim-operator/wrapper/redisdb/redistest"
)

func TestWhyRedisCannotBeUsed(t *testing.T) {
	g := NewWithT(t)
	server := redistest.Start(t)
	use := func(password string, change func(*redisdb.Config)) error {
		c := server.Config("a:")
		c.PasswordFile = filepath.Join(t.TempDir(), "password")
		g.Expect(os.WriteFile(c.PasswordFile, []byte(password), 0o600)).To(Succeed())
		if change != nil {
			change(&c)
		}
		db, sources := redisdb.Open(c, slog.New(slog.DiscardHandler))
		defer func() { _ = db.Close() }()
		for _, s := range sources {
			_, err := s.Reload()
			g.Expect(err).NotTo(HaveOccurred())
		}
		return db.Use(t.Context())
	}
	g.Expect(use(server.Password, nil)).To(Succeed())
	g.Expect(redisdb.Reason(use("another", nil))).To(Equal(termination.AuthenticationFailed))
	g.Expect(redisdb.Reason(use(server.Password, func(c *redisdb.Config) { c.Database = 99 }))).To(Equal(termination.WrongMode))
	g.Expect(redisdb.Reason(fmt.Errorf("dialing: %w", &tls.CertificateVerificationError{}))).To(Equal(termination.TLSRequired))
	g.Expect(server.Client().Do(t.Context(), "ACL", "SETUSER", "reader", "on", ">right", "~*", "+@read").Err()).To(Succeed())
	g.Expect(redisdb.Reason(use("right", func(c *redisdb.Config) { c.Username = "reader" }))).To(Equal(termination.PermissionDenied))
	g.Expect(server.Client().Do(t.Context(), "REPLICAOF", "127.0.0.1", "1").Err()).To(Succeed())
	g.Expect(redisdb.Reason(use(server.Password, nil))).To(Equal(termination.WrongMode))
	g.Expect(server.Client().Do(t.Context(), "REPLICAOF", "NO", "ONE").Err()).To(Succeed())
	server.Stop()
	g.Expect(redisdb.Reason(use(server.Password, nil))).To(Equal(termination.Unreachable))
	server.Restart()
	g.Expect(use(server.Password, nil)).To(Succeed())
	g.Expect(server.Client().DBSize(t.Context()).Result()).To(BeZero())
}
