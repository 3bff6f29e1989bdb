package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	. "github.com/onsi/gomega"

	client "github.com/openimstack/openim-operator/clients/go"
	"github.com/openimstack/openim-operator/wrapper/handshake"
	"github.com/openimstack/openim-operator/wrapper/internalapi"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

func TestAnAdministratorIssuesACode(t *testing.T) {
	g := NewWithT(t)
	issued := handshake.NewCode().Reveal()
	expires := time.Now().Add(time.Minute).UTC().Truncate(time.Second)
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _, _ := wire.Bearer(r.Header)
		var request internalapi.IssueCode
		err := json.NewDecoder(r.Body).Decode(&request)
		if err != nil || request.UserID != "alice" || r.URL.Path != wire.PathAdminIssueCode || token != "second" {
			wire.WriteFailure(w, wire.Failure{Status: http.StatusUnauthorized, ErrCode: wire.CodeTokenExpired, Text: "expired"})
			return
		}
		data, _ := json.Marshal(internalapi.IssuedCode{Code: issued, Expires: expires})
		wire.WriteEnvelope(w, http.StatusOK, wire.Envelope{Data: data})
	}))
	t.Cleanup(server.Close)
	tokens := []string{"first", "second"}
	next := func(context.Context) (string, error) {
		if len(tokens) == 0 {
			return "", errors.New("the provider is away")
		}
		token := tokens[0]
		tokens = tokens[1:]
		return token, nil
	}
	admin, err := client.NewAdmin(client.AdminOptions{BaseURL: server.URL, HTTPClient: server.Client(), Token: next})
	g.Expect(err).NotTo(HaveOccurred())
	_, err = admin.IssueCode(t.Context(), client.CodeRequest{UserID: "alice"})
	g.Expect(err).To(MatchError(client.ErrExpired))
	got, err := admin.IssueCode(t.Context(), client.CodeRequest{UserID: "alice"})
	g.Expect(err).NotTo(HaveOccurred(), "each call has its own token")
	g.Expect(got).To(Equal(client.IssuedCode{Code: issued, Expires: expires}))
	_, err = admin.IssueCode(t.Context(), client.CodeRequest{UserID: "alice"})
	g.Expect(err).To(MatchError(ContainSubstring("the provider is away")))
}

func TestAnAdministratorsTokenGoesOverTLSOrATunnel(t *testing.T) {
	g := NewWithT(t)
	token := func(context.Context) (string, error) { return "t", nil }
	for _, o := range []client.AdminOptions{
		{BaseURL: "http://im.example.com", Token: token},
		{BaseURL: "https://im.example.com"},
		{BaseURL: "im.example.com", Token: token},
		{BaseURL: "https://u:p@im.example.com", Token: token},
	} {
		_, err := client.NewAdmin(o)
		g.Expect(err).To(HaveOccurred(), o.BaseURL)
	}
	o := client.AdminOptions{BaseURL: "http://im.example.com", Token: token, HTTPClient: http.DefaultClient}
	_, err := client.NewAdmin(o)
	g.Expect(err).To(MatchError(ContainSubstring("in clear text")), "a client of one's own, for example for a proxy, is no tunnel")
	o.Tunnel = true
	_, err = client.NewAdmin(o)
	g.Expect(err).NotTo(HaveOccurred())
}

func TestPublishedKeysAreThoseThatALoginPins(t *testing.T) {
	g := NewWithT(t)
	gw, err := newGateway(httptest.NewServer, "https://im.example.com")
	g.Expect(err).NotTo(HaveOccurred())
	t.Cleanup(gw.Close)
	o := client.Options{BaseURL: gw.URL, Audience: "https://im.example.com"}
	keys, err := client.PublishedKeys(t.Context(), o)
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(keys).To(Equal(gw.publicKeys()))
	_, err = client.New(o)
	g.Expect(err).To(MatchError(ContainSubstring("no PinnedKeys")), "without them, http is refused")
	o.PinnedKeys = keys
	c, err := client.New(o)
	g.Expect(err).NotTo(HaveOccurred())
	key, err := client.GenerateKey()
	g.Expect(err).NotTo(HaveOccurred())
	session, err := c.Enrol(t.Context(), gw.issue("alice"), client.Device{Key: key, PlatformID: 7, Name: "d"})
	g.Expect(err).NotTo(HaveOccurred())
	g.Expect(session.UserID).To(Equal("alice"))
}
