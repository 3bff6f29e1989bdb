package image

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"github.com/openimstack/openim-operator/hack/cluster/component"
	"github.com/openimstack/openim-operator/hack/cluster/host"
	stamped "github.com/openimstack/openim-operator/version"
)

// Names of the images, without prefix and tag.
const (
	Operator = "openim-operator"
	Wrapper  = "openim-wrapper"
	// WrapperNext is the wrapper with another version stamped in: another build, for tests of rollouts.
	WrapperNext          = "openim-wrapper-next"
	Supervisor           = "openim-supervisor"
	OpenIMServer         = "openim-server"
	OpenIMUpstreamLayout = "openim-server-upstream-layout"
	// OpenIMNext and OpenIMStuck stand in for later releases, which the Go module proxy does not have: they are the programs of OpenIMServer
	// under the tags of two patches with the same configuration format. In OpenIMStuck, openim-rpc-user starts and never serves.
	OpenIMNext  = "openim-server-next"
	OpenIMStuck = "openim-server-stuck"
	// OpenIMUnsendable serves and registers as OpenIMServer does, and sends no message.
	OpenIMUnsendable = "openim-server-unsendable"
	InfraEtcd        = "infra-etcd"
	InfraRedis       = "infra-redis"
	InfraKafka       = "infra-kafka"
	InfraMongoDB     = "infra-mongodb"
	// InfraPrometheus is for the end-to-end test of metrics alone: it is built when it is named.
	InfraPrometheus = "infra-prometheus"
	InfraS3         = "infra-s3"
	// InfraTraefik is for the end-to-end test of exposures alone: it is built when it is named.
	InfraTraefik = "infra-traefik"
)

// recipe lists the parts of an image.
type recipe struct {
	name       string
	dockerfile string // relative to the repository
	target     string // stage of the Dockerfile; "" is the last
	// release, if not empty, is the component whose version is the tag. Others are tagged by their content.
	release string
	// repository and fixedTag, if not empty, are those of the image instead of those of its name and content.
	repository, fixedTag string
	// onDemand leaves the image out of a build that names none.
	onDemand bool
	// components lists components and the paths of their programs in the build context.
	components []part
	// packages lists Debian's packages that files come from.
	packages []host.Package
	// files returns files of this machine and links by their paths in the build context.
	files func(arch string) (map[string]source, error)
}

// part is a component and the paths of its programs in the build context.
type part struct {
	spec func(root, arch string) component.Spec
	// place returns the path of a program, or "" to leave it out.
	place func(program, arch string) string
}

// source is a file of this machine, or a symbolic link.
type source struct {
	path string // of the file
	link string // target of the link, if it is one
}

// recipes are listed in the order in which they are built.
func recipes() []recipe {
	openim := part{spec: native(OpenIM), place: under("bin")}
	return []recipe{
		{name: Operator, dockerfile: "Dockerfile", target: "operator", components: []part{{spec: program("manager"), place: inDist}}},
		{name: Wrapper, dockerfile: "Dockerfile", target: "wrapper", components: []part{{spec: program("wrapper"), place: inDist}}},
		{name: WrapperNext, dockerfile: "Dockerfile", target: "wrapper", components: []part{{spec: nextWrapper, place: inDist}}},
		{name: Supervisor, dockerfile: "Dockerfile", target: "supervisor", components: []part{
			{spec: program("supervisor"), place: inDist}, {spec: program("preflight"), place: inDist},
		}},
		{
			name:       OpenIMServer,
			dockerfile: "hack/cluster/components/openim/Dockerfile",
			target:     "server",
			release:    "openim",
			components: []part{openim},
		},
		{
			name: OpenIMUpstreamLayout, dockerfile: "hack/cluster/components/openim/Dockerfile", target: "upstream-layout", release: "openim",
			components: []part{openim}, packages: []host.Package{host.Busybox}, files: upstreamLayout,
		},
		{
			name: OpenIMNext, repository: OpenIMServer, fixedTag: "v3.8.3-patch.1",
			dockerfile: "hack/cluster/components/openim/Dockerfile", target: "server", components: []part{openim},
		},
		{
			name: OpenIMStuck, repository: OpenIMServer, fixedTag: "v3.8.3-patch.2",
			dockerfile: "hack/cluster/components/openim/Dockerfile", target: "server", components: []part{
				{spec: native(OpenIM), place: but(stuckProgram, under("bin"))},
				{spec: native(component.Pause), place: func(string, string) string { return filepath.Join("bin", stuckProgram) }},
			},
		},
		{
			name: OpenIMUnsendable, fixedTag: "v3.8.3-patch.2",
			dockerfile: "hack/cluster/components/openim/Dockerfile", target: "server", components: []part{
				{spec: native(OpenIM), place: but(unsendableProgram, under("bin"))}, {spec: native(Unsendable), place: under("bin")},
			},
		},
		{name: InfraEtcd, dockerfile: "hack/images/etcd/Dockerfile", components: []part{{spec: native(component.Etcd), place: under("")}}},
		{
			name: InfraRedis, dockerfile: "hack/images/redis/Dockerfile", packages: []host.Package{host.RedisServer},
			files: debian(host.RedisServer, "redis-server", "redis-cli"),
		},
		{name: InfraKafka, dockerfile: "hack/cluster/components/kafka/Dockerfile", components: []part{{spec: native(Kafka), place: under("")}}},
		{name: InfraMongoDB, dockerfile: "hack/cluster/components/mongodb/Dockerfile", components: []part{
			{spec: native(MongoDB), place: under("")}, {spec: native(FerretDB), place: under("")},
		}},
		{
			name: InfraPrometheus, dockerfile: "hack/images/prometheus/Dockerfile", onDemand: true,
			packages: []host.Package{host.Prometheus}, files: debian(host.Prometheus, "prometheus"),
		},
		{name: InfraS3, dockerfile: "hack/cluster/components/s3/Dockerfile", components: []part{{spec: native(S3), place: under("")}}},
		{
			name: InfraTraefik, dockerfile: "hack/cluster/components/traefik/Dockerfile", onDemand: true,
			components: []part{{spec: native(Traefik), place: under("")}},
		},
	}
}

