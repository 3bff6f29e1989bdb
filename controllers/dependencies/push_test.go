package dependencies_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
)

// serviceAccount returns the file of a service account, with other members.
func serviceAccount(t *testing.T, members map[string]any) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	file := map[string]any{
		"type": "service_account", "project_id": "our-project", "client_email": "push@our-project.iam.gserviceaccount.com",
		"private_key": pemOf("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(key)), "token_uri": "https://oauth2.googleapis.com/token",
		"universe_domain": "googleapis.com",
	}
	maps.Copy(file, members)
	text, err := json.Marshal(file)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	return string(text)
}

func pemOf(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

var vendorBlock = []v1alpha1.Peer{{IPBlock: &v1alpha1.IPBlock{CIDR: "192.0.2.0/24"}}}

func byFCM(s *spec) {
	s.Push = &v1alpha1.Push{FCM: &v1alpha1.FCM{CredentialsRef: v1alpha1.KeyReference{Name: "fcm", Key: "account.json"}}, Peers: vendorBlock}
}

func byJPush(s *spec) {
	s.Push = &v1alpha1.Push{JPush: &v1alpha1.JPush{CredentialsRef: v1alpha1.LocalReference{Name: "jpush"}}, Peers: vendorBlock}
}

func byGeTui(s *spec) {
	s.Push = &v1alpha1.Push{Peers: vendorBlock, GeTui: &v1alpha1.GeTui{
		URL: "https://restapi.getui.com/v2/app", CredentialsRef: v1alpha1.LocalReference{Name: "getui"},
	}}
}

var vendorKeys = map[string]string{"appKey": "a", "masterSecret": "m"}

func secretsOfVendors(t *testing.T) []client.Object {
	return objectsInCluster(secret("fcm", map[string]string{"account.json": serviceAccount(t, nil)}), secret("jpush", vendorKeys),
		secret("getui", vendorKeys))
}

func TestEachVendorHasItsCredentialsAndItsPlace(t *testing.T) {
	for name, c := range map[string]struct {
		change    func(*spec)
		env       []string
		file      bool
		addresses []string
	}{
		"fcm": {byFCM, nil, true, []string{"fcm.googleapis.com:443", "oauth2.googleapis.com:443"}},
		"getui": {byGeTui, []string{"IMENV_OPENIM_PUSH_GETUI_APPKEY", "IMENV_OPENIM_PUSH_GETUI_MASTERSECRET"}, false,
			[]string{"restapi.getui.com:443"}},
		"jpush": {byJPush, []string{"IMENV_OPENIM_PUSH_JPUSH_APPKEY", "IMENV_OPENIM_PUSH_JPUSH_MASTERSECRET"}, false,
			[]string{"api.jpush.cn:443"}},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			facts, problems := resolve(t, stack(c.change), secretsOfVendors(t)...)
			g.Expect(problems).To(BeEmpty())
			var env, addresses []string
			for _, v := range facts.Push.Credentials {
				g.Expect(v.Value).To(BeEmpty(), "values stay in the Secret")
				g.Expect(v.ValueFrom.SecretKeyRef.Name).To(Equal(name))
				env = append(env, v.Name)
			}
			g.Expect(env).To(Equal(c.env))
			if c.file {
				g.Expect(facts.Push.File).To(Equal(selector("fcm", "account.json")))
			} else {
				g.Expect(facts.Push.File).To(BeNil())
			}
			g.Expect(facts.Push.Hash).To(HaveLen(16))
			for _, at := range facts.Locations {
				if at.Party == openim.PartyPush {
					for _, a := range at.Addresses {
						g.Expect(a.Resolved).To(BeTrue(), a.Text)
						addresses = append(addresses, a.Text)
					}
				}
			}
			g.Expect(addresses).To(Equal(c.addresses))
			g.Expect(facts.Push.Endpoints).To(Equal([]openim.Endpoint{{
				Port: 443, Peers: []networkingv1.NetworkPolicyPeer{{IPBlock: &networkingv1.IPBlock{CIDR: "192.0.2.0/24"}}},
			}}))
			g.Expect(facts.ForTemplates().Push.Endpoints).To(BeNil(), "a place restarts no pod")
			g.Expect(facts.ForTemplates().Push.Hash).To(Equal(facts.Push.Hash))
		})
	}
	facts, problems := resolve(t, stack(), objectsInCluster()...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(facts.Push).To(BeZero())
}

