package user_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/plugintest"
	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/root"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// token has the form of a JWT. No output may hold it.
const token = "eyJhbGciOiJFUzI1NiJ9.cGF5bG9hZA.c2lnbmF0dXJl"

// admins is the administrators' listener of a gateway that issues codes.
type admins struct {
	*httptest.Server
	// got are the requests.
	got []internalapi.IssueCode
	// fail is what the listener answers from the nth call on; 0: never.
	from int
	fail wire.Failure
}

func newAdmins(t *testing.T) *admins {
	t.Helper()
	a := &admins{}
	a.Server = httptest.NewTLSServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.Close)
	return a
}

func (a *admins) serve(w http.ResponseWriter, r *http.Request) {
	sent, scheme, _ := wire.Bearer(r.Header)
	var request internalapi.IssueCode
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || r.URL.Path != wire.PathAdminIssueCode || sent != token {
		wire.WriteFailure(w, wire.Failure{Status: http.StatusUnauthorized, ErrCode: wire.CodeTokenInvalid, Text: fmt.Sprint("no: ", scheme)})
		return
	}
	a.got = append(a.got, request)
	if a.from > 0 && len(a.got) >= a.from {
		wire.WriteFailure(w, a.fail)
		return
	}
	data, _ := json.Marshal(internalapi.IssuedCode{Code: codeOf(request.UserID), Expires: time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local)})
	wire.WriteEnvelope(w, http.StatusOK, wire.Envelope{Data: data})
}

// codeOf returns a code in the form of real ones, the same for a user each time.
func codeOf(user string) string {
	id, secret := sha256.Sum256([]byte("id "+user)), sha256.Sum256([]byte("secret "+user))
	return "v1." + base64.RawURLEncoding.EncodeToString(id[:16]) + "." + base64.RawURLEncoding.EncodeToString(secret[:])
}

// invoke runs `user code` against the listener with a token from a file.
func (a *admins) invoke(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	dir := t.TempDir()
	ca, file := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "token")
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.Certificate().Raw})
	for path, content := range map[string][]byte{ca: certificate, file: []byte(token + "\n")} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if !strings.Contains(strings.Join(args, " "), "--token-") {
		args = append(args, "--token-file", file)
	}
	code, out, errs = plugintest.Invoke(t, root.Run, append([]string{"user", "code", "--gateway", a.URL, "--gateway-ca", ca}, args...)...)
	if strings.Contains(out+errs, token) {
		t.Errorf("%v prints the token", args)
	}
	return code, out, errs
}

func TestCodesAreIssuedAndPrinted(t *testing.T) {
	g := NewWithT(t)
	a := newAdmins(t)
	code, out, errs := a.invoke(t, "alice", "bob", "--lifetime", "90s", "--platform", "7")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(a.got).To(Equal([]internalapi.IssueCode{
		{UserID: "alice", Nickname: "alice", PlatformID: 7, LifetimeSeconds: 90},
		{UserID: "bob", Nickname: "bob", PlatformID: 7, LifetimeSeconds: 90},
	}))
	plugintest.Golden(t, "user.txt", out)

	code, out, _ = a.invoke(t, "alice", "-o", "code", "--nickname", "Alice")
	g.Expect(code).To(Equal(cli.ExitSealed))
	g.Expect(out).To(Equal(codeOf("alice") + "\n"))
	g.Expect(a.got[2]).To(Equal(internalapi.IssueCode{UserID: "alice", Nickname: "Alice"}), "the stack says how long")

	_, out, _ = a.invoke(t, "alice", "-o", "json")
	g.Expect(out).To(MatchJSON(fmt.Sprintf(`[{"userID":"alice","code":%q,"expires":%q}]`, codeOf("alice"),
		time.Date(2030, 1, 2, 3, 4, 5, 0, time.Local).Format(time.RFC3339))))
}

func TestTheTokenComesFromAProgram(t *testing.T) {
	g := NewWithT(t)
	a := newAdmins(t)
	program := filepath.Join(t.TempDir(), "login")
	g.Expect(os.WriteFile(program, []byte("#!/bin/sh\necho asking >&2\n[ \"$1\" = --bare ] && echo "+token+"\n"), 0o700)).To(Succeed())
	code, out, errs := a.invoke(t, "alice", "-o", "code", "--token-command", program+" --bare")
	g.Expect(code).To(Equal(cli.ExitSealed), errs)
	g.Expect(out).To(Equal(codeOf("alice") + "\n"))
	g.Expect(errs).To(ContainSubstring("asking"), "the program can say something")

	code, _, errs = a.invoke(t, "alice", "--token-command", program)
	g.Expect(code).To(Equal(cli.ExitUnknown))
	g.Expect(errs).To(ContainSubstring("--token-command: " + program + ": exit status 1"))
	g.Expect(a.got).To(HaveLen(1))
}

