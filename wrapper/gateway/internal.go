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

// linkDeadline bounds a call that the gateway makes beside OpenIM's routes.
const linkDeadline = 5 * time.Second

// errBackend is a call of the gateway's own that the backend did not carry out.
var errBackend = errors.New("the backend did not answer")

// self is who the gateway is when it asks. For whom it asks, the proof says.
var self = auth.Principal{Subject: "gateway", Issuer: "gateway", Role: auth.RoleGateway}

// ask makes one call of package link, with the credential of the caller whom it is made for; "" when the gateway asks for itself. The error
// never holds what was asked or answered: both can be secrets.
func ask[Reply any](ctx context.Context, b *backendClient, path, proof string, request any) (Reply, error) {
	var reply Reply
	body, err := json.Marshal(request)
	if err != nil {
		return reply, fmt.Errorf("encode the call of %s: %w", path, err)
	}
	ctx, cancel := context.WithTimeout(ctx, linkDeadline)
	defer cancel()
	id := requestID(ctx)
	call := auth.Call{Principal: self, Method: http.MethodPost, Path: path, RequestID: id, Body: body, Proof: proof}
	answer, err := b.send(ctx, call, wire.MediaTypeJSON)
	if err != nil {
		return reply, fmt.Errorf("%w: %s: %w", errBackend, path, err)
	}
	var envelope wire.Envelope
	if err := json.Unmarshal(answer.Body, &envelope); err != nil {
		return reply, fmt.Errorf("%w: %s: its reply is not understood", errBackend, path)
	}
	if answer.Status != http.StatusOK {
		return reply, refusalOf(path, answer, envelope)
	}
	if envelope.ErrCode != wire.CodeOK {
		return reply, fmt.Errorf("%w: %s: errCode %d", errBackend, path, envelope.ErrCode)
	}
	if len(envelope.Data) > 0 && json.Unmarshal(envelope.Data, &reply) != nil {
		return reply, fmt.Errorf("%w: %s: its reply is not understood", errBackend, path)
	}
	return reply, nil
}

// refusal is a call that the backend understood and will not carry out, for a reason that is the caller's.
type refusal struct{ failure wire.Failure }

func (r *refusal) Error() string { return "the backend refuses: " + r.failure.Name }

func refusalOf(path string, answer upstream.Reply, envelope wire.Envelope) error {
	failure, known := wire.FailureNamed(answer.Header.Get(wire.HeaderReason))
	if !known || failure.Status != answer.Status {
		return fmt.Errorf("%w: %s: HTTP status %d without a reason", errBackend, path, answer.Status)
	}
	if failure.Name == wire.ProofRefused.Name {
		return &refusal{*over(envelope.ErrCode)}
	}
	switch failure.Status {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusTooManyRequests:
		return &refusal{failure.Because(envelope.ErrMsg)}
	}
	return fmt.Errorf("%w: %s: %s", errBackend, path, failure.Name)
}
