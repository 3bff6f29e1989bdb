package routes

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/openimstack/openim-operator/wrapper/wire"
)

// Docs returns docs/routes.md.
func Docs() string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Routes

Generated from the tables in wrapper/routes by "go generate ./wrapper/routes". Do not edit. [openapi.yaml](openapi.yaml) has the same as an
OpenAPI document.

Each path is OpenIM's own. Users call it below %[1]s%[2]s%[1]s on the users' listener, administrators below %[1]s%[3]s%[1]s on the
administrators' listener, with OpenIM's body and reply: %[1]sPOST %[2]s/user/get_users_info%[1]s. Paths are compared byte for byte. The
gateway refuses every path that is not listed here.
%[4]d paths are for users, %[5]d for administrators, %[6]d for nobody.

`, "`", wire.UserPrefix, wire.AdminPrefix, count(User), count(Admin), count(Nobody))
	docsUsers(&b)
	docsReplies(&b)
	docsAdmins(&b)
	docsNobody(&b)
	docsOwn(&b)
	b.WriteString("\n## Classes\n\nEach backend replica has these limits for each class. Further calls are refused with status 429.\n\n" +
		"| class | deadline | calls in flight |\n|---|---|---|\n")
	for _, l := range Limits {
		fmt.Fprintf(&b, "| %s | %s | %d |\n", l.Name, l.Deadline, l.InFlight)
	}
	return b.String()
}

func count(a Audience) int {
	n := 0
	for i := range Table {
		if r := &Table[i]; r.For(a) || a == Nobody && r.Audience == Nobody {
			n++
		}
	}
	return n
}

func docsUsers(b *strings.Builder) {
	b.WriteString(`## Called by users

OpenIM receives the members of a user's body that its own protocol has, in its own spelling, after these rules. Other members are removed.
A member in two spellings of case, or of another type, is refused (errCode 1001). A violated rule is refused with errCode 1002. Groups and
conversations in a list that are not (or no longer) the caller's are removed, and the call is refused if none is left. Ids may contain
letters, digits, _ - @ and : only. Every text, number, list and map has a bound, which [openapi.yaml](openapi.yaml) contains; beyond it the
call is refused.

| path | purpose | rules for the body | class | audit | body, bytes | repeatable | releases |
|---|---|---|---|---|---|---|---|
`)
	for i := range Table {
		r := &Table[i]
		if !r.ForUsers() {
			continue
		}
		var rules []string
		for _, rule := range r.Identity {
			rules = append(rules, describeRule(rule))
		}
		fmt.Fprintf(b, "| `%s %s` | %s | %s | %s | %s | %d | %s | %s |\n",
			r.Method, r.Path, r.Why, cmp.Or(strings.Join(rules, "; "), "names no user"), r.Limit.Name, r.Audit, r.Body, yesNo(r.Repeatable),
			r.Releases())
	}
}

func describeRule(rule Identity) string {
	text := "`" + rule.Field + "` "
	if rule.With != "" {
		text += "or `" + rule.With + "`: "
	}
	text += string(rule.Rule)
	if rule.Why != "" {
		text += " (" + rule.Why + ")"
	}
	return text
}

func docsAdmins(b *strings.Builder) {
	b.WriteString("\n## Called by administrators\n\n" +
		"| path | purpose | users named in | class | audit | body, bytes | repeatable | releases |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for i := range Table {
		r := &Table[i]
		if !r.ForAdmins() {
			continue
		}
		fmt.Fprintf(b, "| `%s %s` | %s | %s | %s | %s | %d | %s | %s |\n",
			r.Method, r.Path, r.Why, cmp.Or(strings.Join(r.Users, ", "), "–"), r.Limit.Name, r.Audit, r.Body, yesNo(r.Repeatable), r.Releases())
	}
}

func docsNobody(b *strings.Builder) {
	b.WriteString("\n## Called by nobody through the gateway\n\nThe refusal of these routes contains the reason.\n\n" +
		"| path | reason | releases |\n|---|---|---|\n")
	for i := range Table {
		if r := &Table[i]; r.Audience == Nobody {
			fmt.Fprintf(b, "| `%s %s` | %s | %s |\n", r.Method, r.Path, r.Why, r.Releases())
		}
	}
}

func docsOwn(b *strings.Builder) {
	b.WriteString("\n## The gateway's own\n\n| path | listener | credential | purpose | reply | class | audit | body, bytes |\n" +
		"|---|---|---|---|---|---|---|---|\n")
	for i := range OwnRoutes {
		r := &OwnRoutes[i]
		fmt.Fprintf(b, "| `%s %s` | %s | %s | %s | %s | %s | %s | %d |\n",
			r.Method, r.Path, r.Listener, r.credential(), r.Why, cmp.Or(r.Reply, "–"), r.Limit, r.Audit, r.Body)
	}
	docsOwnReplies(b)
}

func (r *OwnRoute) credential() string {
	switch {
	case r.Listener == Admins:
		return "administrator's token"
	case r.Session:
		return "session"
	}
	return "none"
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
