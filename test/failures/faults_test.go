package failures

import (
	"context"
	"time"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/test/loopback"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// fault is one kind of failure of one dependency.
type fault struct {
	// name is the name of the test; what and how describe the fault on the page.
	name, what, how string
	// gateway is the replica that is called.
	gateway int
	// begin starts the fault and finish ends it. finish returns when the process is ready again.
	begin, finish func(context.Context, *testEnv) error
	// wants lists the answers that differ from the usual ones. All other probes get their usual answer within quick.
	wants []want
	// more lists probes of this fault alone.
	more []probe
	// twice: the answers must be the same again some seconds later.
	twice bool
	// undelivered: messages accepted during the fault need not reach a socket after it. Otherwise they must.
	undelivered bool
	// back bounds the time from finish until all answers are the usual ones.
	back time.Duration
	note string
}

// want is the answer to a probe and the longest time until it.
type want struct {
	probe   probe
	answers []string
	within  time.Duration
}

func sees(p probe, within time.Duration, answers ...string) want { return want{p, answers, within} }

// quick bounds a usual answer.
const quick = 5 * time.Second

// Names of processes of package loopback.
const (
	firstGateway  = "gateway-0"
	secondGateway = "gateway-1"
	firstBackend  = "backend-0"
	secondBackend = "backend-1"
)

// Kinds of failure.
const (
	refuses = "refuses connections"
	hangs   = "accepts and does not answer"
)

// killed returns the functions that kill processes and start them again. frozen suspends and resumes them.
func killed(parts ...string) (begin, finish func(context.Context, *testEnv) error) {
	return each(parts, func(_ context.Context, s *testEnv, part string) error { return s.Kill(part) }),
		each(parts, func(ctx context.Context, s *testEnv, part string) error { return s.Start(ctx, part) })
}

func frozen(parts ...string) (begin, finish func(context.Context, *testEnv) error) {
	return each(parts, func(_ context.Context, s *testEnv, part string) error { return s.Freeze(part) }),
		each(parts, func(_ context.Context, s *testEnv, part string) error { return s.Thaw(part) })
}

// restarted kills processes in any state and starts them.
func restarted(parts ...string) (finish func(context.Context, *testEnv) error) {
	return each(parts, func(ctx context.Context, s *testEnv, part string) error {
		if err := s.Kill(part); err != nil {
			return err
		}
		return s.Start(ctx, part)
	})
}

func each(parts []string, do func(context.Context, *testEnv, string) error) func(context.Context, *testEnv) error {
	return func(ctx context.Context, s *testEnv) error {
		for _, part := range parts {
			if err := do(ctx, s, part); err != nil {
				return err
			}
		}
		return nil
	}
}

// both returns a fault in both ways: the processes are killed, or frozen.
func both(name, what string, gateway int, parts []string, dead, stuck fault) []fault {
	dead.name, dead.what, dead.how, dead.gateway = name+"-dead", what, refuses, gateway
	dead.begin, dead.finish = killed(parts...)
	stuck.name, stuck.what, stuck.how, stuck.gateway = name+"-stuck", what, hangs, gateway
	stuck.begin, stuck.finish = frozen(parts...)
	return []fault{dead, stuck}
}

// faults returns all faults in the order of the page.
func faults() []fault {
	var all []fault
	add := func(name, what string, gateway int, parts []string, dead, stuck fault) {
		all = append(all, both(name, what, gateway, parts, dead, stuck)...)
	}
	sessionsLost := func(within time.Duration) []want {
		return []want{
			sees(call, within, usual, "503"), sees(unseen, within, "503"), sees(login, within, "503"), sees(enrol, within, "503"), sees(ticket, within, "503"),
			sees(newSocket, within, "503"), sees(spent, within, "503"), sees(oneTimeCode, within, usual, "503"), sees(revoke, within, "503"),
		}
	}
	add("wrapper-redis", "the wrapper's Redis", 0, []string{loopback.WrapperRedis},
		fault{twice: true, back: 5 * time.Second, wants: sessionsLost(2 * time.Second), note: "sessions that a gateway has cached are served from memory for a minute; calls whose backend does not have the user's OpenIM token in memory get 503; a revocation that is answered 503 takes effect on that gateway immediately, and everywhere when Redis is back or the revocation is repeated"},
		fault{twice: true, back: 5 * time.Second, wants: sessionsLost(3 * time.Second)})
	registryLost := []want{sees(login, 6*time.Second, "503"), sees(enrol, 6*time.Second, "503"), sees(oneTimeCode, 6*time.Second, "503"), sees(administer, 8*time.Second, "504", "errCode 500")}
	add("mongodb", "MongoDB", 0, []string{loopback.MongoDB},
		fault{back: 20 * time.Second, wants: registryLost, note: "the administrator requests data that OpenIM does not have in its cache"},
		fault{back: 20 * time.Second, wants: registryLost})
	add("openim-api", "OpenIM's API", 0, []string{string(openim.API)},
		fault{back: 10 * time.Second, wants: []want{sees(call, 2*time.Second, "503"), sees(enrol, 2*time.Second, "503"), sees(administer, 2*time.Second, "503")}, note: "the enrolment code stays valid"},
		fault{back: 10 * time.Second, wants: []want{
			sees(call, 8*time.Second, "504"), sees(enrol, 6*time.Second, "503"), sees(administer, 8*time.Second, "504"), sees(message, 6*time.Second, usual),
			sees(revoke, 2*time.Second, usual),
		}, note: "messages wait up to 3 s for the sender's name and are then sent without it; a revocation takes effect immediately, and its answer waits a third of a second at most for OpenIM's own logout"})
	add("msggateway", "OpenIM's msggateway", 0, []string{string(openim.MsgGateway)},
		fault{back: 10 * time.Second, wants: []want{
			sees(openSocket, 2*time.Second, "closed with 1012"), sees(message, 2*time.Second, "closed with 1012"), sees(newSocket, 2*time.Second, "503"),
		}},
		fault{back: 10 * time.Second, more: []probe{aloneEnds}, wants: []want{
			sees(newSocket, 11*time.Second, "504"), sees(message, 11*time.Second, silent), sees(aloneEnds, 32*time.Second, "closed with 1012"),
			sees(revoke, 2*time.Second, usual),
		}})
	last := &all[len(all)-1]
	// As the liveness probe does: OpenIM's processes do not recover by themselves once their lease in etcd (30 s) has expired.
	last.finish = restarted(string(openim.MsgGateway))
	last.note = "after 30 s its registration in etcd has expired, and msggateway does not register again: its liveness probe restarts it"
	add("rpc-auth", "openim-rpc-auth", 0, []string{string(openim.RPCAuth)},
		fault{back: 20 * time.Second, wants: []want{
			sees(call, 2*time.Second, "503"), sees(enrol, 3*time.Second, "503"), sees(newSocket, 3*time.Second, "502"), sees(administer, 2*time.Second, "503"),
		}},
		fault{back: 20 * time.Second, wants: []want{
			sees(call, 8*time.Second, "504"), sees(enrol, 6*time.Second, "503"), sees(newSocket, 11*time.Second, "504", "502", "503"), sees(administer, 8*time.Second, "504"), sees(revoke, 2*time.Second, usual),
		}})
	add("openim-redis", "OpenIM's Redis", 0, []string{loopback.Redis},
		fault{back: 20 * time.Second, wants: []want{
			sees(call, 8*time.Second, "errCode 500", "504"), sees(enrol, 6*time.Second, "503"), sees(newSocket, 11*time.Second, "502"),
			sees(message, 11*time.Second, unheard, "errCode 500", silent), sees(revoke, 2*time.Second, usual), sees(administer, 8*time.Second, usual, "errCode 500", "504"),
		}, undelivered: true, note: "OpenIM refuses messages or, where its caches suffice, accepts them, since they go to Kafka, and may not deliver them to sockets any more, even after its Redis is back. This is OpenIM's own behaviour: run its Redis replicated"},
		fault{back: 20 * time.Second, wants: []want{
			sees(call, 8*time.Second, "504"), sees(enrol, 6*time.Second, "503"), sees(newSocket, 11*time.Second, "502", "504"),
			sees(message, 11*time.Second, unheard, "errCode 500", silent), sees(revoke, 2*time.Second, usual), sees(administer, 8*time.Second, usual, "errCode 500", "504"),
		}, undelivered: true, note: "as with refused connections"})
	backendsLost := func(within time.Duration, call1 ...string) []want {
		return []want{
			sees(call, within+2*time.Second, call1...), sees(administer, within+2*time.Second, call1...), sees(login, within, "503"), sees(enrol, within, "503"),
			sees(ticket, within, "503"), sees(spent, within, "503"), sees(oneTimeCode, within, "503"), sees(newSocket, within, "503"), sees(message, within, usual), sees(revoke, 2*time.Second, usual),
		}
	}
	add("backends", "all backends", 0, []string{firstBackend, secondBackend},
		fault{back: 10 * time.Second, wants: backendsLost(2*time.Second, "503", "502"), note: "502 when the load balancer in front of the backends accepts the connection and drops it; the gateways serve the login's published keys for another 300 s"},
		fault{back: 10 * time.Second, wants: backendsLost(6*time.Second, "504")})
	met := func(answers ...string) []want {
		var all []want
		for _, p := range []probe{call, ticket, login, enrol, newSocket, oneTimeCode, administer} {
			all = append(all, sees(p, 8*time.Second, append([]string{usual}, answers...)...))
		}
		return append(all, sees(spent, 8*time.Second, append([]string{code(wire.CodeTokenNotExist)}, answers...)...), sees(message, 6*time.Second, usual),
			sees(revoke, 2*time.Second, usual))
	}
	add("backend", "one of two backends", 0, []string{firstBackend},
		fault{back: 10 * time.Second, more: []probe{manyCalls}},
		fault{back: 10 * time.Second, more: []probe{manyCalls}, wants: append(met("503", "504"), sees(manyCalls, 8*time.Second, usual, "some: 504")), note: "calls that reach the frozen backend wait; in a cluster its readiness probe removes it from the Service"})
	add("gateway", "one of two gateways", 1, []string{firstGateway},
		fault{back: 10 * time.Second, wants: []want{sees(message, time.Second, cut)}, note: "observed at the other gateway, with sessions of both; sockets open again there"},
		fault{back: 10 * time.Second, wants: []want{sees(message, 11*time.Second, silent), sees(revoke, 5*time.Second, unfelt)}, note: "sockets of the frozen gateway receive nothing until it resumes or is replaced; a socket that was revoked meanwhile is closed then"})
	all = append(all, providerFaults()...)
	return all
}

// providerFaults returns the faults of the administrators' identity provider.
func providerFaults() []fault {
	const what = "the administrators' key provider (JWKS by URL)"
	up := func(_ context.Context, s *testEnv) error {
		s.provider.down.Store(false)
		s.provider.thaw()
		return nil
	}
	down := func(_ context.Context, s *testEnv) error {
		s.provider.down.Store(true)
		return nil
	}
	return []fault{
		{
			name: "jwks-dead", what: what, how: refuses, begin: down, finish: up, back: 5 * time.Second, more: []probe{unknownToken},
			note: "fetched keys are used for 24 h",
		}, {
			name: "jwks-stuck", what: what, how: hangs, finish: up, back: 5 * time.Second, more: []probe{unknownToken},
			begin: func(_ context.Context, s *testEnv) error { s.provider.freeze(); return nil },
		}, {
			name: "jwks-start", what: what, how: "fails while a gateway starts", gateway: 1, finish: up, back: 32 * time.Second,
			undelivered: true, // bob's socket was at the restarted gateway: bob's app pulls
			wants:       []want{sees(openSocket, quick, cut), sees(message, 6*time.Second, unheard), sees(administer, quick, "401", "503"), sees(oneTimeCode, quick, "401", "503"), sees(revoke, quick, "401", "503")},
			note:        "users are served; administrators at this gateway are refused until a fetch succeeds (attempted after 1, 2, 4, 8, 16, 30 s)",
			begin: func(ctx context.Context, s *testEnv) error {
				_ = down(ctx, s)
				return restarted(secondGateway)(ctx, s)
			},
		},
	}
}
