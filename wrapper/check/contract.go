package check

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/openimstack/openim-operator/wrapper/openimclient"
	"github.com/openimstack/openim-operator/wrapper/routes"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// notJSON is a body that no route of OpenIM accepts.
const notJSON = "{"

// badTokens are tokens that OpenIM must refuse: one that is no JWT, and one whose signature is wrong.
var badTokens = []string{
	"no-token",
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJVc2VySUQiOiJpbUFkbWluIiwiUGxhdGZvcm1JRCI6MTB9.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
}

// Contract checks the API of a release. It returns all findings, in the order of the checks; those after a token that cannot be obtained
// are left out.
func Contract(ctx context.Context, o OpenIM, release routes.Release) []Finding {
	token := Finding{Name: "token"}
	if err := o.Prove(ctx); err != nil {
		token.Problem = err.Error()
		return []Finding{token}
	}
	findings := []Finding{token}
	for i, bad := range badTokens {
		findings = append(findings, Finding{Name: fmt.Sprintf("refused token %d", i+1), Problem: refusal(ctx, o, bad)})
	}
	for _, path := range Paths(release) {
		findings = append(findings, Finding{Name: path, Problem: exists(ctx, o, path)})
	}
	return findings
}

// Paths returns the paths of OpenIM that the wrapper calls, sorted: those of the route table and those that the backend calls by itself.
func Paths(release routes.Release) []string {
	paths := openimclient.Paths()
	for i := range routes.Table {
		r := &routes.Table[i]
		if r.Audience != routes.Nobody && r.Method == http.MethodPost && r.In(release) {
			paths = append(paths, r.Upstream())
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// refusal checks that a token is refused with an error code of tokens: by these alone the wrapper knows that a token is not valid.
func refusal(ctx context.Context, o OpenIM, token string) string {
	reply, err := o.CallAs(ctx, openimclient.Request{
		Path: openimclient.Paths()[0], Body: []byte(notJSON), RequestID: wire.NewRequestID(), Repeatable: true,
	}, token)
	switch {
	case err != nil:
		return err.Error()
	case !wire.IsTokenError(reply.ErrCode):
		return fmt.Sprintf("errCode %d, not %d to %d", reply.ErrCode, wire.CodeTokenExpired, wire.CodeTokenNotExist)
	}
	return ""
}

// exists checks that a route is there and refuses what is no JSON.
func exists(ctx context.Context, o OpenIM, path string) string {
	reply, err := o.Call(ctx, openimclient.Request{Path: path, Body: []byte(notJSON), RequestID: wire.NewRequestID(), Repeatable: true})
	status, _ := errors.AsType[openimclient.StatusError](err)
	switch {
	case status == http.StatusBadRequest:
		return "" // four routes decode the body by gin's BindJSON, which answers by itself (open-im-server internal/api/msg.go, user.go)
	case errors.Is(err, openimclient.ErrNoRoute):
		return "the route does not exist"
	case err != nil:
		return err.Error()
	case reply.ErrCode != wire.CodeArgs:
		return fmt.Sprintf("errCode %d for a body that is no JSON, not %d", reply.ErrCode, wire.CodeArgs)
	}
	return ""
}
