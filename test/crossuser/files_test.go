package crossuser

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// files uploads and downloads at the object store.
var files = chat.Store{Client: http.DefaultClient}

// user returns the attacker as a client of the gateway.
func (s *testEnv) user(a *attacker) chat.User {
	return chat.User{URL: s.Frontend.URL, Client: http.DefaultClient, Token: a.session.Token()}
}

// upload uploads a file as a user through the wrapper, and returns its link.
func (s *testEnv) upload(t *testing.T, a *attacker, name string, content []byte) string {
	t.Helper()
	link, err := files.Upload(t.Context(), s.user(a), name, content)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return link
}

// reads checks that a user downloads a file.
func (s *testEnv) reads(t *testing.T, a *attacker, link string, content []byte) {
	t.Helper()
	status, got, err := files.Download(t.Context(), s.user(a), link)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(status).To(Equal(http.StatusOK), "%.300s", got)
	NewWithT(t).Expect(got).To(Equal(content))
}

func random(size int) []byte {
	content := make([]byte, size)
	_, _ = rand.Read(content) // never fails
	return content
}

// bothUpload checks that both users still upload, and that each reads what the other uploaded.
func (s *testEnv) bothUpload(t *testing.T, one, other *attacker) {
	t.Helper()
	for _, pair := range [][2]*attacker{{one, other}, {other, one}} {
		content := random(300)
		s.reads(t, pair[1], s.upload(t, pair[0], pair[0].Self+"/afterwards.txt", content), content)
	}
}

