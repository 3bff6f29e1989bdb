package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/openimstack/openim-operator/supervisor/freeport"
)

// bench holds the folder of the measurement and the addresses of the processes that all cases share.
type bench struct {
	dir      string
	self     string // this program
	wrapper  string // cmd/wrapper
	vegeta   string // the load
	stub     string
	redis    string
	password string
	token    string   // of the session with which the load calls
	many     []caller // the sessions of cases with many users
	files    int      // that a process may have open
	profiles string   // a folder for profiles, or empty
}

// running is a case under measurement.
type running struct {
	base      string            // http://host:port, and a prefix of the path
	processes []*process        // the last is the one that clients reach
	debug     map[string]string // addresses of profilers by the process' name
}

func (r *running) stop() {
	for _, p := range r.processes {
		p.stop()
	}
}

// contender is one case.
type contender struct {
	name, does string
	start      func(context.Context, *bench) (*running, error)
	users      int // whose calls take turns; 0: all calls are of one user
}

// chosen returns the cases of a list of names, always with the direct case, to which the others are compared.
func chosen(names string, more []contender) ([]contender, error) {
	all := slices.Concat(contenders, more)
	if names == "" {
		return all, nil
	}
	wanted := strings.Split(names, ",")
	cases := all[:1:1]
	for _, c := range all[1:] {
		if i := slices.Index(wanted, c.name); i >= 0 {
			cases, wanted = append(cases, c), slices.Delete(wanted, i, i+1)
		}
	}
	if len(wanted) > 0 {
		return nil, fmt.Errorf("there is no case %q: see the table that a run without -only writes", wanted[0])
	}
	return cases, nil
}

// The cases of requests, with descriptions that allow a comparison.
var contenders = []contender{
	{caseDirect, "no proxy: what is taken off the others' latency", startDirect, 0},
	{caseBare, "Go's httputil.ReverseProxy: no authentication, no limit, no log", startBare, 0},
	{"haproxy", "rate limit by token, log; no authentication: it has no subrequest", startHAProxy, 0},
	{
		"nginx",
		"auth_request to a service that looks the token up in memory, limit_req, access log",
		asking("nginx", nginxConfig, nil, "nginx", "-c", "{CONFIG}"),
		0,
	},
	{
		caseCaddy,
		"forward_auth to the same service, access log; no rate limit: it has none",
		asking("caddy", caddyConfig, []string{"GOMAXPROCS=1"}, "caddy", "run", "--adapter", "caddyfile", "--config", "{CONFIG}"),
		0,
	},
	{
		caseAuthOnly,
		"gateway and backend: session, identity, route, OpenIM's token; limits kept in memory, no rules",
		startWrapper(false, ours, ours),
		0,
	},
	{caseWrapper, "the same, with limits in Redis and a rule; audit log and request log of both", startWrapper(true, ours, ours), 0},
	{caseManyUsers, fmt.Sprintf("the same, of %d users in turns: a user's session, token and limit are in Redis", manyUsers),
		startWrapper(true, ours, ours), manyUsers},
}

func startDirect(_ context.Context, p *bench) (*running, error) {
	return &running{base: "http://" + p.stub + "/im/v1"}, nil
}

func startBare(ctx context.Context, p *bench) (*running, error) {
	address, err := freeport.Take()
	if err != nil {
		return nil, err
	}
	proxy, err := start(ctx, p.dir, measured, "reverseproxy", address, []string{"GOMAXPROCS=1"}, p.self, "proxy", address, p.stub)
	if err != nil {
		return nil, err
	}
	return &running{base: "http://" + address + "/im/v1", processes: []*process{proxy}}, nil
}

// fill writes a configuration from a template.
func (p *bench) fill(name, template string, values ...string) (string, error) {
	path := filepath.Join(p.dir, name)
	return path, os.WriteFile(
		path,
		[]byte(
			strings.NewReplacer(append(values, "{DIR}", p.dir, "{STUB}", p.stub, "{FILES}", strconv.Itoa(p.files), "{CONNECTIONS}",
				strconv.Itoa(p.connections()))...).
				Replace(template),
		),
		0o600,
	)
}

// connections is the number of connections that a proxy can hold: each uses two files, and some files are needed otherwise.
func (p *bench) connections() int { return p.files/2 - 100 }

