package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openimstack/openim-operator/api/v1alpha1"
	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/identity"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/netpol/audit"
)

// The two users of the demo.
const (
	alice = "alice"
	bob   = "bob"
)

// startTimeout is how long a stack may take to be ready.
const startTimeout = 10 * time.Minute

// demo is the demo: the environment, and the stack in it.
type demo struct {
	*setup.Environment
	stack *v1alpha1.OpenIMStack
	admin chat.Admin
	// gateways are the users' port of each replica of the gateway. What is done at one holds at all.
	gateways []setup.Gateway
	// alice and bob, once they are logged in, and their sockets.
	alice, bob             *setup.User
	aliceSocket, bobSocket *chat.Socket
	// audited is the audit's report, for the end.
	audited audit.Report
}

func (s *demo) run(ctx context.Context) error {
	if err := s.Up(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		title string
		do    func(context.Context) error
	}{
		{"one OpenIMStack: kubectl apply -f config/samples/demo.yaml", s.startStack},
		{"an administrator hands out two codes; alice and bob enrol with them and log in by Diffie-Hellman", s.enrol},
		{"bob holds a socket; alice writes to him over hers; where the message goes", s.message},
		{"alice writes as somebody else, and reads what is not hers: refused, and on record", s.forgeFrames},
		{"bob's device is revoked", s.revoke},
		{"what the administrators' door refuses", s.refusals},
		{"who reaches what: every cell a real connection attempt", s.truthTable},
		{"the doors of the stores, which the stack's policies do not cover", s.stores},
		{"what an auditor gets", s.verdict},
	} {
		if err := s.Journal.Step(ctx, step.title, step.do); err != nil {
			return err
		}
	}
	return nil
}

func (s *demo) startStack(ctx context.Context) error {
	stack, err := s.Sample()
	if err != nil {
		return err
	}
	if err := s.Prepare(ctx, stack); err != nil {
		return err
	}
	if err := s.Apply(ctx, stack); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("the stack was not ready after %s", startTimeout))
	defer cancel()
	s.stack, err = s.WaitReady(ctx, client.ObjectKeyFromObject(stack))
	return err
}

func (s *demo) refusals(ctx context.Context) error {
	foreign, err := identity.New()
	if err != nil {
		return err
	}
	issuer := s.stack.Spec.Wrapper.Auth.Admins.Issuers[0]
	claims := identity.Claims{Issuer: issuer.Issuer, Audience: issuer.Audiences[0], Subject: "mallory", Role: issuer.Roles.Claim, Groups: issuer.Roles.Admin}
	forged, err := foreign.Token(claims)
	if err != nil {
		return err
	}
	elsewhere, err := s.Token(s.stack, func(c *identity.Claims) { c.Audience = "another-service" })
	if err != nil {
		return err
	}
	nobody, err := s.Token(s.stack, func(c *identity.Claims) { c.Groups = []string{"visitors"} })
	if err != nil {
		return err
	}
	for _, try := range []struct {
		what, route, token string
		want               int
	}{
		{"no token", chat.GetUsers, "", http.StatusUnauthorized},
		{"a token for another audience", chat.GetUsers, elsewhere, http.StatusUnauthorized},
		{"a token signed by a stranger's key", chat.GetUsers, forged, http.StatusUnauthorized},
		{"a token without the administrators' role", chat.GetUsers, nobody, http.StatusForbidden},
		{"a route that is not in the table", "/user/no_such_route", s.admin.Token, http.StatusNotFound},
		{"OpenIM's own way to its admin token", "/auth/get_admin_token", s.admin.Token, http.StatusForbidden},
	} {
		reply, err := chat.Admin{Address: s.admin.Address, Token: try.token}.Post(ctx, try.route, map[string]any{})
		if err != nil {
			return fmt.Errorf("%s: %w", try.what, err)
		}
		if reply.Status != try.want || reply.Code == 0 {
			return fmt.Errorf("%s: POST %s answered %s, expected HTTP %d", try.what, try.route, reply, try.want)
		}
		s.Journal.Say("%-41s HTTP %d  %s", try.what, reply.Status, reply.Message)
	}
	return nil
}