// The vendor's place is what its URL names, or what the spec names.
func TestTheVendorsPlace(t *testing.T) {
	extra := func(component v1alpha1.ComponentName) func(*spec) {
		return func(s *spec) {
			s.Network = &v1alpha1.Network{ExtraEgress: []v1alpha1.ExtraEgress{{
				Name: "vendor", Components: []v1alpha1.ComponentName{component}, Peers: vendorBlock, Ports: []v1alpha1.EgressPort{{Port: 443}},
			}}}
		}
	}
	withURL := func(url v1alpha1.PushURL, change ...func(*v1alpha1.Push)) func(*spec) {
		return func(s *spec) {
			byGeTui(s)
			s.Push.GeTui.URL, s.Push.Peers = url, nil
			for _, c := range change {
				c(s.Push)
			}
		}
	}
	for _, c := range []struct {
		name    string
		changes []func(*spec)
		ports   []int32
		refused bool
	}{
		{"no peers", []func(*spec){withURL("https://restapi.getui.com/v2/app")}, nil, true},
		{"an egress of push", []func(*spec){withURL("https://restapi.getui.com/v2/app"), extra("push")}, nil, false},
		{"an egress of another component", []func(*spec){withURL("https://restapi.getui.com/v2/app"), extra("rpc-msg")}, nil, true},
		{"an address", []func(*spec){withURL("https://192.0.2.9:8443/v2/app")}, []int32{8443}, false},
		{"an address of IPv6", []func(*spec){withURL("https://[2001:db8::9]/v2/app")}, []int32{443}, false},
		{"a Service", []func(*spec){withURL("https://proxy.infra.svc/v2/app")}, []int32{8443}, false},
		{"the pods of a proxy behind the vendor's name", []func(*spec){withURL("https://restapi.getui.com/v2/app", func(p *v1alpha1.Push) {
			p.Peers, p.PeerPort = vendorBlock, ptr.To[int32](9443)
		})}, []int32{9443}, false},
		{"a port that does not exist", []func(*spec){withURL("https://restapi.getui.com:70000/v2/app", func(p *v1alpha1.Push) {
			p.Peers = vendorBlock
		})}, nil, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			objects := append(secretsOfVendors(t), service("proxy", 443, intstr.FromInt32(8443)))
			facts, problems := resolve(t, stack(c.changes...), objects...)
			g.Expect(problems).To(HaveLen(map[bool]int{true: 1}[c.refused]))
			g.Expect(portsOf(facts.Push.Endpoints)).To(Equal(c.ports))
			for _, p := range problems {
				g.Expect(p.Components).To(Equal([]string{"push"}), "the others are built")
			}
		})
	}
}