func foreignFolders(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), s.attacker(t)
	content := random(3000)
	link := s.upload(t, victim, victim.Self+"/a.txt", content)
	longer := attacker.Self + "s" // another user, whose id begins so
	for _, name := range []string{
		victim.Self + "/a.txt", attacker.Self + "/../" + victim.Self + "/a.txt", attacker.Self + `/..\` + victim.Self, longer + "/a.txt",
		"/" + victim.Self + "/a.txt", attacker.Self + "/./a.txt", attacker.Self + "//a.txt", attacker.Self, "", "openim/data/hash/x",
		attacker.Self + "/" + strings.Repeat("x", 2000),
	} {
		g := NewWithT(t)
		for path, body := range map[string]object{
			"/object/initiate_multipart_upload": chat.UploadOf(name, []byte("the attacker's")),
			"/object/initiate_form_data":        {"name": name, "size": 10, "contentType": "image/png", "group": "g"},
		} {
			reply, err := s.through(attacker).Post(t.Context(), path, body)
			g.Expect(err).NotTo(HaveOccurred())
			g.Expect(reply.OK()).To(BeFalse(), "%s %q: %s", path, name, reply)
			g.Expect(s.witness.asked(path, attacker.Self)).To(BeEmpty(), "OpenIM was asked all the same: %s %q", path, name)
		}
	}
	s.reads(t, victim, link, content)
	s.bothUpload(t, attacker, victim)
}

func sizesThatAreNone(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), s.attacker(t)
	before := peaks(t, s)
	for _, size := range []any{-1, int64(-1) << 62, int64(1) << 62, "9e99", 0.5, 0} {
		body := chat.UploadOf(attacker.Self+"/huge", []byte("x"))
		body["size"], body["maxParts"] = size, 1<<30
		reply, err := s.through(attacker).Post(t.Context(), "/object/initiate_multipart_upload", body)
		NewWithT(t).Expect(err).NotTo(HaveOccurred())
		NewWithT(t).Expect(reply.OK()).To(BeFalse(), "size %v: %s", size, reply)
	}
	grownLess(t, s, before)
	s.bothUpload(t, attacker, victim)
}

// foreignTickets are upload ids that OpenIM itself would accept: the victim's, which leaked, and some that the attacker wrote.
func foreignTickets(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), s.attacker(t)
	g := NewWithT(t)
	begun := map[string]*chat.Upload{}
	for name, content := range map[string][]byte{"own.txt": random(3000), "own.mp4": random(chat.PartBytes + 1)} {
		u, err := files.Begin(t.Context(), s.user(victim), victim.Self+"/"+name, content)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(files.Put(t.Context(), u)).To(Succeed())
		begun[name] = u
	}
	forged := func(id string) string {
		hash, _ := chat.Hashes(begun["own.txt"].Content)
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, `{"a":1,"b":%q,"c":"openim/data/hash/%s","d":1,"e":%q}`, id, hash, hash))
	}
	for _, try := range []struct{ name, path, ticket, of string }{
		{"the victim's upload in one part", "/object/complete_multipart_upload", begun["own.txt"].Ticket, "own.txt"},
		{"the victim's upload in parts", "/object/complete_multipart_upload", begun["own.mp4"].Ticket, "own.mp4"},
		{"parts of the victim's upload", "/object/auth_sign", begun["own.mp4"].Ticket, ""},
		{"parts of an upload that nobody began", "/object/auth_sign", forged("x"), ""},
		{"another setting of a file", "/object/auth_sign", forged("x&acl"), ""},
		{"a ticket cut short", "/object/auth_sign", begun["own.mp4"].Ticket[:100], ""},
	} {
		body := object{"uploadID": try.ticket, "partNumbers": []int{1}}
		if try.of != "" {
			_, ofParts := chat.Hashes(begun[try.of].Content)
			body = object{
				"uploadID": try.ticket, "name": attacker.Self + "/" + try.of, "parts": ofParts, "contentType": "text/plain", "cause": "test",
			}
		}
		reply, err := s.through(attacker).Post(t.Context(), try.path, body)
		g.Expect(err).NotTo(HaveOccurred(), try.name)
		g.Expect(reply.Code).To(Equal(wire.CodeNoPermission), "%s: %s", try.name, reply)
	}
	// The victim completes both, but under no name of the attacker's.
	for _, u := range begun {
		stolen := *u
		stolen.Name = attacker.Self + "/stolen"
		g.Expect(files.Complete(t.Context(), s.user(victim), &stolen)).NotTo(Succeed())
		g.Expect(files.Complete(t.Context(), s.user(victim), u)).To(Succeed())
		s.reads(t, attacker, u.URL, u.Content)
	}
	s.bothUpload(t, attacker, victim)
}

// signedURLs are what the attacker gets to read: a file's name travels with a message, and its URL is for this object and for reading it.
func signedURLs(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), s.attacker(t)
	g := NewWithT(t)
	content := random(70_000)
	link := s.upload(t, victim, victim.Self+"/picture.png", content)
	told := s.through(attacker).Must(t, "/object/access_url", object{"name": victim.Self + "/picture.png"})
	address := fmt.Sprint(told["url"])
	g.Expect(address).To(HavePrefix(s.FilesURL() + "/openim/"))
	status, got, err := files.Get(t.Context(), address)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(status).To(Equal(http.StatusOK))
	g.Expect(got).To(Equal(content))
	unsigned, _, _ := strings.Cut(address, "?")
	for _, other := range []string{
		strings.Replace(address, "/openim/openim/", "/openim/openim/other/", 1), address + "&versionId=x", unsigned,
		s.FilesURL() + "/openim/", s.FilesURL() + "/",
	} {
		status, _, err := files.Get(t.Context(), other)
		g.Expect(err).NotTo(HaveOccurred())
		g.Expect(status).To(Equal(http.StatusForbidden), other)
	}
	for _, method := range []string{http.MethodPut, http.MethodDelete, http.MethodPost} {
		request, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader("the attacker's"))
		g.Expect(err).NotTo(HaveOccurred())
		reply, err := files.Client.Do(request)
		g.Expect(err).NotTo(HaveOccurred())
		_ = reply.Body.Close()
		g.Expect(reply.StatusCode).To(BeElementOf(http.StatusForbidden, http.StatusMethodNotAllowed),
			"%s: an address for reading writes nothing", method)
	}
	s.reads(t, attacker, link, content)
	s.bothUpload(t, attacker, victim)
}

// pictures asks for scaled pictures, which openim-rpc-third would decode in memory: users get the file itself, and no other.
func pictures(t *testing.T, s *testEnv) {
	attacker, victim := s.attacker(t), s.attacker(t)
	content := random(2000)
	link := s.upload(t, victim, victim.Self+"/picture.png", content)
	before := peaks(t, s)
	for _, query := range []string{
		"?type=image&width=50", "?type=image&width=50&height=50&format=png", "?type=image&width=-1", "?type=image&width=999999999",
		"?type=image&format=../x", "?type=secret", "?type=image&type=image&width=%00", "?name=" + attacker.Self + "/x", "?",
	} {
		s.reads(t, attacker, link+query, content)
	}
	told := s.through(attacker).Must(t, "/object/access_url", object{
		"name": victim.Self + "/picture.png", "query": object{"type": "image", "width": "50", "height": "999999"},
	})
	status, got, err := files.Get(t.Context(), fmt.Sprint(told["url"]))
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	NewWithT(t).Expect(status).To(Equal(http.StatusOK))
	NewWithT(t).Expect(got).To(Equal(content))
	sightings := s.witness.asked("/object/access_url", attacker.Self)
	NewWithT(t).Expect(sightings).NotTo(BeEmpty())
	for _, seen := range sightings {
		query, _ := seen.body["query"].(map[string]any)
		NewWithT(t).Expect(query).To(BeEmpty(), "OpenIM was asked for a scaled picture")
	}
	grownLess(t, s, before)
	s.bothUpload(t, attacker, victim)
}
