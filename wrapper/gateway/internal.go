package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/upstream"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// internalDeadline bounds a call of the internal API.
const internalDeadline = 5 * time.Second

// errBackend says that the backend did not carry out an internal call.
var errBackend = errors.New("the backend did not answer")

// gatewayPrincipal is the principal of internal calls. The proof beside a call names the caller it is made for.
var gatewayPrincipal = auth.Principal{Subject: "gateway", Issuer: "gateway", Role: auth.RoleGateway}

// callInternal makes one call of package internalapi. proof is the credential of the caller for whom the call is made; it is empty for the
// gateway's own calls. The error never holds the request or the reply: both can hold secrets.
func callInternal[Reply any](ctx context.Context, b *backendClient, path, proof string, request any) (Reply, error) {
	var reply Reply
	body, err := json.Marshal(request)
	if err != nil {
		return reply, fmt.Errorf("encoding the call of %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, internalDeadline)
	defer cancel()
	id := requestID(ctx)
	call := auth.Call{Principal: gatewayPrincipal, Method: http.MethodPost, Path: path, RequestID: id, Body: body, Proof: proof}
	answer, err := b.send(ctx, call, wire.MediaTypeJSON)
	if err != nil {
		return reply, fmt.Errorf("%w: %s: %w", errBackend, path, err)
	}
	if isLinkVersion(answer) {
		return reply, fmt.Errorf("%w: %s: %s", errBackend, path, b.noCommonVersion(answer))
	}
	var envelope wire.Envelope
	if err := json.Unmarshal(answer.Body, &envelope); err != nil {
		return reply, fmt.Errorf("%w: %s: the reply is not a valid envelope", errBackend, path)
	}
	if answer.Status != http.StatusOK {
		return reply, refusalOf(path, answer, envelope)
	}
	if envelope.ErrCode != wire.CodeOK {
		return reply, fmt.Errorf("%w: %s: errCode %d", errBackend, path, envelope.ErrCode)
	}
	if len(envelope.Data) > 0 && json.Unmarshal(envelope.Data, &reply) != nil {
		return reply, fmt.Errorf("%w: %s: the reply has another form than expected", errBackend, path)
	}
	return reply, nil
}

// refusal is the error of a call that the backend refused for a reason of the caller's.
type refusal struct{ failure wire.Failure }

func (r *refusal) Error() string { return "calling the backend: refused: " + r.failure.Name }

func refusalOf(path string, answer upstream.Reply, envelope wire.Envelope) error {
	failure, known := wire.FailureNamed(answer.Header.Get(wire.HeaderReason))
	if !known || failure.Status != answer.Status {
		return fmt.Errorf("%w: %s: HTTP status %d without a reason", errBackend, path, answer.Status)
	}
	if failure.Name == wire.ProofRefused.Name {
		f := *proofFailure(envelope.ErrCode)
		if envelope.ErrMsg == wire.ReplacedText {
			f = f.Because(wire.ReplacedText)
		}
		return &refusal{f}
	}
	switch failure.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusTooManyRequests:
		return &refusal{failure.Because(envelope.ErrMsg)}
	}
	return fmt.Errorf("%w: %s: %s", errBackend, path, failure.Name)
}
