package wire

import (
	"net/http"
	"strconv"
)

// Failure is an error reply that the wrapper sends instead of OpenIM's. Name is the reason in logs and metrics. Text is the
// errMsg for the caller.
type Failure struct {
	Name    string
	Status  int
	ErrCode int
	Text    string
}

func (f Failure) Error() string { return f.Text }

// Because returns a copy of the failure with a more specific text.
func (f Failure) Because(text string) Failure {
	f.Text = text
	return f
}

// Coded returns a copy of the failure with another errCode of OpenIM's.
func (f Failure) Coded(code int) Failure {
	f.ErrCode = code
	return f
}

// The failures of the wrapper. docs/wrapper.md lists them, and each has a test.
var (
	Unauthenticated = Failure{"unauthenticated", http.StatusUnauthorized, CodeTokenInvalid,
		"the bearer token is not acceptable: get a new one from your identity provider"}
	ProofRefused = Failure{"proof_refused", http.StatusUnauthorized, CodeTokenInvalid,
		"the credential is no longer accepted: log in again"}
	Forbidden = Failure{"forbidden", http.StatusForbidden, CodeNoPermission,
		"your token carries no role that may call this: ask for an administrators' role"}
	NotCallable = Failure{"nobody", http.StatusForbidden, CodeNoPermission,
		"this route is called by nobody through the gateway"}
	UnknownRoute = Failure{"unknown_route", http.StatusNotFound, CodeNotFound,
		"there is no such route: use a path of docs/routes.md, spelled exactly so"}
	WrongMethod = Failure{"wrong_method", http.StatusMethodNotAllowed, CodeArgs,
		"this route has another method: see the Allow header"}
	BadRequest   = Failure{"bad_request", http.StatusBadRequest, CodeArgs, "the request is malformed"}
	BodyTooLarge = Failure{"body_too_large", http.StatusRequestEntityTooLarge, CodeArgs,
		"the body is larger than this route takes: send less at a time"}
	BodyTooSlow = Failure{"body_too_slow", http.StatusRequestTimeout, CodeArgs,
		"the body did not arrive in time: send it faster"}
	WrongMediaType = Failure{"wrong_media_type", http.StatusUnsupportedMediaType, CodeArgs,
		"send Content-Type: application/json and no Content-Encoding"}
	Busy = Failure{"busy", http.StatusTooManyRequests, CodeInternal,
		"too many calls of this kind are in flight: try again after a second"}
	Limited = Failure{"limited", http.StatusTooManyRequests, CodeInternal,
		"too many calls in a short time: wait for as long as Retry-After says"}
	LoginTooOld = Failure{"login_too_old", http.StatusForbidden, CodeLoginTooOld,
		"this call requires a login of the last two minutes: log in again with the device's key and repeat the call"}
	RuleRefused = Failure{"rule", http.StatusForbidden, CodeNoPermission,
		"a rule of this installation does not allow this call"}
	NotRecorded = Failure{"not_recorded", http.StatusServiceUnavailable, CodeInternal,
		"the audit log cannot be written, and this call must be recorded: try again later"}
	Internal = Failure{"internal", http.StatusInternalServerError, CodeInternal,
		"the wrapper failed: see its log for this request id"}
	NotInRelease = Failure{"not_in_release", http.StatusNotImplemented, CodeNotFound,
		"this OpenIM release has no such route"}
	BadGateway = Failure{"bad_gateway", http.StatusBadGateway, CodeInternal,
		"the process behind the wrapper gave no usable reply: try again"}
	Unavailable = Failure{"unavailable", http.StatusServiceUnavailable, CodeInternal,
		"the process behind the wrapper cannot be reached: try again after a second"}
	LinkVersion = Failure{"link_version", http.StatusServiceUnavailable, CodeInternal,
		"gateway and backend are of releases that are too far apart: try again when both have been replaced"}
	TimedOut = Failure{"timed_out", http.StatusGatewayTimeout, CodeInternal,
		"the process behind the wrapper did not answer in time: check whether the call took effect before you repeat it"}
)

// Failures lists all failures, in the order of the documentation.
var Failures = []Failure{
	BadRequest, Unauthenticated, ProofRefused, Forbidden, NotCallable, LoginTooOld, RuleRefused, UnknownRoute, WrongMethod,
	BodyTooSlow, BodyTooLarge, WrongMediaType, Busy, Limited, NotRecorded, Internal, NotInRelease, BadGateway, Unavailable,
	LinkVersion, TimedOut,
}

// FailureNamed returns the failure with a name.
func FailureNamed(name string) (Failure, bool) {
	for _, f := range Failures {
		if f.Name == name {
			return f, true
		}
	}
	return Failure{}, false
}

// WriteFailure writes a failure in OpenIM's envelope, with the headers that its status requires.
func WriteFailure(w http.ResponseWriter, f Failure) {
	switch f.Status {
	case http.StatusUnauthorized:
		if w.Header().Get(HeaderChallenge) == "" {
			w.Header().Set(HeaderChallenge, SchemeBearer)
		}
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if w.Header().Get(HeaderRetryAfter) == "" {
			w.Header().Set(HeaderRetryAfter, strconv.Itoa(int(RetryAfter.Seconds())))
		}
	}
	WriteEnvelope(w, f.Status, Envelope{ErrCode: f.ErrCode, ErrMsg: f.Text})
}
