package policy

import (
	"cmp"
	"fmt"
	"strings"
)

// Docs writes docs/routes.md.
func Docs(adminPrefix string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Routes

Generated from the table in wrapper/policy by "go generate ./wrapper/policy". Do not edit.

Each path is OpenIM's own. Administrators call it below %[1]s, with OpenIM's body and reply:
%[2]sPOST %[1]s/user/get_users_info%[2]s. A path that is not listed here is refused, whatever OpenIM would say to it.

`, adminPrefix, "`")
	b.WriteString("## Called by administrators\n\n| path | for | users named in | class | audit | body, bytes | repeatable | releases |\n|---|---|---|---|---|---|---|---|\n")
	for _, r := range Table {
		if r.Audience != Admin {
			continue
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s | %s | %d | %s | %s |\n",
			r.Method, r.Path, r.Why, cmp.Or(strings.Join(r.Users, ", "), "–"), r.Limit.Name, r.Audit, r.Body, yesNo(r.Repeatable), cmp.Or(r.Releases, "all"))
	}
	b.WriteString("\n## Called by nobody through the gateway\n\nThese are refused by name, so that the reason can be said.\n\n| path | why | releases |\n|---|---|---|\n")
	for _, r := range Table {
		if r.Audience == Nobody {
			fmt.Fprintf(&b, "| `%s %s` | %s | %s |\n", r.Method, r.Path, r.Why, cmp.Or(r.Releases, "all"))
		}
	}
	b.WriteString("\n## Classes\n\nEach backend replica holds this budget for each class; a call beyond it is answered 429.\n\n| class | deadline | calls in flight |\n|---|---|---|\n")
	for _, l := range Limits {
		fmt.Fprintf(&b, "| %s | %s | %d |\n", l.Name, l.Deadline, l.InFlight)
	}
	return b.String()
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}
