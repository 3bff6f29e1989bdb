package samples

import (
	"bufio"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	appKey, masterSecret = "app-key", "master-secret"
	project              = "stand-in-project"
	bearer               = "stand-in-token"
)

// notification is what a vendor was asked to show on devices.
type notification struct {
	// To are the aliases of GeTui and JPush, or the device tokens of FCM.
	To          []string
	Title, Body string
}

// vendors is a stand-in for the servers of FCM, GeTui and JPush. It answers what openim-push requests and nothing else, checks the
// credentials as the vendors document them, and shows no notification on any device.
type vendors struct {
	// URL of the server, https.
	URL string
	// CA is the path of the authority that signs the server's certificate, and Proxy the URL of an HTTP proxy that connects Google's hosts
	// with the server.
	CA, Proxy string
	// Account is the file of a service account that the stand-in knows.
	Account string
	// Away makes the server answer 503.
	Away atomic.Bool

	missed atomic.Int32 // requests while it was away

	key    *rsa.PrivateKey
	mu     sync.Mutex
	shown  []notification
	errors []string
	tasks  map[string]notification
}

func newVendors(t *testing.T) *vendors {
	t.Helper()
	v := &vendors{tasks: map[string]notification{}}
	server := httptest.NewUnstartedServer(v)
	v.CA = serveTLS(t, server)
	v.URL = server.URL
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.connect(w, r, server.Listener.Addr().String())
	}))
	t.Cleanup(proxy.Close)
	v.Proxy = proxy.URL

	var err error
	if v.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	account, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": project, "client_email": "push@" + project + ".iam.gserviceaccount.com",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(v.key)})),
		"token_uri":   "https://oauth2.googleapis.com/token",
	})
	if err != nil {
		t.Fatal(err)
	}
	v.Account = string(account)
	return v
}

// serveTLS starts a server under the names by which OpenIM calls it, and returns the path of the authority of its certificate.
func serveTLS(t *testing.T, server *httptest.Server) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "stand-in on loopback"}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"fcm.googleapis.com", "oauth2.googleapis.com"},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		t.Fatal(err)
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	server.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	server.StartTLS()
	t.Cleanup(server.Close)
	return ca
}

// connect answers CONNECT for Google's two hosts with a connection to the server.
func (v *vendors) connect(w http.ResponseWriter, r *http.Request, server string) {
	if r.Method != http.MethodConnect || r.Host != "fcm.googleapis.com:443" && r.Host != "oauth2.googleapis.com:443" {
		v.refuse(w, "the proxy was asked for "+r.Method+" "+r.Host)
		return
	}
	there, err := net.Dial("tcp", server)
	if err != nil {
		v.refuse(w, err.Error())
		return
	}
	here, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		v.refuse(w, err.Error())
		return
	}
	_, _ = here.Write([]byte("HTTP/1.1 200 Connection established\r\n\r\n"))
	go splice(there, buffered.Reader)
	go func() { _, _ = io.Copy(here, there); _ = here.Close() }()
}

func splice(to net.Conn, from *bufio.Reader) {
	_, _ = io.Copy(to, from)
	_ = to.Close()
}

func (v *vendors) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if v.Away.Load() {
		v.missed.Add(1)
		http.Error(w, "{}", http.StatusServiceUnavailable)
		return
	}
	switch r.Method + " " + r.Host + r.URL.Path {
	case "POST oauth2.googleapis.com/token":
		v.googleToken(w, r)
	case "POST fcm.googleapis.com/v1/projects/" + project + "/messages:send":
		v.fcm(w, r)
	case "POST " + strings.TrimPrefix(v.URL, "https://") + "/v3/push":
		v.jpush(w, r)
	default:
		if path, ok := strings.CutPrefix(r.URL.Path, "/v2/app/"); ok && r.Method == http.MethodPost {
			v.getui(w, r, path)
			return
		}
		v.refuse(w, "no vendor has "+r.Method+" "+r.Host+r.URL.Path)
	}
}

