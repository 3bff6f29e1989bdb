package pods

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/openim"
)

// judge returns why a value of a field that is taken is refused, "" when it is not.
func judge(at string, value any) string {
	if _, field, found := strings.Cut(at, "].securityContext."); found {
		return privilege(field, value)
	}
	switch at {
	case "metadata.labels", "metadata.annotations":
		return reservedKey(value)
	case "spec.terminationGracePeriodSeconds":
		if seconds, ok := value.(int64); ok && seconds < 1 {
			return "a pod would be killed without notice: write 1 or more"
		}
	case "spec.volumes[]":
		return volume(value)
	case "spec.containers[own].env":
		return proxies(value)
	case "spec.containers[own].env[]":
		return cmp.Or(loads(text(value, "name")), variable(text(value, "name")))
	case "spec.containers[own].envFrom[]":
		return prefixed(text(value, "prefix"))
	case "spec.containers[own].volumeMounts[]":
		return mount(value)
	case "spec.containers[extra].volumeMounts[]":
		return operatorsVolume(text(value, "name"))
	}
	return ""
}

// text returns a field of an object, "" when it has none.
func text(value any, field string) string {
	fields, _ := value.(map[string]any)
	found, _ := fields[field].(string)
	return found
}

// domains of labels and annotations that templates must not write, with the reason. They count for all that is below them, too.
var domains = []struct{ name, why string }{
	{"app.kubernetes.io", "the policies, Services and Deployments select pods by these: use a prefix of your own"},
	{"openimstack.dev", "the operator reads these: use a prefix of your own"},
	{"seccomp.security.alpha.kubernetes.io", "write seccompProfile in a securityContext"},
	{"container.seccomp.security.alpha.kubernetes.io", "write seccompProfile in a securityContext"},
	{"container.apparmor.security.beta.kubernetes.io", "write appArmorProfile in a securityContext"},
}

func reservedKey(value any) string {
	fields, _ := value.(map[string]any)
	for _, key := range slices.Sorted(maps.Keys(fields)) { // the same text each time
		if key == "pod-template-hash" {
			return "pod-template-hash: Deployments find their pods by it: remove it"
		}
		domain, _, _ := strings.Cut(strings.ToLower(key), "/")
		for _, d := range domains {
			if ofDomain(domain, d.name) {
				return fmt.Sprintf("%s: %s", shorten(key), d.why)
			}
		}
		given, _ := fields[key].(string)
		if why := networked(key, given); why != "" {
			return why
		}
	}
	return ""
}

// volumes of the operator. A test compares them with those of all golden files.
var volumes = []string{
	"config", "supervisor", "share", "previous-share", "assertion", "tls", "login", "hot", "redis", "mongodb", "custody", "trust", "fcm",
}

func operatorsVolume(name string) string {
	prefixed := func(prefix string) bool { return strings.HasPrefix(name, prefix) }
	if slices.Contains(volumes, name) || slices.ContainsFunc([]string{"ca-", "jwks-", "store-"}, prefixed) {
		return fmt.Sprintf("the volume %s is the operator's, and may hold credentials of the component: use another name", shorten(name))
	}
	return ""
}

func volume(value any) string {
	if why := operatorsVolume(text(value, "name")); why != "" {
		return why
	}
	if fields, _ := value.(map[string]any); len(fields) != 2 && fields["hostPath"] == nil {
		return "it has no source, or several: write one of configMap, secret, projected, emptyDir, csi, downwardAPI, persistentVolumeClaim"
	}
	return ""
}

// Variables that OpenIM or its wrapper reads. OpenIM's configuration library takes the name of a key in capitals, and that of each key
// below it after an underscore, also without a prefix of its own (openim-server pkg/common/config at all supported releases).
var (
	names    = []string{"USER", "GROUP", "FRIEND", "CONVERSATION", "CONFIG_PATH", "POD_IP"}
	prefixes = []string{"IMENV_", "USER_", "GROUP_", "FRIEND_", "CONVERSATION_"}
)

func variable(name string) string {
	name = strings.ToUpper(name)
	if slices.Contains(names, name) || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) }) {
		return "it would change OpenIM's configuration past the spec: use spec.settings, or another name"
	}
	if slices.Contains(ofStores, name) {
		return "the operator sets it where the spec gives a store an authority or options: write them in spec.dependencies, or the " +
			"authorities in spec.pods.trust"
	}
	return ""
}

