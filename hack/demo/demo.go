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

// startTimeout bounds how long a stack may take to become ready.
const startTimeout = 10 * time.Minute

// demo holds the environment, the stack in it, and what later steps need of earlier ones.
type demo struct {
	*setup.Environment
	stack *v1alpha1.OpenIMStack
	admin chat.Admin
	// gateways are port-forwards to the users' listener of each replica. An effect at one replica holds at all of them.
	gateways []setup.Gateway
	// alice and bob are the users, once they are logged in. Their sockets follow.
	alice, bob             *setup.User
	aliceSocket, bobSocket *chat.Socket
	// audited is the audit's report, which the last step prints.
	audited audit.Report
}

func (s *demo) run(ctx context.Context) error {
	if err := s.Up(ctx); err != nil {
		return err
	}
	return s.Run(ctx, s.steps())
}

// steps returns the steps of the demo itself, which follow those of the environment.
func (s *demo) steps() []setup.Step {
	return []setup.Step{
		{Title: "one OpenIMStack: kubectl apply -f config/samples/demo.yaml", Do: s.startStack},
		{Title: "an administrator issues two enrolment codes; alice and bob enrol their devices and log in by Diffie-Hellman", Do: s.enrol},
		{Title: "alice sends bob a message, socket to socket; where the message is observed", Do: s.message},
		{Title: "etcd stands still for 45 s: messages go on, and the processes are found again without a restart", Do: s.etcdOutage},
		{Title: "alice sends in bob's name and reads a conversation of others: refused and recorded", Do: s.forgeFrames},
		{Title: "an administrator revokes bob's device", Do: s.revoke},
		{Title: "what the administrators' listener refuses", Do: s.refusals},
		{Title: "the truth table: each cell is a real connection attempt", Do: s.truthTable},
		{Title: "the stores, which the stack's policies do not cover", Do: s.stores},
		{Title: "the operator's probe and the audit", Do: s.verdict},
	}
}

func (s *demo) startStack(ctx context.Context) error {
	stack, err := s.Sample()
	if err != nil {
		return err
	}
	if err := s.Prepare(ctx, stack); err != nil {
		return err
	}
	s.AskForUpdate(stack)
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
	claims := identity.Claims{
		Issuer:   issuer.Issuer,
		Audience: issuer.Audiences[0],
		Subject:  "mallory",
		Role:     issuer.Roles.Claim,
		Groups:   issuer.Roles.Admin,
	}
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
	for _, call := range []struct {
		name, route, token string
		status             int
	}{
		{"no token", chat.GetUsers, "", http.StatusUnauthorized},
		{"a token for another audience", chat.GetUsers, elsewhere, http.StatusUnauthorized},
		{"a token signed by an unknown key", chat.GetUsers, forged, http.StatusUnauthorized},
		{"a token without the administrators' role", chat.GetUsers, nobody, http.StatusForbidden},
		{"a route that is not in the table", "/user/no_such_route", s.admin.Token, http.StatusNotFound},
		{"OpenIM's own route to its admin token", "/auth/get_admin_token", s.admin.Token, http.StatusForbidden},
	} {
		reply, err := chat.Admin{Address: s.admin.Address, Token: call.token}.Post(ctx, call.route, map[string]any{})
		if err != nil {
			return fmt.Errorf("calling with %s: %w", call.name, err)
		}
		if reply.Status != call.status || reply.Code == 0 {
			return fmt.Errorf("calling with %s: POST %s answered %s, expected HTTP %d", call.name, call.route, reply, call.status)
		}
		s.Journal.Say("%-41s HTTP %d  %s", call.name, reply.Status, reply.Message)
	}
	return nil
}
