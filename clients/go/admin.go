package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// AdminOptions holds the address of the administrators' listener, and the administrator's token.
type AdminOptions struct {
	// BaseURL is the address of the gateway's administrators' listener, such as https://im-admin.example.com. It must be https, because
	// the token goes with each call, unless Tunnel is set.
	BaseURL string
	// HTTPClient sends the requests. The client copies it and follows no redirects. Default: a client with a timeout of
	// 15 seconds.
	HTTPClient *http.Client
	// Tunnel reports that HTTPClient dials through a tunnel that ends at the gateway, and that nobody can read on the way, such as a
	// port-forward of Kubernetes.
	Tunnel bool
	// Token returns a JWT of one of the stack's issuers. It is called before each call, so that it can renew the token.
	Token func(context.Context) (string, error)
}

// Admin calls the gateway's own routes for administrators. It is safe for concurrent use if Token is.
type Admin struct {
	client *Client
	token  func(context.Context) (string, error)
}

// NewAdmin returns a client for administrators. It sends no request.
func NewAdmin(o AdminOptions) (*Admin, error) {
	base, err := parseBase(o.BaseURL)
	switch {
	case err != nil:
		return nil, err
	case base.Scheme != schemeHTTPS && !o.Tunnel:
		return nil, errors.New("checking the options: BaseURL is not https, and the token would be sent in clear text: set an https BaseURL")
	case o.Token == nil:
		return nil, errors.New("checking the options: Token is not set")
	}
	return &Admin{client: &Client{base: base, http: withoutRedirects(o.HTTPClient)}, token: o.Token}, nil
}

// CodeRequest says for whom an enrolment code is. A user that does not exist yet is created in OpenIM by the enrolment.
// LifetimeSeconds is at most 600; 0 means as long as the stack says (spec.wrapper.auth.users.codeLifetimeSeconds).
type CodeRequest = internalapi.IssueCode

// IssueCode requests a one-time enrolment code for a user. The user's device enrols with it: Client.Enrol.
func (a *Admin) IssueCode(ctx context.Context, request CodeRequest) (IssuedCode, error) {
	token, err := a.token(ctx)
	if err != nil {
		return IssuedCode{}, fmt.Errorf("getting the administrator's token: %w", err)
	}
	var issued IssuedCode
	if err = a.client.post(ctx, wire.PathAdminIssueCode, token, request, &issued); err != nil {
		return IssuedCode{}, err
	}
	if _, err := handshake.ParseCode(issued.Code); err != nil { // it may be printed
		return IssuedCode{}, fmt.Errorf("calling %s: %w", wire.PathAdminIssueCode, ErrReply)
	}
	return issued, nil
}