// ofStores are the variables by which the operator gives a component what a server needs (openim.TrustEnv, openim.ConnectionStringEnv).
var ofStores = []string{openim.TrustEnv, openim.ConnectionStringEnv}

// loader starts the variables that the dynamic loader reads (ld.so(8)), such as LD_PRELOAD.
const loader = "LD_"

// loads returns why a variable is refused by which a component would load a file of a volume as a part of itself.
func loads(name string) string {
	if strings.HasPrefix(strings.ToUpper(name), loader) {
		return "the dynamic loader would run another program inside the component's: remove it, and run programs in a container of their own"
	}
	return ""
}

// prefixed judges the prefix of variables whose names are in a ConfigMap or Secret, which may change later: no name that starts with it may
// be refused.
func prefixed(prefix string) string {
	const why = "the names in it could be those of OpenIM's configuration, of a proxy or of the dynamic loader: " +
		"write a prefix, for example APP_"
	prefix = strings.ToUpper(prefix)
	for _, name := range slices.Concat(names, prefixes, proxyNames, []string{loader}) {
		if strings.HasPrefix(name, prefix) || strings.HasSuffix(name, "_") && strings.HasPrefix(prefix, name) {
			return why
		}
	}
	return ""
}

var proxyNames = []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"}

// noProxy is the variable with what goes past a proxy.
const noProxy = "NO_PROXY"

// direct is what must not go through a proxy: the calls between the components, which Go's gRPC and HTTP clients would send there, too.
var direct = []string{"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", ".svc"}

// proxies judges the variables that name a proxy, and those that name what goes past it: also alone, because another template may have the
// proxy.
func proxies(value any) string {
	entries, _ := value.([]any)
	proxy, exempt := "", false
	for _, entry := range entries {
		switch name := text(entry, "name"); {
		case slices.Contains(proxyNames, strings.ToUpper(name)):
			proxy = name
		case strings.ToUpper(name) == noProxy:
			if exempt = exempts(text(entry, "value")); !exempt {
				return fmt.Sprintf("%s must keep the calls between the components from a proxy: write at least the value %s",
					name, strings.Join(direct, ","))
			}
		}
	}
	if proxy != "" && !exempt {
		return fmt.Sprintf("%s would send the calls between the components to the proxy: write NO_PROXY with the value %s beside it",
			proxy, strings.Join(direct, ","))
	}
	return ""
}

// exempts reports whether a value of NO_PROXY names all that must not go through a proxy.
func exempts(value string) bool {
	var parts []string
	for part := range strings.SplitSeq(value, ",") {
		parts = append(parts, strings.TrimSpace(part))
	}
	return !slices.ContainsFunc(direct, func(block string) bool { return !slices.Contains(parts, block) })
}

// folders of the operator, and of the programs, in a component's container.
var folders = []string{
	openim.ConfigDir, openim.SecretsDir, "/etc/wrapper", "/run/supervisor", "/openim-server", "/openim", "/dev",
	"/proc", "/sys", "/var/run/secrets", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr", "/wrapper",
}

// loaderFiles start the paths of the dynamic loader's own files, which name libraries: ld.so.preload, ld.so.cache, ld-musl-<arch>.path.
const loaderFiles = "/etc/ld"

// mount judges a mount in a component's own container.
func mount(value any) string {
	if why := operatorsVolume(text(value, "name")); why != "" {
		return why
	}
	target := text(value, "mountPath")
	if !path.IsAbs(target) || strings.Contains(target, ":") {
		return "mountPath must be an absolute path without a colon: write one, for example /srv/files"
	}
	target = path.Clean(target)
	hides := func(what string) string {
		return fmt.Sprintf("mountPath %s would hide %s, which the operator or the programs use: write another, for example /srv/files",
			shorten(target), what)
	}
	for _, folder := range folders {
		if within(target, folder) || within(folder, target) {
			return hides(folder)
		}
	}
	if strings.HasPrefix(target, loaderFiles) {
		return hides("files of the dynamic loader")
	}
	return ""
}

// within reports whether a path is a folder or below it.
func within(target, folder string) bool {
	return target == folder || strings.HasPrefix(target, strings.TrimSuffix(folder, "/")+"/")
}
