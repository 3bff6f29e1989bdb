package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/attacks.md anew")

// attackPage is the page that lists the corpus.
const attackPage = "../../docs/attacks.md"

// class is one kind of attack.
type class struct {
	name     string
	what     string // the attack
	asserted string
	run      func(*testing.T, *testEnv)
}

// corpus are all classes. They run against one wrapper. At the end all that it wrote and answered is searched for secrets.
var corpus = []class{
	{"headers", "identities, tokens and addresses in headers that other servers trust; credentials twice, folded, in trailers; hop-by-hop " +
		"headers",
		"the call is OpenIM's as the session's own user, with none of the client's headers; or it is refused and reaches neither backend nor " +
			"OpenIM", attackHeaders},
	{"paths", "other spellings of a path, other methods, other versions and forms of HTTP, at both listeners",
		"400, 404, 405 or 505; nothing reaches backend or OpenIM", attackPaths},
	{"smuggling", "request smuggling, as bytes: lengths and codings that two readers could read differently, and a second request in the " +
		"body of the first",
		"OpenIM sees no more calls than replies say; a hidden request is never carried out under the first one's identity", attackFraming},
	{"bodies", "bodies that are too large, endless, deep, wide, repeated, compressed, or not JSON",
		"refused; nothing reaches OpenIM; memory stays bounded; another user's calls stay fast", attackBodies},
	{"ids", "users' bodies whose ids are patterns, whose numbers and lists are endless, or which name no conversation, which OpenIM reads " +
		"as all",
		"refused, or OpenIM gets the caller's own ids alone; of conversations with unknown users only the other user's existence is requested",
		attackIDs},
	{"slow", "headers, bodies and readers that take their time, a hundred at once",
		"cut off at the deadlines; another user's calls stay fast meanwhile", attackSlowness},
	{"socket", "frames and sockets that are malformed, oversized, endless, or name another sender; invalid tickets and tokens",
		"refused or closed; msggateway gets none of it, and never a sendID other than the session's", attackSocket},
	{"login", "messages of the login replayed, changed, raced and guessed",
		"one answer for everything: the same status, code, text and length", attackLogin},
	{"privilege", "users at the administrators' listener, administrators at the users' listener, every route of the table that is not the " +
		"caller's, the backend itself with assertions that are replayed, forged or for another role's paths",
		"refused; nothing reaches OpenIM", attackPrivilege},
	{"secrets", "all log lines, audit events, metrics and replies of the run",
		"holds no token, ticket, code, pre-shared key, password, key or message text", searchForSecrets},
}

// TestTheAttackCorpus runs the attacks class by class. docs/attacks.md is generated from the run: -update writes it.
func TestTheAttackCorpus(t *testing.T) {
	n := newTestEnv(t)
	for _, c := range corpus {
		t.Run(c.name, func(t *testing.T) { c.run(t, n) })
	}
	t.Run("page", func(t *testing.T) { n.checkPage(t) })
}

func (n *testEnv) checkPage(t *testing.T) {
	page := &strings.Builder{}
	page.WriteString(`# What attackers try

The corpus below runs against the whole wrapper in one process: gateway and backend as they run in a cluster, a real Redis, a server that
speaks MongoDB's protocol, and stand-ins for OpenIM's API and msggateway that record every byte. Limits are so high that none of them stops
an attack. Run it with ` + "`go test ./cmd/wrapper -run TestTheAttackCorpus`" + `.

| Class | What is tried | Cases | What is asserted | Test |
|---|---|---:|---|---|
`)
	total := 0
	for _, c := range corpus {
		if n.counted[c.name] == 0 {
			t.Logf("%s did not run: the page is not checked", c.name)
			return
		}
		total += n.counted[c.name]
		fmt.Fprintf(page, "| %s | %s | %d | %s | `TestTheAttackCorpus/%s` |\n", c.name, c.what, n.counted[c.name], c.asserted, c.name)
	}
	fmt.Fprintf(page, `
%d cases in all. [crossuser.md](crossuser.md) shows, call by call and against the real OpenIM, what one user can do to another. The
login's own pitfalls are tested in `+"`wrapper/login`"+`, every field of every frame in `+"`wrapper/websocket`"+`, and every rule of every route in
`+"`wrapper/routes`"+`. `+"`cmd/wrapper/life_test.go`"+` shows what a copied token or code is worth after a revocation, and that its owner
is not affected.

Floods are tested beside their limits. `+"`wrapper/gateway`"+` (unverified_test.go, connections_test.go) tests unverified callers at both
listeners and at the socket, and an address that takes all connections. `+"`wrapper/ratelimit` and `wrapper/login`"+` test a whole IPv6
site, and `+"`wrapper/auditlog`"+` (head_test.go) an audit log of which a whole chain was removed. Each test runs until other users were
served meanwhile and the address works again.

## Identifiers, bounds and empty lists

OpenIM makes regular expressions of conversation ids, unescaped and without an end. It lists ranges of numbers in memory before any look-up,
and it reads an empty list as all that it ever kept. Therefore ids hold letters, digits, _ - @ and : alone, in every field of every call,
including existing ids. Users do not choose the ids of groups. Every text, number, list and map of a body has a bound. An empty list becomes
the conversations that the caller is part of now. A conversation of two users counts when the other user exists: for invented users OpenIM
would keep keys in Redis for a year. [routes.md](routes.md) describes each field, [openapi.yaml](openapi.yaml) each bound. The "ids" class
above tests them through the whole wrapper, `+"`wrapper/routes`"+` field by field.

One thing remains OpenIM's: a legal id may be the prefix of another, so that a query by prefix finds more than was requested. The wrapper
filters such replies.

The test itself writes this page, with `+"`-update`"+`, and fails when the page is out of date.
`, total)
	if *update {
		if err := os.WriteFile(attackPage, []byte(page.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	written, err := os.ReadFile(attackPage)
	if err != nil || string(written) != page.String() {
		t.Errorf("docs/attacks.md is out of date (%v): run go test ./cmd/wrapper -run TestTheAttackCorpus -update", err)
	}
}
