package backend

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/tokenvault"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// custody is a custody key file in memory. No keys: it cannot be read.
type custody []string

func (c *custody) Get() (tokenvault.Keys, error) {
	var all tokenvault.Keys
	for _, k := range *c {
		all = append(all, []byte(k))
	}
	if all == nil {
		return nil, errors.New("the file is missing")
	}
	return all, nil
}

func oneKey(letter string) *custody { return &custody{strings.Repeat(letter, 32)} }

const initiate = `{"name":"alice/a.txt","hash":"0cc175b9c0f1b6a831c399e269772661","size":1,"partSize":5242880,"maxParts":1,` +
	`"contentType":"text/plain"}`

// begun is OpenIM's reply to the call that begins an upload.
func begun(ticket string) func(openimclient.Request, string) (wire.Envelope, error) {
	return func(r openimclient.Request, _ string) (wire.Envelope, error) {
		switch r.Path {
		case "/object/initiate_multipart_upload":
			return wire.Envelope{Data: json.RawMessage(`{"url":"","upload":{"uploadID":"` + ticket + `","partSize":1}}`)}, nil
		case "/object/initiate_form_data":
			return wire.Envelope{Data: json.RawMessage(`{"id":"` + own.Form() + `","url":"https://s3.example.com"}`)}, nil
		}
		return wire.Envelope{}, nil
	}
}

