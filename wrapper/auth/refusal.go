package auth

import "github.com/openimstack/openim-operator/wrapper/wire"

// Refusal is why a token is not accepted. Reason is a fixed word for logs and metrics. Detail is for the log.
type Refusal struct {
	Reason string
	Detail string
	// proven is true once the signature is verified. The caller is then the provider's own user and may learn what is wrong with the
	// token.
	proven bool
	// code is the OpenIM error code that fits best.
	code int
}

func (r *Refusal) Error() string { return r.Reason + ": " + r.Detail }

// Failure returns the answer to the caller. A caller who proved nothing learns only that the token is not accepted.
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

// KeysMissing reports whether the token could not be verified because the keys were never loaded.
func (r *Refusal) KeysMissing() bool { return r.Reason == reasonKeysDown }

// OtherVersion reports whether an assertion has a version of the link that the verifier does not read.
func (r *Refusal) OtherVersion() bool { return r.Reason == reasonVersion }

// Label returns the reason as it appears in logs and metrics.
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
	reasonVersion   = "link_version"
)

func refuse(reason, detail string) *Refusal { return &Refusal{Reason: reason, Detail: detail} }

func (r *Refusal) coded(code int) *Refusal {
	r.code = code
	return r
}

// afterSignature marks a refusal after the signature was verified.
func (r *Refusal) afterSignature() *Refusal {
	r.proven = true
	return r
}
