package chat

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	login "github.com/openimstack/openim-operator/clients/go"
)

func deviceOf(t *testing.T, user, device string) identity {
	t.Helper()
	key, err := login.GenerateKey()
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return identity{UserID: user, DeviceID: device, PlatformID: platformLinux, Key: key.Reveal(), PinnedKeys: []string{"k"}}
}

func TestADeviceIsFoundByItsUserOrAlone(t *testing.T) {
	g := NewWithT(t)
	s := newStore(t.TempDir(), "im/chat", "u1")
	_, found, err := s.find("")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeFalse(), "nobody is enrolled")
	a := deviceOf(t, alice, "d1")
	g.Expect(s.save(a)).To(BeEmpty())
	for _, user := range []string{"", alice} {
		got, found, err := s.find(user)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(BeTrue())
		g.Expect(got).To(Equal(a))
	}
	_, found, err = s.find(bob)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeFalse())
	g.Expect(s.save(deviceOf(t, bob, "d2"))).To(BeEmpty())
	_, _, err = s.find("")
	g.Expect(err).To(MatchError(ContainSubstring("name one with --user-id")))
	_, found, _ = newStore(filepath.Dir(s.folder), "im/chat", "u2").find(alice)
	g.Expect(found).To(BeFalse(), "each gateway has its own")
}

func TestNamesOfUsersStayInTheFolder(t *testing.T) {
	for _, user := range []string{"..", "../../etc/passwd", "/etc/passwd", "a/b", "enrolling", "", "a\x00b", "ä%2F"} {
		g := NewWithT(t)
		folder := t.TempDir()
		s := newStore(folder, "../../"+user, "../"+user)
		i := deviceOf(t, user, "d1")
		g.Expect(s.save(i)).To(BeEmpty(), user)
		entries, err := os.ReadDir(folder)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(entries).To(HaveLen(1))
		g.Expect(entries[0].Name()).To(HavePrefix("gateway-"))
		got, found, err := s.find("")
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(found).To(BeTrue())
		g.Expect(got).To(Equal(i))
	}
}

func TestAnEarlierDeviceIsKept(t *testing.T) {
	g := NewWithT(t)
	s := newStore(t.TempDir(), "im/chat", "u1")
	first := deviceOf(t, alice, "d1")
	g.Expect(s.save(first)).To(BeEmpty())
	g.Expect(s.save(first)).To(BeEmpty(), "the same device again")
	earlier, err := s.save(deviceOf(t, alice, "d2"))
	g.Expect(err).NotTo(HaveOccurred())
	content, err := os.ReadFile(earlier)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(string(content)).To(ContainSubstring(first.Key))
	now, _, err := s.find("")
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(now.DeviceID).To(Equal("d2"))
}

func TestTheKeyOfAnEnrolmentWithoutAnAnswerIsKept(t *testing.T) {
	g := NewWithT(t)
	s := newStore(t.TempDir(), "im/chat", "u1")
	begun := deviceOf(t, "", "")
	g.Expect(s.begin(begun)).To(Succeed())
	got, found, err := s.pending()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
	g.Expect(got).To(Equal(begun))
	begun.UserID, begun.DeviceID = alice, "d1"
	g.Expect(s.save(begun)).To(BeEmpty())
	_, found, err = s.pending()
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeFalse(), "it is the user's now")
}

func TestAFileThatOthersCanReadIsRefused(t *testing.T) {
	g := NewWithT(t)
	s := newStore(t.TempDir(), "im/chat", "u1")
	g.Expect(s.save(deviceOf(t, alice, "d1"))).To(BeEmpty())
	path := filepath.Join(s.folder, fileOf(alice))
	info, err := os.Stat(path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(info.Mode().Perm()).To(Equal(os.FileMode(0o600)))
	g.Expect(os.Chmod(path, 0o640)).To(Succeed())
	_, _, err = s.find(alice)
	g.Expect(err).To(MatchError(And(ContainSubstring("can be read by others"), ContainSubstring("chmod 600"))))
	g.Expect(os.Chmod(path, 0o600)).To(Succeed())
	_, found, err := s.find(alice)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(found).To(BeTrue())
}

func TestABrokenFileIsNamedAndNotPrinted(t *testing.T) {
	for name, content := range map[string]string{"no JSON": `{"key":"hidden`, "huge": strings.Repeat("hidden", 20000)} {
		g := NewWithT(t)
		s := newStore(t.TempDir(), "im/chat", "u1")
		g.Expect(s.save(deviceOf(t, alice, "d1"))).To(BeEmpty())
		g.Expect(os.WriteFile(filepath.Join(s.folder, fileOf(alice)), []byte(content), 0o600)).To(Succeed())
		_, _, err := s.find(alice)
		g.Expect(err).To(MatchError(And(ContainSubstring(fileOf(alice)), Not(ContainSubstring("hidden")))), name)
	}
}

func TestACodeStandsOnTheFirstLine(t *testing.T) {
	g := NewWithT(t)
	in := bufio.NewReader(strings.NewReader(" v1.a.b \r\nhello\n"))
	g.Expect(firstLine(in)).To(Equal("v1.a.b"))
	rest, err := in.ReadString('\n')
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(rest).To(Equal("hello\n"), "what follows is sent")
	for _, bad := range []string{"", "\n", "   \nv1.a.b\n", strings.Repeat("x", 300)} {
		_, err := firstLine(bufio.NewReader(strings.NewReader(bad)))
		g.Expect(err).To(MatchError(And(ContainSubstring("no enrolment code"), Not(ContainSubstring("xxx")))))
	}
}