// Codes that were issued before the refusal can be used: they are printed.
func TestARefusalKeepsTheCodesBeforeIt(t *testing.T) {
	for name, c := range map[string]struct {
		fail wire.Failure
		want string
	}{
		"no role": {
			wire.Failure{Status: http.StatusForbidden, ErrCode: wire.CodeNoPermission, Text: "no role"}, "the token's roles do not permit it",
		},
		"expired":    {wire.Failure{Status: http.StatusUnauthorized, ErrCode: wire.CodeTokenExpired, Text: "old"}, "the token is not accepted"},
		"no backend": {wire.Unavailable, "HTTP 503"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			a := newAdmins(t)
			a.from, a.fail = 2, c.fail
			code, out, errs := a.invoke(t, "alice", "bob", "carol", "-o", "code")
			g.Expect(code).To(Equal(cli.ExitUnknown))
			g.Expect(out).To(Equal(codeOf("alice") + "\n"))
			g.Expect(errs).To(And(ContainSubstring("a code for user bob"), ContainSubstring(c.want)))
			g.Expect(a.got).To(HaveLen(2), "carol's was not asked for")
			a.from = 0
			code, out, _ = a.invoke(t, "bob", "carol", "-o", "code")
			g.Expect(code).To(Equal(cli.ExitSealed))
			g.Expect(out).To(Equal(codeOf("bob") + "\n" + codeOf("carol") + "\n"))
		})
	}
}

func TestWhatIsWrongIsSaidBeforeAnyCall(t *testing.T) {
	a := newAdmins(t)
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		NewWithT(t).Expect(os.WriteFile(path, []byte(content), 0o600)).To(Succeed())
		return path
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{}, "code takes 1 to 16 arguments (USER...)"},
		{[]string{"alice", "-o", "yaml"}, `--output: "yaml": write table, json or code`},
		{[]string{"alice", "--platform", "10"}, "--platform: 10: write 1 to 9"},
		{[]string{"alice", "--lifetime", "11m"}, "--lifetime: 11m0s: write 1s to 10m"},
		{[]string{"alice", "--lifetime", "500ms"}, "--lifetime: 500ms: write 1s to 10m"},
		{[]string{"alice", "bob", "--nickname", "A"}, "--nickname is for one USER"},
		{[]string{"alice", "alice"}, "user alice is named twice"},
		{[]string{"alice", "--token-file", write("empty", "\n")}, "it is empty"},
		{[]string{"alice", "--token-file", write("two", "a.b.c d.e.f")}, "it is no JWT"},
		{[]string{"alice", "--token-file", write("huge", strings.Repeat("a", 9000))}, "more than 8192 bytes"},
		{[]string{"alice", "--token-file", filepath.Join(dir, "absent")}, "no such file"},
		{[]string{"alice", "--token-file", "-"}, "the standard input: it is empty"},
		{[]string{"alice", "--token-command", " "}, "it names no program"},
		{[]string{"alice", "--stack", "chat"}, "none of the others can be"},
	} {
		g := NewWithT(t)
		code, out, errs := a.invoke(t, c.args...)
		g.Expect(code).To(Equal(cli.ExitUnknown))
		g.Expect(out).To(BeEmpty())
		g.Expect(errs).To(ContainSubstring(c.want))
	}
	NewWithT(t).Expect(a.got).To(BeEmpty())
}

func TestATokenNeedsASourceAndTLS(t *testing.T) {
	g := NewWithT(t)
	_, _, errs := plugintest.Invoke(t, root.Run, "user", "code", "alice", "--gateway", "https://im.example.com")
	g.Expect(errs).To(ContainSubstring("at least one of the flags in the group [token-file token-command] is required"))
	for _, address := range []string{
		"http://im.example.com", "im.example.com", "https://", "https://a:b@im.example.com", "https://im.example.com?x=1",
	} {
		_, _, errs := plugintest.Invoke(t, root.Run, "user", "code", "alice", "--gateway", address, "--token-command", "true")
		g.Expect(errs).To(ContainSubstring("--gateway: write an address such as https://"), address)
	}
}