func TestProblemsOfPushNameTheFieldAndTheRemedy(t *testing.T) {
	file := func(members map[string]any) func(*testing.T) client.Object {
		return func(t *testing.T) client.Object {
			return secret("fcm", map[string]string{"account.json": serviceAccount(t, members)})
		}
	}
	content := func(text string) func(*testing.T) client.Object {
		return func(*testing.T) client.Object { return secret("fcm", map[string]string{"account.json": text}) }
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	der, err := x509.MarshalPKCS8PrivateKey(ec)
	NewWithT(t).Expect(err).NotTo(HaveOccurred())
	const field = "spec.push.fcm.credentialsRef: "
	for _, c := range []struct {
		name    string
		change  func(*spec)
		object  func(*testing.T) client.Object
		reason  string
		stalled bool
		says    []string
	}{
		{"no peers for FCM", func(s *spec) { byFCM(s); s.Push.Peers = nil }, nil, v1alpha1.ReasonPeersNeeded, true,
			[]string{`spec.push.peers: a NetworkPolicy cannot name the host "fcm.googleapis.com"`, "push.peers", "network.extraEgress that names push"}},
		{"no such Secret", func(s *spec) { byFCM(s); s.Push.FCM.CredentialsRef.Name = "gone" }, nil, v1alpha1.ReasonSecretNotFound, false,
			[]string{field, `"gone"`, "create it"}},
		{"no such key", func(s *spec) { byFCM(s); s.Push.FCM.CredentialsRef.Key = "other" }, nil, v1alpha1.ReasonSecretKeyNotFound, false,
			[]string{field, `no key "other"`, "add it"}},
		{"an empty file", byFCM, content(""), v1alpha1.ReasonSecretKeyNotFound, false, []string{field, "is empty"}},
		{"no JSON", byFCM, content("s3cr@t"), v1alpha1.ReasonSecretInvalid, true, []string{field, "not JSON", "create a new key"}},
		{"null", byFCM, content("null"), v1alpha1.ReasonSecretInvalid, true, []string{`member "type"`}},
		{"a list", byFCM, content(`["s3cr@t"]`), v1alpha1.ReasonSecretInvalid, true, []string{"not JSON"}},
		{"JSON and more", byFCM, content(`{} s3cr@t`), v1alpha1.ReasonSecretInvalid, true, []string{"not JSON"}},
		{"a huge file", byFCM, content(`"` + strings.Repeat("s3cr@t", 20000) + `"`), v1alpha1.ReasonSecretInvalid, true,
			[]string{"more than 65536 bytes"}},
		{"credentials of a person", byFCM, file(map[string]any{"type": "authorized_user"}), v1alpha1.ReasonSecretInvalid, true,
			[]string{`"type" is not service_account`}},
		{"a program that is run", byFCM, file(map[string]any{"type": "external_account"}), v1alpha1.ReasonSecretInvalid, true,
			[]string{`"type" is not service_account`}},
		{"a number for the project", byFCM, file(map[string]any{"project_id": 7}), v1alpha1.ReasonSecretInvalid, true, []string{"not JSON with"}},
		{"no project", byFCM, file(map[string]any{"project_id": ""}), v1alpha1.ReasonSecretInvalid, true, []string{`"project_id" is missing`}},
		{"nobody's", byFCM, file(map[string]any{"client_email": nil}), v1alpha1.ReasonSecretInvalid, true, []string{`"client_email" is missing`}},
		{"no key", byFCM, file(map[string]any{"private_key": "s3cr@t"}), v1alpha1.ReasonSecretInvalid, true, []string{`"private_key"`, "RSA key"}},
		{"a key of another kind", byFCM, file(map[string]any{"private_key": pemOf("PRIVATE KEY", der)}), v1alpha1.ReasonSecretInvalid, true,
			[]string{`"private_key"`, "RSA key"}},
		{"half a key", byFCM, file(map[string]any{"private_key": pemOf("PRIVATE KEY", der[:20])}), v1alpha1.ReasonSecretInvalid, true,
			[]string{`"private_key"`}},
		{"tokens without encryption", byFCM, file(map[string]any{"token_uri": "http://s3cr@t.example.com"}), v1alpha1.ReasonSecretInvalid, true,
			[]string{`"token_uri"`, "write https://oauth2.googleapis.com/token"}},
		{"tokens of a store of the cluster", byFCM, file(map[string]any{"token_uri": "https://redis.infra.svc:6379/s3cr@t"}),
			v1alpha1.ReasonSecretInvalid, true, []string{`"token_uri"`, "not Google's"}},
		{"tokens of somebody else", byFCM, file(map[string]any{"token_uri": "https://oauth2.googleapis.com.example.com/token"}),
			v1alpha1.ReasonSecretInvalid, true, []string{`"token_uri"`, "not Google's"}},
		{"tokens at another port", byFCM, file(map[string]any{"token_uri": "https://oauth2.googleapis.com:8443/token"}),
			v1alpha1.ReasonSecretInvalid, true, []string{`"token_uri"`, "not Google's"}},
		{"tokens by another spelling of the member", byFCM, file(map[string]any{"token_uri": nil, "Token_URI": "https://192.0.2.1/token"}),
			v1alpha1.ReasonSecretInvalid, true, []string{`"token_uri"`, "not Google's"}},
		{"no masterSecret", byJPush, func(*testing.T) client.Object { return secret("jpush", map[string]string{"appKey": "s3cr@t"}) },
			v1alpha1.ReasonSecretKeyNotFound, false, []string{"spec.push.jpush.credentialsRef", `no key "masterSecret"`}},
		{"an empty appKey", byGeTui, func(*testing.T) client.Object {
			return secret("getui", map[string]string{"appKey": "", "masterSecret": "s3cr@t"})
		}, v1alpha1.ReasonSecretKeyNotFound, false, []string{"spec.push.getui.credentialsRef", `key "appKey"`, "empty"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			objects := secretsOfVendors(t)
			if c.object != nil {
				replacement := c.object(t)
				for i := range objects {
					if objects[i].GetName() == replacement.GetName() && objects[i].GetNamespace() == replacement.GetNamespace() {
						objects[i] = replacement
					}
				}
			}
			facts, problems := resolve(t, stack(c.change), objects...)
			g.Expect(problems).NotTo(BeEmpty())
			first := problems[0]
			g.Expect(first.Reason).To(Equal(c.reason))
			g.Expect(first.Stalled).To(Equal(c.stalled))
			g.Expect(first.Components).To(Equal([]string{"push"}))
			for _, text := range c.says {
				g.Expect(first.String()).To(ContainSubstring(text))
			}
			for _, p := range problems {
				g.Expect(p.String()).NotTo(Or(ContainSubstring("s3cr@t"), ContainSubstring("PRIVATE")), "a message holds nothing of the Secret")
			}
			if c.reason == v1alpha1.ReasonSecretInvalid {
				g.Expect(facts.Push.File).To(BeNil(), "it is not mounted")
			}
		})
	}
}

func TestAnEarlierTokenURIOfGoogleIsPlaced(t *testing.T) {
	g := NewWithT(t)
	objects := secretsOfVendors(t)
	for i := range objects {
		if objects[i].GetName() == "fcm" {
			objects[i] = secret("fcm", map[string]string{
				"account.json": serviceAccount(t, map[string]any{"token_uri": "https://accounts.google.com/o/oauth2/token"}),
			})
		}
	}
	facts, problems := resolve(t, stack(byFCM), objects...)
	g.Expect(problems).To(BeEmpty())
	g.Expect(portsOf(facts.Push.Endpoints)).To(ConsistOf(int32(443)))
	at := facts.Locations[slices.IndexFunc(facts.Locations, func(l openim.Location) bool { return l.Party == openim.PartyPush })]
	g.Expect(at.Addresses).To(ConsistOf(
		HaveField("Text", ContainSubstring("fcm.googleapis.com")), HaveField("Text", ContainSubstring("accounts.google.com"))))
}

func FuzzServiceAccount(f *testing.F) {
	f.Add(`{"type":"service_account","project_id":"p","client_email":"c","private_key":"k"}`)
	f.Add(`{"type":"service_account","token_uri":"https://@/"}`)
	f.Fuzz(func(t *testing.T, file string) {
		if file == "" {
			return
		}
		objects := append(objectsInCluster(), secret("fcm", map[string]string{"account.json": file}))
		facts, problems := resolve(t, stack(byFCM), objects...)
		if (facts.Push.File == nil) != (len(problems) > 0) {
			t.Errorf("the file is mounted or refused: %v, %v", facts.Push.File, problems)
		}
	})
}
