package backend

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// What OpenIM's client of COS answered to the call that begins an upload, of 1000 bytes and of 3 MiB, and to one that asks for the
// signatures of parts: recorded of github.com/openimsdk/tools v0.0.50-alpha.113, s3/cont with s3/cos, and written as openim-rpc-third
// writes it.
const (
	cosURL        = "https://chat-1250000000.cos.ap-chengdu.myqcloud.com/openim%2Fdata%2Fhash%2F0cc175b9c0f1b6a831c399e269772661"
	cosSignature  = "9634657307d412afa830ef8b1a6ed964daf50fc4"
	cosSignedAuth = `q-sign-algorithm=sha1&q-ak=AKIDexample&q-sign-time=1796204725;1796291125&q-key-time=1796204725;1796291125` +
		`&q-header-list=host&q-url-param-list=&q-signature=` + cosSignature
	cosOneTicket = `{"a":2,"c":"openim/temp/2026/12/02/09/45/25/0cc175b9c0f1b6a831c399e269772661_1000_60ea0526a7434c25b802b89456d77e96` +
		`.presigned","d":1000,"e":"0cc175b9c0f1b6a831c399e269772661"}`
	cosManyTicket = `{"a":1,"b":"1585130821cbb7df1d11846c073ad648e8f33b087cec2381df437acdc833cf654b9ecc6361e",` +
		`"c":"openim/data/hash/0cc175b9c0f1b6a831c399e269772661","d":3145728,"e":"0cc175b9c0f1b6a831c399e269772661"}`
	cosOneSigned = `"sign":{"url":"","query":[],"header":[],"parts":[{"partNumber":1,"url":` +
		`"https://chat-1250000000.cos.ap-chengdu.myqcloud.com/openim%2Ftemp%2F2026?q-signature=3568a3aee96c5a4cfec652ae71ad70f50c43c488",` +
		`"query":[],"header":[]}]}`
	cosManySigned = `"url":"` + cosURL + `","query":[{"key":"uploadId","values":["1585130821cbb7df1d11846c073ad648e8f33b087cec2381df437"]}],` +
		`"header":[{"key":"Authorization","values":["` + cosSignedAuth + `"]}],"parts":[{"partNumber":1,"url":"","query":[{"key":"partNumber",` +
		`"values":["1"]}],"header":[]}]`
)

// cos answers as OpenIM does with COS.
func cos(r openimclient.Request, _ string) (wire.Envelope, error) {
	switch r.Path {
	case "/object/initiate_multipart_upload":
		var asked struct{ Size int64 }
		_ = json.Unmarshal(r.Body, &asked)
		ticket, signed := cosOneTicket, cosOneSigned
		if asked.Size > 1<<20 {
			ticket, signed = cosManyTicket, `"sign":{`+cosManySigned+`}`
		}
		return wire.Envelope{Data: json.RawMessage(`{"url":"","upload":{"uploadID":"` + base64.StdEncoding.EncodeToString([]byte(ticket)) +
			`","partSize":1048576,"expireTime":1,` + signed + `}}`)}, nil
	case "/object/auth_sign":
		return wire.Envelope{Data: json.RawMessage(`{` + cosManySigned + `}`)}, nil
	}
	return wire.Envelope{Data: json.RawMessage(`{}`)}, nil
}

// TestPartsThatAreSignedWithoutTheirQueryAreNotHandedOut: with the header of a part a client of COS could write any content to the object,
// which all users with the same file share. No call gives such a signature, also not for a ticket from before. Uploads in one part go on.
func TestPartsThatAreSignedWithoutTheirQueryAreNotHandedOut(t *testing.T) {
	const small, large = `{"name":"alice/a.txt","hash":"0cc175b9c0f1b6a831c399e269772661","size":1000,"maxParts":1}`,
		`{"name":"alice/a.mp4","hash":"0cc175b9c0f1b6a831c399e269772661","size":3145728,"maxParts":3}`
	g := NewWithT(t)
	openim, tickets := &openIMAsUser{answer: cos}, UploadTickets(oneKey("k"), time.Now)
	h, log := usersHandler(openim, routes.LastRelease, func(o *UsersOptions) { o.Tickets, o.OnePart = tickets, true })
	call := func(path, body string) (int, string) {
		w := serveOne(h, userRequest(t, http.MethodPost, path, body))
		return w.Code, w.Body.String()
	}
	earlier, err := tickets.Seal(routes.TicketUpload, "alice", base64.StdEncoding.EncodeToString([]byte(cosManyTicket)))
	g.Expect(err).NotTo(HaveOccurred())
	parts := `"parts":["0cc175b9c0f1b6a831c399e269772661"]`
	for range 2 {
		for _, refused := range []struct {
			path, body string
			asks       bool // OpenIM is asked, which alone knows how many parts a file has
		}{
			{"/object/initiate_multipart_upload", large, true},
			{"/object/auth_sign", `{"uploadID":"` + earlier + `","partNumbers":[1]}`, false},
			{"/object/complete_multipart_upload", `{"uploadID":"` + earlier + `","name":"alice/a.mp4",` + parts + `}`, false},
		} {
			before := len(openim.seen)
			status, text := call(refused.path, refused.body)
			g.Expect(status).To(Equal(403), "%s: %s", refused.path, text)
			g.Expect(text).To(And(ContainSubstring("initiate_form_data"), ContainSubstring(`"errCode":1002`)), refused.path)
			g.Expect(text).NotTo(Or(ContainSubstring(cosSignature), ContainSubstring("q-sign-algorithm"), ContainSubstring("uploadId")),
				refused.path)
			g.Expect(len(openim.seen) > before).To(Equal(refused.asks), refused.path)
		}
		// A file of one part, from its begin to its end.
		status, text := call("/object/initiate_multipart_upload", small)
		g.Expect(status).To(Equal(200), text)
		var reply struct {
			Data struct {
				Upload struct {
					UploadID string
					Sign     struct{ Parts []struct{ URL string } }
				}
			}
		}
		g.Expect(json.Unmarshal([]byte(text), &reply)).To(Succeed())
		g.Expect(reply.Data.Upload.Sign.Parts).To(HaveLen(1))
		g.Expect(reply.Data.Upload.Sign.Parts[0].URL).To(ContainSubstring("3568a3aee96c5a4cfec652ae71ad70f50c43c488"))
		status, text = call("/object/complete_multipart_upload",
			`{"uploadID":"`+reply.Data.Upload.UploadID+`","name":"alice/a.txt",`+parts+`}`)
		g.Expect(status).To(Equal(200), text)
	}
	g.Expect(log.String()).NotTo(ContainSubstring(cosSignature))

	// Another store's parts are signed with their query: there nothing is refused.
	h, _ = usersHandler(openim, routes.LastRelease, func(o *UsersOptions) { o.Tickets = tickets })
	status, text := call("/object/initiate_multipart_upload", large)
	g.Expect(status).To(Equal(200), text)
	status, text = call("/object/auth_sign", `{"uploadID":"`+earlier+`","partNumbers":[1]}`)
	g.Expect(status).To(Equal(200), text)
	g.Expect(text).To(ContainSubstring(cosSignature), "the form of the reply that is refused above is known")
}