// native adds the target architecture to a component if it differs from this machine's.
func native(spec func(root string) component.Spec) func(root, arch string) component.Spec {
	return func(root, arch string) component.Spec {
		s := spec(root)
		if arch != runtime.GOARCH {
			s.Env = append(s.Env, "GOARCH="+arch)
		}
		return s
	}
}

// program returns the component of one of the project's own programs, static, for Linux.
func program(name string) func(root, arch string) component.Spec {
	return func(root, arch string) component.Spec {
		return component.Spec{
			Name:     name,
			Dir:      root,
			Version:  version(),
			Packages: []string{"./cmd/" + name},
			Stamp:    func(v string) []string { return []string{stamped.Variable + "=" + v} },
			// Without its tracing pages, gRPC does not pull in text/template, which costs each supervisor 3 MB of memory.
			Env: []string{"GOOS=linux", "GOARCH=" + arch, "GOFLAGS=-tags=grpcnotrace"},
		}
	}
}

// nextWrapper is the wrapper with another version.
func nextWrapper(root, arch string) component.Spec {
	s := program("wrapper")(root, arch)
	s.Name, s.Version = "wrapper-next", NextVersion
	return s
}

// NextVersion is the version that is stamped into WrapperNext.
const NextVersion = "next"

// VersionEnv is the environment variable with the release that is stamped into the project's programs. The default is dev: a stamp that
// changes with every commit would change every image, too.
const VersionEnv = "VERSION"

func version() string {
	if v := os.Getenv(VersionEnv); v != "" {
		return v
	}
	return "dev"
}

func under(dir string) func(program, arch string) string {
	return func(program, _ string) string { return filepath.Join(dir, program) }
}

const (
	// stuckProgram is the program of OpenIMStuck that never serves.
	stuckProgram = "openim-rpc-user"
	// unsendableProgram is the program of OpenIMUnsendable that sends no message.
	unsendableProgram = "openim-rpc-msg"
)

// but leaves one program out.
func but(without string, place func(program, arch string) string) func(program, arch string) string {
	return func(program, arch string) string {
		if program == without {
			return ""
		}
		return place(program, arch)
	}
}

// reference returns the image's repository and tag under a prefix.
func (p *plan) reference(prefix string) string {
	return prefix + cmp.Or(p.repository, p.name) + ":" + p.tag
}

func inDist(program, arch string) string { return filepath.Join("dist", "linux_"+arch, program) }

// upstreamLayout returns links from upstream's paths to this project's, and a shell.
func upstreamLayout(arch string) (map[string]source, error) {
	root, err := component.Root()
	if err != nil {
		return nil, err
	}
	programs, err := tools(context.Background(), OpenIM(root).Dir)
	if err != nil {
		return nil, err
	}
	files := map[string]source{"busybox": {path: host.Find("busybox")}}
	for _, program := range programs {
		files[filepath.Join("openim-server/_output/bin/platforms/linux", arch, program)] = source{link: "/openim/bin/" + program}
	}
	return files, nil
}

// debian returns programs of one of Debian's packages with the libraries that the dynamic linker loads for them.
func debian(pkg host.Package, programs ...string) func(string) (map[string]source, error) {
	return func(string) (map[string]source, error) {
		files := map[string]source{}
		for _, program := range programs {
			path := host.Find(program)
			if path == "" {
				return nil, fmt.Errorf("%s is not installed: install Debian's package %s", program, pkg.Name)
			}
			real, err := filepath.EvalSymlinks(path)
			if err != nil {
				return nil, err
			}
			files[filepath.Join("root/usr/bin", program)] = source{path: real}
			libraries, err := libraries(real)
			if err != nil {
				return nil, err
			}
			for _, library := range libraries {
				// The name that the linker requests is often a link to the file.
				if real, err = filepath.EvalSymlinks(library); err != nil {
					return nil, err
				}
				files[filepath.Join("root", library)] = source{path: real}
			}
		}
		return files, nil
	}
}
