package dependencies

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"slices"
)

// maxServiceAccount bounds the file of a service account, in bytes. Google's have about 2,400.
const maxServiceAccount = 64 << 10

// defaultTokenURI is where Google's library fetches tokens when the file does not say (golang.org/x/oauth2/google, JWTTokenURL).
const defaultTokenURI = "https://oauth2.googleapis.com/token"

// tokenURIs are the places where Google gives tokens to service accounts: that of present files, and that of files made before 2019. The
// file is a Secret's, and a policy is opened to the place: another one would let whoever writes the Secret choose where openim-push
// connects to, inside the cluster too.
var tokenURIs = []string{defaultTokenURI, "https://accounts.google.com/o/oauth2/token"}

// serviceAccount is what OpenIM reads of the file of a service account.
type serviceAccount struct {
	Type        string `json:"type"`
	ProjectID   string `json:"project_id"`
	ClientEmail string `json:"client_email"`
	PrivateKey  string `json:"private_key"`
	TokenURI    string `json:"token_uri"`
}

func (a serviceAccount) tokenURI() string { return cmp.Or(a.TokenURI, defaultTokenURI) }

// parseServiceAccount parses the file of a service account. The problem says what to do, and holds nothing of the file; it is empty for a
// file that OpenIM can use. openim-push ends at its start without JSON, a known type or a project; with a bad key each notification fails.
func parseServiceAccount(file []byte) (account serviceAccount, problem string) {
	const again = "create a new key of the service account in Google's console, and write its JSON file to the Secret"
	switch {
	case len(file) > maxServiceAccount:
		return account, "it has more than 65536 bytes: " + again
	case json.Unmarshal(file, &account) != nil:
		return account, "it is not JSON with the members of a service account: " + again
	case account.Type != "service_account":
		return account, `its member "type" is not service_account: ` + again
	case account.ProjectID == "":
		return account, `its member "project_id" is missing or empty: ` + again
	case account.ClientEmail == "":
		return account, `its member "client_email" is missing or empty: ` + again
	case !isRSAKey(account.PrivateKey):
		return account, `its member "private_key" is not an RSA key in PEM: ` + again
	case !slices.Contains(tokenURIs, account.tokenURI()):
		return account, `its member "token_uri" is not Google's: write ` + defaultTokenURI
	}
	return account, ""
}

// isRSAKey reports whether Google's library takes a key (golang.org/x/oauth2/internal, ParseKey).
func isRSAKey(text string) bool {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return false
	}
	if key, err := x509.ParsePKCS8PrivateKey(block.Bytes); err == nil {
		_, ok := key.(*rsa.PrivateKey)
		return ok
	}
	_, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	return err == nil
}
