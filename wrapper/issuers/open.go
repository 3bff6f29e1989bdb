package issuers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auth"
	"github.com/openimstack/openim-operator/wrapper/filewatch"
)

// Opened verifies administrators' tokens with key sets that are kept up to date.
type Opened struct {
	Admins *auth.Admins
	// Sources are the mounted files, to be given to a watcher.
	Sources []filewatch.Reloader
	// Background fetches the key sets that have a URL until its context ends.
	Background []func(context.Context)
}

// Open prepares the verification. It makes no calls and reads no file.
func Open(a *Admins, log *slog.Logger, reg prometheus.Registerer, now func() time.Time) *Opened {
	o := &opening{log: log, reg: reg}
	all := make([]auth.Issuer, len(a.Issuers))
	for i, issuer := range a.Issuers {
		all[i] = Rules(&issuer, o.keys(fmt.Sprintf("jwks-%d", i), &issuer))
	}
	o.opened.Admins = auth.NewAdmins(all, now)
	return &o.opened
}

type opening struct {
	log     *slog.Logger
	reg     prometheus.Registerer
	remotes *auth.Remotes
	opened  Opened
}

// keys returns the keys of an issuer, from a file or a URL.
func (o *opening) keys(name string, issuer *Issuer) auth.Keys {
	if issuer.JWKSURL == "" {
		keys := auth.JWKSFile(name, issuer.JWKSFile)
		o.opened.Sources = append(o.opened.Sources, keys)
		return keys
	}
	if o.remotes == nil {
		o.remotes = auth.NewRemotes(o.log, o.reg)
		o.opened.Background = append(o.opened.Background, func(ctx context.Context) { o.remotes.Run(ctx) })
	}
	if issuer.CAFile == "" {
		return o.remotes.Add(name, issuer.JWKSURL, nil)
	}
	authorities := auth.CAFile(name+"-ca", issuer.CAFile)
	o.opened.Sources = append(o.opened.Sources, authorities)
	return o.remotes.Add(name, issuer.JWKSURL, authorities)
}