// TestATicketIsItsUsersAlone begins uploads of alice's through the handler, and presents at every route that takes a ticket alice's own,
// and other texts.
func TestATicketIsItsUsersAlone(t *testing.T) {
	g := NewWithT(t)
	openim, keys := &openIMAsUser{answer: begun(own.Upload())}, oneKey("k")
	tickets := UploadTickets(keys, time.Now)
	h, log := usersHandler(openim, routes.LastRelease, func(o *UsersOptions) { o.Tickets = tickets })
	call := func(path, body string) (int, string) {
		w := serveOne(h, userRequest(t, http.MethodPost, path, body))
		return w.Code, w.Body.String()
	}
	begin := func() string {
		status, text := call("/object/initiate_multipart_upload", initiate)
		g.Expect(status).To(Equal(200), text)
		var reply struct {
			Data struct{ Upload struct{ UploadID string } }
		}
		g.Expect(json.Unmarshal([]byte(text), &reply)).To(Succeed())
		g.Expect(text).NotTo(ContainSubstring(own.Upload()), "OpenIM's ticket stays here")
		return reply.Data.Upload.UploadID
	}
	ticket := begin()
	sealed := func(kind routes.Ticket, user, ticket string, from *custody) string {
		text, err := UploadTickets(from, time.Now).Seal(kind, user, ticket)
		g.Expect(err).NotTo(HaveOccurred())
		return text
	}
	raw, err := base64.RawURLEncoding.DecodeString(ticket)
	g.Expect(err).NotTo(HaveOccurred())
	version := append([]byte{raw[0] + 1}, raw[1:]...)
	forged := base64.StdEncoding.EncodeToString([]byte(
		`{"a":1,"b":"x&acl","c":"openim/data/hash/0cc175b9c0f1b6a831c399e269772661","d":1,"e":"0cc175b9c0f1b6a831c399e269772661"}`))
	for name, bad := range map[string]string{
		"OpenIM's own":                own.Upload(),
		"bob's genuine":               sealed(routes.TicketUpload, "bob", own.Upload(), keys),
		"of one whose name begins so": sealed(routes.TicketUpload, "alice2", own.Upload(), keys),
		"of a form":                   sealed(routes.TicketForm, "alice", own.Upload(), keys),
		"under another key":           sealed(routes.TicketUpload, "alice", own.Upload(), oneKey("z")),
		"sealed twice":                sealed(routes.TicketUpload, "alice", ticket, keys),
		"another store request":       sealed(routes.TicketUpload, "alice", forged, keys),
		"cut short":                   ticket[:len(ticket)-4],
		"the first half":              ticket[:len(ticket)/2],
		"another version":             base64.RawURLEncoding.EncodeToString(version),
		"with a line break":           ticket + `\n`,
		"no base64":                   "!" + ticket,
		"huge":                        strings.Repeat("A", 5000),
		"empty":                       "",
	} {
		for path, body := range map[string]string{
			"/object/auth_sign":                 `{"uploadID":"` + bad + `","partNumbers":[1]}`,
			"/object/complete_multipart_upload": `{"uploadID":"` + bad + `","name":"alice/b.txt","parts":["0cc175b9c0f1b6a831c399e269772661"]}`,
		} {
			before := len(openim.seen)
			status, text := call(path, body)
			g.Expect(status).To(BeElementOf(400, 403), "%s at %s: %s", name, path, text)
			g.Expect(openim.seen).To(HaveLen(before), "%s at %s", name, path)
			g.Expect(text).To(ContainSubstring("uploadID"), name)
		}
	}
	status, text := call("/object/auth_sign", `{"uploadID":"`+own.Upload()+`","partNumbers":[1]}`)
	g.Expect(status).To(Equal(403))
	g.Expect(text).To(ContainSubstring("begin the upload again"))

	// Alice's first ticket and a new one still work, more than once, and OpenIM receives its own.
	for _, good := range []string{ticket, ticket, begin()} {
		status, text = call("/object/auth_sign", `{"uploadID":"`+good+`","partNumbers":[1]}`)
		g.Expect(status).To(Equal(200), text)
		g.Expect(string(openim.seen[len(openim.seen)-1].Body)).To(ContainSubstring(own.Upload()))
	}
	// While the key cannot be read nothing is decided; afterwards the ticket holds, also under an older key of the file.
	*keys = nil
	status, _ = call("/object/auth_sign", `{"uploadID":"`+ticket+`","partNumbers":[1]}`)
	g.Expect(status).To(Equal(503))
	status, _ = call("/object/initiate_multipart_upload", initiate)
	g.Expect(status).To(Equal(503))
	*keys = custody{strings.Repeat("n", 32), strings.Repeat("k", 32)}
	status, text = call("/object/auth_sign", `{"uploadID":"`+ticket+`","partNumbers":[1]}`)
	g.Expect(status).To(Equal(200), text)
	g.Expect(log.String()).NotTo(ContainSubstring(ticket))

	// A form's ticket is sealed too.
	_, text = call("/object/initiate_form_data", `{"name":"alice/a.txt","size":1,"contentType":"text/plain"}`)
	var form struct{ Data struct{ ID string } }
	g.Expect(json.Unmarshal([]byte(text), &form)).To(Succeed())
	status, _ = call("/object/complete_form_data", `{"id":"`+own.Form()+`"}`)
	g.Expect(status).To(Equal(403))
	status, text = call("/object/complete_form_data", `{"id":"`+form.Data.ID+`"}`)
	g.Expect(status).To(Equal(200), text)
	g.Expect(string(openim.seen[len(openim.seen)-1].Body)).To(ContainSubstring(own.Form()))
}

// TestATicketThatOpenIMWouldNotWriteIsNotHandedOut: it would be refused when it came back.
func TestATicketThatOpenIMWouldNotWriteIsNotHandedOut(t *testing.T) {
	g := NewWithT(t)
	h, _ := usersHandler(&openIMAsUser{answer: begun("eyJ4IjoxfQ==")}, routes.LastRelease, func(o *UsersOptions) {
		o.Tickets = UploadTickets(oneKey("k"), time.Now)
	})
	g.Expect(serveOne(h, userRequest(t, http.MethodPost, "/object/initiate_multipart_upload", initiate)).Code).To(Equal(502))
	h, _ = usersHandler(&openIMAsUser{answer: begun(own.Upload())}, routes.LastRelease, func(o *UsersOptions) { o.Tickets = nil })
	g.Expect(serveOne(h, userRequest(t, http.MethodPost, "/object/initiate_multipart_upload", initiate)).Code).To(Equal(503), "fails closed")
	signed := `{"uploadID":"` + own.Upload() + `","partNumbers":[1]}`
	g.Expect(serveOne(h, userRequest(t, http.MethodPost, "/object/auth_sign", signed)).Code).To(Equal(503), "fails closed")
}