// googleToken verifies the signature of a service account (RFC 7523) and issues a token.
func (v *vendors) googleToken(w http.ResponseWriter, r *http.Request) {
	header, rest, _ := strings.Cut(r.PostFormValue("assertion"), ".")
	claims, signature, _ := strings.Cut(rest, ".")
	sum := sha256.Sum256([]byte(header + "." + claims))
	raw, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || rsa.VerifyPKCS1v15(&v.key.PublicKey, crypto.SHA256, sum[:], raw) != nil {
		v.refuse(w, "an assertion that the service account did not sign")
		return
	}
	var claim struct{ Iss, Aud, Scope string }
	text, err := base64.RawURLEncoding.DecodeString(claims)
	if err != nil || json.Unmarshal(text, &claim) != nil || claim.Aud != "https://oauth2.googleapis.com/token" ||
		!strings.Contains(claim.Scope, "firebase.messaging") && !strings.Contains(claim.Scope, "cloud-platform") {
		v.refuse(w, "an assertion for something else: "+string(text))
		return
	}
	answer(w, map[string]any{"access_token": bearer, "token_type": "Bearer", "expires_in": 3600})
}

func (v *vendors) fcm(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Message struct {
			Token        string
			Notification struct{ Title, Body string }
		}
	}
	if r.Header.Get("Authorization") != "Bearer "+bearer || !v.decode(w, r, &body) {
		v.refuse(w, "FCM: a message without the token")
		return
	}
	m := body.Message
	v.show(notification{[]string{m.Token}, m.Notification.Title, m.Notification.Body})
	answer(w, map[string]any{"name": "projects/" + project + "/messages/1"})
}

func (v *vendors) jpush(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Audience     struct{ Alias []string }
		Notification struct {
			Alert   string
			Android struct{ Title string }
		}
		Options struct {
			APNSProduction bool `json:"apns_production"`
		}
	}
	user, password, _ := r.BasicAuth()
	if user != appKey || password != masterSecret || !v.decode(w, r, &body) || body.Options.APNSProduction {
		v.refuse(w, "JPush: a push with other keys, or for Apple's production environment")
		return
	}
	v.show(notification{body.Audience.Alias, body.Notification.Android.Title, body.Notification.Alert})
	answer(w, map[string]any{"sendno": "0", "msg_id": "1"})
}

// getui answers the calls for a token, for one user, and for several: a task, and the users whom it is for.
func (v *vendors) getui(w http.ResponseWriter, r *http.Request, path string) {
	var body struct {
		Sign, Timestamp, AppKey, TaskID string
		Audience                        struct{ Alias []string }
		Message                         struct {
			Notification struct{ Title, Body, ChannelName string }
		} `json:"push_message"`
	}
	if !v.decode(w, r, &body) {
		return
	}
	n := notification{body.Audience.Alias, body.Message.Notification.Title, body.Message.Notification.Body}
	data := map[string]any{}
	sum := sha256.Sum256([]byte(appKey + body.Timestamp + masterSecret))
	switch {
	case path == "auth" && body.AppKey == appKey && body.Sign == hex.EncodeToString(sum[:]):
		data = map[string]any{"expire_time": "1999999999999", "token": bearer}
	case r.Header.Get("Token") != bearer:
		v.refuse(w, "GeTui: "+path+" without the token, or with a wrong signature")
		return
	case path == "push/single/alias":
		v.show(n)
	case path == "push/list/message":
		v.mu.Lock()
		v.tasks["task"] = n
		v.mu.Unlock()
		data = map[string]any{"taskid": "task"}
	case path == "push/list/alias":
		v.mu.Lock()
		task := v.tasks[body.TaskID]
		v.mu.Unlock()
		v.show(notification{n.To, task.Title, task.Body})
	default:
		v.refuse(w, "GeTui has no "+path)
		return
	}
	answer(w, map[string]any{"code": 0, "msg": "", "data": data})
}

func (v *vendors) decode(w http.ResponseWriter, r *http.Request, into any) bool {
	const most = 1 << 20
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, most)).Decode(into); err != nil {
		v.refuse(w, "a body that is no JSON: "+err.Error())
		return false
	}
	return true
}

func (v *vendors) show(n notification) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.shown = append(v.shown, n)
}

// refuse answers 400, and remembers why for the test.
func (v *vendors) refuse(w http.ResponseWriter, why string) {
	v.mu.Lock()
	v.errors = append(v.errors, why)
	v.mu.Unlock()
	http.Error(w, "{}", http.StatusBadRequest)
}

// to returns the notifications for a receiver with a body.
func (v *vendors) to(receiver, body string) (found []notification) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, n := range v.shown {
		if slices.Contains(n.To, receiver) && cmp.Or(body, n.Body) == n.Body {
			found = append(found, n)
		}
	}
	return found
}

// refused returns why requests were refused.
func (v *vendors) refused() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.errors)
}

func answer(w http.ResponseWriter, body map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body)
}
