package dependencies_test

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	. "github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/certtest"
)

// bundle returns a ConfigMap of a namespace.
func bundle(namespace, key string, text []byte) client.Object {
	object := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "company-ca", Namespace: namespace}}
	if text != nil {
		object.Data = map[string]string{key: string(text)}
	}
	return object
}

// trusting lets the stack trust a ConfigMap, and connect to Kafka by TLS.
func trusting(s *spec) {
	s.Pods = &v1alpha1.Pods{Trust: &v1alpha1.ConfigMapKeyReference{Name: "company-ca", Key: "ca.crt"}}
	s.Dependencies.Kafka.TLS = &v1alpha1.StoreTLS{}
}

func TestAuthoritiesOfAConfigMap(t *testing.T) {
	g := NewWithT(t)
	one, other := certtest.New(t).PEM, certtest.New(t).PEM
	hash := func(text ...[]byte) string {
		facts, problems := resolve(t, stack(trusting), objectsInCluster(bundle("im", "ca.crt", bytes.Join(text, nil)))...)
		g.Expect(problems).To(BeEmpty())
		g.Expect(facts.ConfigMaps).To(Equal([]string{"company-ca"}))
		g.Expect(facts.Trust.Key).To(Equal(&corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "company-ca"}, Key: "ca.crt",
		}))
		g.Expect(facts.Trust.Digest).To(MatchRegexp("^[0-9a-f]{16}$"))
		return facts.Trust.Digest
	}
	first := hash(one)
	g.Expect(hash(other)).NotTo(Equal(first))
	g.Expect(hash(one, other)).NotTo(Equal(first))
	g.Expect(hash(other, []byte("# a remark\r\n"), one, one)).To(Equal(hash(one, other)), "the same authorities")
	expired := certtest.New(t).Issue(-time.Minute).Certificate
	g.Expect(hash(expired, one)).NotTo(Equal(first), "one of them is valid")

	facts, problems := resolve(t, stack(func(s *spec) { trusting(s); s.Dependencies.Kafka.TLS = nil }), objectsInCluster()...)
	g.Expect(problems).To(BeEmpty(), "nothing reads it")
	g.Expect(facts.Trust).To(BeZero())
	g.Expect(facts.ConfigMaps).To(BeEmpty())
	facts, _ = resolve(t, stack(trusting), objectsInCluster(bundle("im", "ca.crt", one))...)
	g.Expect(facts.ForTemplates().Trust).To(Equal(facts.Trust))
	g.Expect(facts.ForTemplates().ConfigMaps).To(BeEmpty())
}

