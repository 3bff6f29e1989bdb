package supervisor_test

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"google.golang.org/grpc"
)

// program listens as it is told at its control address, and ends as it is told. It stands for one of OpenIM's programs.
func program(control string) int {
	listener, err := net.Listen("tcp", control)
	must(err)
	p := &child{signals: make(chan os.Signal, 8), exit: make(chan int, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/pid", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, os.Getpid()) })
	mux.HandleFunc("/listen", p.listen)
	mux.HandleFunc("/handle", p.handle)
	mux.HandleFunc("/signals", p.got)
	mux.HandleFunc("/exit", p.leave)
	mux.HandleFunc("/orphan", orphan)
	go func() { _ = http.Serve(listener, mux) }()
	return <-p.exit
}

type child struct {
	sync.Mutex
	signals chan os.Signal
	seen    []string
	exit    chan int
}

// listen serves one kind of port.
func (p *child) listen(w http.ResponseWriter, r *http.Request) {
	listener, err := net.Listen("tcp", "127.0.0.1:"+r.URL.Query().Get("port"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusConflict)
		return
	}
	switch r.URL.Query().Get("kind") {
	case "grpc":
		go func() { _ = grpc.NewServer().Serve(listener) }()
	case "silent": // the kernel accepts connections, nobody serves them
	default:
		go func() { _ = http.Serve(listener, http.NotFoundHandler()) }()
	}
}

// handle records signals instead of dying of them, and ends with a code at SIGTERM if one is given.
func (p *child) handle(_ http.ResponseWriter, r *http.Request) {
	code := r.URL.Query().Get("code")
	signal.Notify(p.signals, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1)
	go func() {
		for s := range p.signals {
			p.Lock()
			p.seen = append(p.seen, s.String())
			p.Unlock()
			if number, err := strconv.Atoi(code); err == nil && s == syscall.SIGTERM {
				p.exit <- number
			}
		}
	}()
}

func (p *child) got(w http.ResponseWriter, _ *http.Request) {
	p.Lock()
	defer p.Unlock()
	_, _ = fmt.Fprint(w, strings.Join(p.seen, ","))
}

func (p *child) leave(w http.ResponseWriter, r *http.Request) {
	code, err := strconv.Atoi(r.URL.Query().Get("code"))
	must(err)
	w.Header().Set("Content-Length", "0") // so that the reply is whole before the program ends
	w.WriteHeader(http.StatusOK)
	must(http.NewResponseController(w).Flush())
	p.exit <- code
}

// orphan starts a process whose parent ends at once, and which then ends itself. It answers with the orphan's number.
func orphan(w http.ResponseWriter, _ *http.Request) {
	out, err := exec.Command("/bin/sh", "-c", "sleep 0.3 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	_, _ = w.Write([]byte(strings.TrimSpace(string(out))))
}