const haproxyConfig = `
global
  nbthread 1
  maxconn {CONNECTIONS}
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout tunnel 1h
  timeout http-keep-alive 60s
frontend users
  bind {ADDRESS}
  stick-table type string len 80 size 100k expire 60s store http_req_rate(1s)
  http-request track-sc0 hdr(token)
  http-request deny deny_status 429 if { sc_http_req_rate(0) gt 1000000 }
  default_backend openim
backend openim
  http-reuse always
  server stub {STUB} maxconn {CONNECTIONS}
`

func startHAProxy(ctx context.Context, p *bench) (*running, error) {
	address, err := freeport.Take()
	if err != nil {
		return nil, err
	}
	config, err := p.fill("haproxy.cfg", haproxyConfig, "{ADDRESS}", address)
	if err != nil {
		return nil, err
	}
	proxy, err := start(ctx, p.dir, measured, "haproxy", address, nil, "haproxy", "-db", "-f", config)
	if err != nil {
		return nil, err
	}
	return &running{base: "http://" + address + "/im/v1", processes: []*process{proxy}}, nil
}

const nginxConfig = `
daemon off;
worker_processes 1;
worker_rlimit_nofile {FILES};
error_log {DIR}/nginx.err warn;
pid {DIR}/nginx.pid;
user root;
events { worker_connections {FILES}; }
http {
  access_log {DIR}/nginx.access combined;
  client_body_temp_path {DIR}/nginx-body;
  proxy_temp_path {DIR}/nginx-proxy;
  fastcgi_temp_path {DIR}/nginx-fastcgi;
  uwsgi_temp_path {DIR}/nginx-uwsgi;
  scgi_temp_path {DIR}/nginx-scgi;
  keepalive_requests 10000000;
  limit_req_zone $http_token zone=callers:10m rate=1000000r/s;
  map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
  upstream openim { server {STUB}; keepalive 256; keepalive_requests 10000000; }
  upstream auth { server {AUTH}; keepalive 256; keepalive_requests 10000000; }
  server {
    listen {ADDRESS};
    location / {
      auth_request /auth;
      limit_req zone=callers burst=1000 nodelay;
      proxy_pass http://openim;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
    }
    location = /auth {
      internal;
      proxy_pass http://auth;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_pass_request_body off;
      proxy_set_header Content-Length "";
    }
  }
}
`

func (p *bench) startAuth(ctx context.Context, name string) (*process, string, error) {
	address, err := freeport.Take()
	if err != nil {
		return nil, "", err
	}
	auth, err := start(ctx, p.dir, measured, name, address, []string{"GOMAXPROCS=1"}, p.self, "auth", address, p.token)
	return auth, address, err
}

const caddyConfig = `
{
	admin off
	auto_https off
}
http://{ADDRESS} {
	log {
		output file {DIR}/caddy.access
	}
	forward_auth {AUTH} {
		uri /auth
		copy_headers X-User
	}
	reverse_proxy {STUB}
}
`

// asking returns a start function of a proxy that authenticates each caller with a service; both are measured. args are the proxy's command
// line, in which {CONFIG} is replaced by the path of its configuration.
func asking(name, config string, env []string, args ...string) func(context.Context, *bench) (*running, error) {
	return func(ctx context.Context, p *bench) (*running, error) {
		auth, authAddress, err := p.startAuth(ctx, name+"-auth")
		if err != nil {
			return nil, err
		}
		r := &running{processes: []*process{auth}}
		address, err := freeport.Take()
		if err != nil {
			r.stop()
			return nil, err
		}
		file, err := p.fill(name+".conf", config, "{ADDRESS}", address, "{AUTH}", authAddress)
		if err != nil {
			r.stop()
			return nil, err
		}
		line := make([]string, len(args))
		for i, arg := range args {
			line[i] = strings.ReplaceAll(arg, "{CONFIG}", file)
		}
		proxy, err := start(ctx, p.dir, measured, name, address, append(env, "HOME="+p.dir), line...)
		if err != nil {
			r.stop()
			return nil, err
		}
		r.base, r.processes = "http://"+address+"/im/v1", append(r.processes, proxy)
		return r, nil
	}
}
