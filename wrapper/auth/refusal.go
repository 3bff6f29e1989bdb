package auth

import "github.com/openimstack/openim-operator/wrapper/wire"

// Refusal says why a token is not accepted. Reason is a fixed word for logs and metrics. Detail is for the log.
type Refusal struct {
	Reason string
	Detail string
	// proven is true once the signature has been verified: then the caller is the provider's own user and may
	// read what is wrong with the token.
	proven bool
	// code is the OpenIM error code that fits best.
	code int
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Detail }

// Failure is what the caller is told. A caller who proved nothing learns nothing but that the token will not do.
func (r *Refusal) Failure() wire.Failure {
	f := wire.Unauthenticated
	if r.code != 0 {
		f = f.Coded(r.code)
	}
	if r.proven {
		f = f.Because("the bearer token is not acceptable: " + r.Detail)
	}
	return f
}

// KeysMissing is true when the token could not be judged, because the keys to verify it with were never loaded.
func (r *Refusal) KeysMissing() bool { return r.Reason == reasonKeysDown }

// Label is the reason as logs and metrics have it.
func (r *Refusal) Label() string { return "token_" + r.Reason }

// Reasons, the label of the refusals metric.
const (
	reasonNoToken   = "no_token"
	reasonMalformed = "malformed"
	reasonHeader    = "header"
	reasonAlgorithm = "algorithm"
	reasonType      = "type"
	reasonIssuer    = "issuer"
	reasonKey       = "key"
	reasonSignature = "signature"
	reasonAudience  = "audience"
	reasonLifetime  = "lifetime"
	reasonExpired   = "expired"
	reasonNotYet    = "not_yet_valid"
	reasonSubject   = "subject"
	reasonKeysDown  = "keys_not_loaded"
	reasonReplayed  = "replayed"
	reasonBinding   = "binding"
	reasonInstance  = "instance"
)

func refuse(reason, detail string) *Refusal { return &Refusal{Reason: reason, Detail: detail} }

func (r *Refusal) coded(code int) *Refusal {
	r.code = code
	return r
}

// told marks a refusal that is made after the signature was verified.
func (r *Refusal) told() *Refusal {
	r.proven = true
	return r
}
