package loopback

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/openim"
	"github.com/openimstack/openim-operator/supervisor/freeport"
)

// DefaultRelease is the release whose programs hack/cluster/components/openim pins.
const DefaultRelease = "v3.8.3"

// Environment variables that select another release of OpenIM than the one that is built here.
const (
	// ProgramsEnv names a folder with the release's twelve programs.
	ProgramsEnv = "OPENIM_BIN"
	// ReleaseEnv names the release, for example v3.8.3-patch.16.
	ReleaseEnv = "OPENIM_RELEASE"
)

// FromEnvironment returns the options with the programs and the release of the environment variables, if they are set.
// Programs without a release are an error: the release decides how configuration is rendered and what a test may expect.
func (o Options) FromEnvironment() (Options, error) {
	programs, release := os.Getenv(ProgramsEnv), os.Getenv(ReleaseEnv)
	if (programs == "") != (release == "") {
		return o, fmt.Errorf("reading %s and %s: one is set without the other: set both, or none for %s", ProgramsEnv, ReleaseEnv, DefaultRelease)
	}
	if programs != "" {
		o.Programs, o.Release = programs, release
	}
	return o, nil
}

// given returns the absolute path of a folder after checking that it holds all of OpenIM's programs.
func given(folder string) (string, error) {
	path, err := filepath.Abs(folder)
	if err != nil {
		return "", fmt.Errorf("looking for OpenIM's programs: %w", err)
	}
	for _, p := range openim.Processes() {
		if info, err := os.Stat(filepath.Join(path, p.Binary)); err != nil || info.IsDir() {
			return "", fmt.Errorf("looking for OpenIM's programs: %s has no %s: name a folder with all twelve", path, p.Binary)
		}
	}
	return path, nil
}

// addOpenIM adds the twelve processes, with the operator's configuration.
func (s *Stack) addOpenIM(context.Context) ([]string, error) {
	release, err := openim.ParseRelease(cmp.Or(s.options.Release, DefaultRelease))
	if err != nil {
		return nil, err
	}
	settings := openim.Settings{
		Release: release, Brokers: []string{s.Kafka}, RedisAddresses: []string{s.Redis}, EtcdEndpoints: []string{s.Etcd}, EtcdRoot: etcdRoot,
		MongoDB:       openim.MongoDBSettings{Addresses: []string{s.MongoDB}, Database: Database},
		ObjectStorage: s.objectStorage(),
	}
	var names []string
	for _, p := range openim.Processes() {
		for _, port := range p.Ports {
			if err := vacant(port.Number); err != nil {
				return nil, err
			}
		}
		what, err := s.openIMProgram(p, settings)
		if err != nil {
			return nil, err
		}
		names = append(names, s.add(string(p.Name), what))
	}
	if s.OpenIM.URL, err = OpenIMURL(); err != nil {
		return nil, err
	}
	s.SocketURL, err = local("ws", openim.MsgGateway, openim.WebSocket)
	return names, err
}

// OpenIMURL returns the URL of OpenIM's API, which is the same in every stack: the ports are fixed.
func OpenIMURL() (string, error) { return local("http", openim.API, openim.HTTP) }

// local returns the URL of a process's port on loopback.
func local(scheme string, name openim.Name, kind openim.PortKind) (string, error) {
	process, ok := openim.Lookup(name)
	if !ok {
		return "", fmt.Errorf("the catalogue has no process %q", name)
	}
	port, ok := process.Port(kind)
	if !ok {
		return "", fmt.Errorf("%s has no port of kind %q", name, kind)
	}
	return fmt.Sprintf("%s://127.0.0.1:%d", scheme, port.Number), nil
}

