package apiserverlog_test

import (
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/test/e2e/apiserverlog"
)

const (
	lease  = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","stage":"ResponseComplete","verb":"update","user":{"username":"op"},"objectRef":{"resource":"leases","namespace":"sys","name":"l","apiGroup":"coordination.k8s.io"},"responseStatus":{"code":200},"requestReceivedTimestamp":"2026-01-01T00:00:00.000000Z"}`
	patch  = `{"kind":"Event","stage":"ResponseComplete","verb":"patch","user":{"username":"op"},"objectRef":{"resource":"deployments","namespace":"im","name":"chat-api","apiGroup":"apps"},"responseStatus":{"code":200}}`
	status = `{"kind":"Event","stage":"ResponseComplete","verb":"update","user":{"username":"kubelet"},"objectRef":{"resource":"pods","subresource":"status","namespace":"im","name":"p"},"responseStatus":{"code":409}}`
	read   = `{"kind":"Event","stage":"ResponseComplete","verb":"get","user":{"username":"op"},"objectRef":{"resource":"pods","namespace":"im"}}`
	early  = `{"kind":"Event","stage":"RequestReceived","verb":"create","user":{"username":"op"},"objectRef":{"resource":"pods","namespace":"im"}}`
)

func write(t *testing.T, path string, lines ...string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	for _, line := range lines {
		if _, err := file.WriteString(line + "\n"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOnlyWritesAfterTheMarkAreCountedAndEachOnce(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, patch, lease)
	mark, err := apiserverlog.Now(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(mark.Since()).To(BeEmpty())

	write(t, path, lease, read, early, patch, "", status)
	since, err := mark.Since()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(since).To(HaveLen(3))
	g.Expect(apiserverlog.Select(since, apiserverlog.By("op"))).To(HaveLen(2))
	g.Expect(apiserverlog.Select(since, apiserverlog.In("im"))).To(HaveLen(2), "refused writes are writes, too")
	only := apiserverlog.Select(since, apiserverlog.By("op"), apiserverlog.In("im"))
	g.Expect(only).To(HaveLen(1))
	g.Expect(only[0].String()).To(ContainSubstring("patch deployments.apps im/chat-api by op: 200"))
}

func TestARotatedLogIsNotMistakenForSilence(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path, patch)
	mark, err := apiserverlog.Now(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(os.Rename(path, path+".1")).To(Succeed())
	write(t, path, lease, lease, lease)
	_, err = mark.Since()
	g.Expect(err).To(MatchError(ContainSubstring("was rotated")))
}

func TestALineThatIsNoEventIsAnError(t *testing.T) {
	g := NewWithT(t)
	path := filepath.Join(t.TempDir(), "audit.log")
	write(t, path)
	mark, err := apiserverlog.Now(path)
	g.Expect(err).NotTo(HaveOccurred())
	write(t, path, "not json")
	_, err = mark.Since()
	g.Expect(err).To(MatchError(ContainSubstring("no event")))
}

func TestALogThatIsNotThereIsAnError(t *testing.T) {
	_, err := apiserverlog.Now(filepath.Join(t.TempDir(), "none"))
	NewWithT(t).Expect(err).To(HaveOccurred())
}