// What cannot be the authorities of a company is refused for the readers alone, and their ConfigMap is watched for the correction.
func TestWhatCannotBeAuthoritiesIsNamed(t *testing.T) {
	authority := certtest.New(t)
	good, pair := authority.PEM, authority.Issue(time.Hour)
	block := func(kind string, headers map[string]string, content []byte) []byte {
		return pem.EncodeToMemory(&pem.Block{Type: kind, Headers: headers, Bytes: content})
	}
	der, _ := pem.Decode(good)
	invalid := v1alpha1.ReasonConfigMapInvalid
	for name, c := range map[string]struct {
		object       client.Object
		reason, text string
	}{
		"no ConfigMap": {nil, v1alpha1.ReasonConfigMapNotFound, `ConfigMap "company-ca" does not exist in namespace "im": create it`},
		"one of another namespace": {bundle("company", "ca.crt", good), v1alpha1.ReasonConfigMapNotFound,
			`ConfigMap "company-ca" does not exist in namespace "im": create it`},
		"another key": {bundle("im", "ca-bundle.crt", good), v1alpha1.ReasonConfigMapKeyNotFound, `has no key "ca.crt": add it`},
		"no data":     {bundle("im", "", nil), v1alpha1.ReasonConfigMapKeyNotFound, `has no key "ca.crt": add it`},
		"not yet injected": {bundle("im", "ca.crt", []byte(" \n")), v1alpha1.ReasonConfigMapKeyNotFound,
			`is empty: write the PEM certificates of the authorities`},
		"a text": {bundle("im", "ca.crt", []byte("s3cr-t")), invalid, "holds no certificate: write the PEM"},
		"a keystore of Java": {&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "company-ca", Namespace: "im"},
			BinaryData: map[string][]byte{"ca.crt": {0xfe, 0xed, 0xfe, 0xed}}}, invalid, "holds no certificate: write the PEM"},
		"a private key beside it": {bundle("im", "ca.crt", bytes.Join([][]byte{good, pair.Key}, nil)), invalid, "holds a private key"},
		"a broken private key": {bundle("im", "ca.crt", append(bytes.Clone(good), "-----BEGIN RSA PRIVATE KEY-----\nx"...)), invalid,
			"holds a private key"},
		"a request": {bundle("im", "ca.crt", block("CERTIFICATE REQUEST", nil, der.Bytes)), invalid,
			"holds a block of another kind than CERTIFICATE, or with headers, as number 1: write certificates alone"},
		"headers, for which Go skips it": {
			bundle("im", "ca.crt", append(bytes.Clone(good), block("CERTIFICATE", map[string]string{"a": "b"}, der.Bytes)...)), invalid,
			"or with headers, as number 2"},
		"not of X.509": {bundle("im", "ca.crt", append(bytes.Clone(good), block("CERTIFICATE", nil, []byte("s3cr-t"))...)), invalid,
			"holds as number 2 a certificate that cannot be read: correct or remove it"},
		"cut off": {bundle("im", "ca.crt", append(bytes.Clone(good), good[:len(good)-30]...)), invalid,
			"holds 2 beginnings of PEM blocks, of which 1 can be read: correct or remove the others"},
		"a byte-order mark": {bundle("im", "ca.crt", append([]byte("\ufeff"), good...)), invalid, "holds 1 beginnings of PEM blocks, of which 0"},
		"expired": {bundle("im", "ca.crt", authority.Issue(-time.Minute).Certificate), invalid,
			"holds certificates that have all expired: write those that are valid now"},
		"too many": {bundle("im", "ca.crt", bytes.Repeat([]byte("-----BEGIN CERTIFICATE-----\n"), 1001)), invalid,
			"holds 1001 certificates, and at most 1000 are read: leave out the public authorities, which are trusted anyway"},
		"too long": {bundle("im", "ca.crt", append(bytes.Clone(good), strings.Repeat("#", 512<<10)...)), invalid, "and at most 524288 are read"},
	} {
		t.Run(name, func(t *testing.T) {
			g := NewWithT(t)
			objects := objectsInCluster()
			if c.object != nil {
				objects = append(objects, c.object)
			}
			facts, problems := resolve(t, stack(trusting), objects...)
			g.Expect(problems).To(HaveLen(1))
			g.Expect(problems[0].Field).To(Equal("spec.pods.trust"))
			g.Expect(problems[0].Reason).To(Equal(c.reason))
			g.Expect(problems[0].Message).To(And(ContainSubstring(c.text), Not(ContainSubstring("s3cr-t"))))
			g.Expect(problems[0].Stalled).To(Equal(c.reason == invalid), "an object may still be created")
			g.Expect(problems[0].Components).To(ConsistOf("msgtransfer", "push", "rpc-msg"))
			g.Expect(facts.Trust).To(BeZero())
			g.Expect(facts.ConfigMaps).To(Equal([]string{"company-ca"}))
			g.Expect(facts.Endpoints[openim.Kafka]).NotTo(BeEmpty(), "its place does not depend on it")
		})
	}
}

// The largest bundle that is taken: 1000 authorities, each read.
func TestAsManyAuthoritiesAsAreTaken(t *testing.T) {
	var text bytes.Buffer
	for i := range 1000 {
		fmt.Fprintf(&text, "# %d\n", i)
		text.Write(certtest.New(t).PEM)
	}
	text.Truncate(min(text.Len(), 512<<10))
	text.Truncate(bytes.LastIndex(text.Bytes(), []byte("# ")))
	start := time.Now()
	_, problems := resolve(t, stack(trusting), objectsInCluster(bundle("im", "ca.crt", text.Bytes()))...)
	NewWithT(t).Expect(problems).To(BeEmpty())
	NewWithT(t).Expect(time.Since(start)).To(BeNumerically("<", 30*time.Second), "work that grows with the square of the size takes minutes")
}
