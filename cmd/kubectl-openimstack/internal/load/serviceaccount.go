package load

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// push adds the Secret of a push vendor. Which hosts an FCM service account names is not known: the placeholder names Google's.
func (p secrets) push(spec *v1alpha1.Push) {
	switch {
	case spec == nil:
	case spec.FCM != nil:
		p.key(&spec.FCM.CredentialsRef, serviceAccount())
	case spec.GeTui != nil:
		p.named(&spec.GeTui.CredentialsRef, v1alpha1.KeyAppKey, v1alpha1.KeyMasterSecret)
	case spec.JPush != nil:
		p.named(&spec.JPush.CredentialsRef, v1alpha1.KeyAppKey, v1alpha1.KeyMasterSecret)
	}
}

// serviceAccount returns the file of a service account that exists nowhere. Its key is a new one each time: the operator parses it.
func serviceAccount() string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand ends the program first
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": Placeholder, "client_email": Placeholder,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
	})
	if err != nil {
		panic(err) // texts can be encoded
	}
	return string(text)
}