// rendered returns a process's configuration: its files and its environment.
func (s *Stack) rendered(p openim.Process, settings openim.Settings) (files map[string]string, env []string, err error) {
	if s.options.Render != nil {
		return s.options.Render(s, p)
	}
	files, err = openim.Render(p, settings)
	env = []string{
		openim.EnvName(openim.RedisFile, openim.KeyPassword) + "=" + RedisPassword,
		openim.EnvName(p.OwnFile(), openim.KeyRegisterIP) + "=127.0.0.1",
	}
	if files := s.objectStorage(); files != nil && p.Name == openim.RPCThird {
		id, secret := files.CredentialsEnv()
		env = append(env, id+"="+filesKey, secret+"="+filesSecret)
	}
	if p.ShareSecret {
		env = append(env, openim.EnvName(openim.ShareFile, openim.KeySecret)+"="+ShareSecret)
	}
	return files, env, err
}

func (s *Stack) openIMProgram(p openim.Process, settings openim.Settings) (program, error) {
	files, env, err := s.rendered(p, settings)
	if err != nil {
		return program{}, err
	}
	config, err := s.data("config-" + string(p.Name))
	if err != nil {
		return program{}, err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(config, name), []byte(content), 0o644); err != nil {
			return program{}, fmt.Errorf("writing the configuration of %s: %w", p.Name, err)
		}
	}
	if s.options.OpenIM != nil {
		env = append(env, s.options.OpenIM(p)...)
	}
	ready := atOnce
	switch metrics, ok := p.Port(openim.Metrics); {
	case p.Name == openim.API:
		ready = s.login // which needs rpc-auth and rpc-user, too
	case ok:
		ready = serves(fmt.Sprintf("http://127.0.0.1:%d/metrics", metrics.Number))
	}
	what := program{path: filepath.Join(s.bin["openim"], p.Binary), args: []string{"-c", config}, env: env, ready: ready}
	if s.options.Supervised {
		return s.supervised(p, what)
	}
	if s.options.User != 0 {
		return s.asUser(what)
	}
	return what, nil
}

// asUser returns a program that runs as the user of the options. Its file is linked to where group 0 reaches it: the cache of programs is
// the caller's own.
func (s *Stack) asUser(what program) (program, error) {
	folder, err := s.data("bin")
	if err == nil {
		err = os.Chmod(s.Dir, 0o750)
	}
	if err != nil {
		return program{}, err
	}
	linked := filepath.Join(folder, filepath.Base(what.path))
	if err := os.Link(what.path, linked); err != nil {
		return program{}, fmt.Errorf("linking a program of OpenIM: %w", err)
	}
	what.path, what.user = linked, s.options.User
	return what, nil
}

// supervised returns a program under the supervisor, whose port differs from that in pods: all processes share one loopback interface.
func (s *Stack) supervised(p openim.Process, what program) (program, error) {
	health, err := freeport.Take()
	if err != nil {
		return program{}, err
	}
	key, args := etcdRoot, []string{"--etcd=" + s.Etcd, "--health=" + health}
	if p.Registered != "" {
		key += "/" + p.Registered
		args = append(args, "--host=127.0.0.1")
	}
	for _, port := range p.Ports {
		if port.Kind != openim.Health {
			args = append(args, fmt.Sprintf("--listen=%s:%d", port.Kind, port.Number))
		}
	}
	s.health[p.Name] = health
	args = append(append(args, "--key="+key, "--", what.path), what.args...)
	ready := serves("http://" + health + "/readyz")
	if p.Name == openim.API {
		ready = what.ready
	}
	return program{path: filepath.Join(s.bin["supervisor"], "supervisor"), args: args, env: what.env, ready: ready}, nil
}

// Health returns the address on which the supervisor of a process answers probes.
func (s *Stack) Health(name openim.Name) string { return s.health[name] }

// login requests the administrator's token.
func (s *Stack) login(ctx context.Context) error {
	data, err := s.OpenIM.Call(ctx, "/auth/get_admin_token", Object{"secret": ShareSecret, "userID": openim.AdminUserID})
	if err != nil {
		return err
	}
	token, ok := data["token"].(string)
	if !ok {
		return fmt.Errorf("/auth/get_admin_token answers without a token")
	}
	s.OpenIM.Token = token
	return nil
}
