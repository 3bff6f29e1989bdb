package sdk

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"image"
	"image/png"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	. "github.com/onsi/gomega"
	"github.com/openimsdk/openim-sdk-core/v3/sdk_struct"
)

// film is a little larger than a part of OpenIM's uploads: it has two.
const film = 5<<20 + 4096

// contentPicture is OpenIM's type of a message with a picture.
const contentPicture = 102

// TestAPictureIsSent sends a picture from app to app: the SDK uploads it, and the link in the message leads to the same bytes. The SDK also
// uploads a file of two parts. Without a session the gateway gives neither.
func TestAPictureIsSent(t *testing.T) {
	g := NewWithT(t)
	if where.Files == "" && !where.HasGateway() {
		t.Skip("OpenIM alone, without a gateway, has no object store here")
	}
	g.Expect(where.Files).NotTo(BeEmpty(), "each stack with a gateway has an object store")
	alice, bob := install(t, named("greta"), iOS), install(t, named("hugo"), android)
	var tokenOfBob string
	for _, u := range []*device{alice, bob} {
		token := register(t, u.id, u.id, u.platform).token(t)
		u.login(t, token)
		if u == bob {
			tokenOfBob = token
		}
	}
	picture := noise(t)
	path := filepath.Join(t.TempDir(), "cat.png")
	g.Expect(os.WriteFile(path, picture, 0o600)).To(Succeed())

	mark := bob.mark()
	progress := &sending{}
	ctx := context.WithValue(alice.ctx(), "callback", progress) //nolint:revive,staticcheck // the SDK's own key
	message, err := alice.sdk.Conversation().CreateImageMessageFromFullPath(ctx, path)
	g.Expect(err).NotTo(HaveOccurred())
	_, err = alice.sdk.Conversation().SendMessage(ctx, message, bob.id, "", nil, false)
	g.Expect(err).NotTo(HaveOccurred())
	got := awaitThat(t, bob, mark, "OnRecvNewMessage", func(m sdk_struct.MsgStruct) bool {
		return m.SendID == alice.id && m.ContentType == contentPicture && m.PictureElem != nil
	})
	g.Expect(download(t, got.PictureElem.SourcePicture.Url, tokenOfBob)).To(Equal(picture))

	large := make([]byte, film)
	_, _ = rand.Read(large) // never fails
	path = filepath.Join(t.TempDir(), "film.mp4")
	g.Expect(os.WriteFile(path, large, 0o600)).To(Succeed())
	link, err := upload(alice.ctx(), alice.sdk.File().UploadFile, path)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(download(t, link, tokenOfBob)).To(Equal(large))

	if !where.HasGateway() {
		return // OpenIM alone serves files without a login
	}
	for _, token := range []string{"", "x"} {
		_, location, content := fetch(t, link, token)
		g.Expect(location).To(BeEmpty())
		g.Expect(string(content)).To(MatchRegexp(`"errCode":1[0-9]{3}`))
	}
	g.Expect(download(t, link, tokenOfBob)).To(HaveLen(film), "after the refusals")
}

// upload calls the SDK's UploadFile, whose types are of an internal package.
func upload[Request, Callback, Reply any](
	ctx context.Context, uploadFile func(context.Context, *Request, Callback) (*Reply, error), path string,
) (url string, err error) {
	request := new(Request)
	body, err := json.Marshal(map[string]string{"filepath": path, "name": filepath.Base(path), "contentType": "video/mp4", "cause": "test"})
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(body, request); err != nil {
		return "", err
	}
	var none Callback
	reply, err := uploadFile(ctx, request, none)
	if err != nil {
		return "", err
	}
	var told struct{ URL string }
	if body, err = json.Marshal(reply); err == nil {
		err = json.Unmarshal(body, &told)
	}
	return told.URL, err
}

// download gets a file by a message's link, as an app does: the answer leads to the object store, to which the session's token is not sent.
func download(t *testing.T, link, token string) []byte {
	t.Helper()
	g := NewWithT(t)
	_, location, content := fetch(t, link, token)
	g.Expect(location).NotTo(BeEmpty(), "%s answers %.300s", link, content)
	status, _, content := fetch(t, location, "")
	g.Expect(status).To(Equal(http.StatusOK), "%.300s", content)
	return content
}

func fetch(t *testing.T, address, token string) (status int, location string, content []byte) {
	t.Helper()
	g := NewWithT(t)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, http.NoBody)
	g.Expect(err).NotTo(HaveOccurred())
	if token != "" {
		request.Header.Set("token", token)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	reply, err := client.Do(request)
	g.Expect(err).NotTo(HaveOccurred())
	defer func() { _ = reply.Body.Close() }()
	content, err = io.ReadAll(io.LimitReader(reply.Body, 2*film))
	g.Expect(err).NotTo(HaveOccurred())
	return reply.StatusCode, reply.Header.Get("Location"), content
}

// noise returns a picture that no other run has: OpenIM does not upload again what it knows.
func noise(t *testing.T) []byte {
	t.Helper()
	pixels := image.NewRGBA(image.Rect(0, 0, 120, 80))
	_, _ = rand.Read(pixels.Pix) // never fails
	var out bytes.Buffer
	NewWithT(t).Expect(png.Encode(&out, pixels)).To(Succeed())
	return out.Bytes()
}

// sending is the callback without which the SDK cannot send a picture.
type sending struct{}

func (*sending) OnError(int32, string) {}
func (*sending) OnSuccess(string)      {}
func (*sending) OnProgress(int)        {}
