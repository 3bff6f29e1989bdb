package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	. "github.com/onsi/gomega"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/openimstack/openim-operator/wrapper/auditlog"
)

// auditFile writes a small audit log to a file, as the gateway does.
func auditFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "audit.log")
	l, err := auditlog.Open(auditlog.Options{Path: path, Program: "gateway", Log: slog.New(slog.DiscardHandler), Reg: prometheus.NewRegistry(),
		Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	for _, user := range []string{"alice", "bob", "carol"} {
		if err := l.Emit(auditlog.Event{Kind: auditlog.KindCall, Actor: auditlog.Actor{Role: "user", UserID: user},
			Outcome: auditlog.Outcome{Verdict: auditlog.Allowed}}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	l.Run(ctx)
	return path
}

func TestAuditVerify(t *testing.T) {
	good := auditFile(t)
	data, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(string(data), "\n")
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	edited := write("edited", strings.Replace(string(data), "bob", "eve", 1))
	first, second := write("first", strings.Join(lines[:2], "")), write("second", strings.Join(lines[2:], ""))
	chain := regexp.MustCompile(`"chain":"([0-9a-f]{32})"`).FindStringSubmatch(string(data))[1]
	hashes := regexp.MustCompile(`"hash":"([0-9a-f]{64})"`).FindAllStringSubmatch(string(data), -1)
	head := fmt.Sprintf(`{"chain":%q,"seq":4,"hash":%q}`, chain, hashes[4][1])
	gone := strings.Repeat("ab", 16)
	expected := write("expected", `{"errCode":0,"errMsg":"","errDlt":"","data":{"heads":[`+head+`]}}`)
	missing := write("missing", fmt.Sprintf(`{"heads":[%s,{"chain":%q,"seq":9,"hash":%q}]}`, head, gone, strings.Repeat("0", 64)))
	for _, c := range []struct {
		name           string
		args           []string
		stdin          io.Reader
		code           int
		stdout, stderr string
	}{
		{"a good file", []string{good}, nil, 0, "good: 5 events in 1 chains, 0 problems", ""},
		{"the standard input", nil, bytes.NewReader(data), 0, "ended in good order", ""},
		{"the standard input, by its name", []string{"-"}, bytes.NewReader(data), 0, "good: 5 events", ""},
		{"two parts in their order", []string{first, second}, nil, 0, "good: 5 events", ""},
		{"one event was edited", []string{edited}, nil, 1, "broken: line 3: event 2 of chain", ""},
		{"the parts in the wrong order", []string{second, first}, nil, 1, "BROKEN", ""},
		{"the second part alone", []string{second}, nil, 1, "the first 2 events", ""},
		{"the second part alone, as is wanted", []string{"--partial", second}, nil, 0, "note: line 1: the first 2 events", ""},
		{"an absent file", []string{"/absent"}, nil, 2, "", "reading the audit log: open /absent"},
		{"an input that breaks off", []string{"-"}, iotest.ErrReader(errors.New("connection lost")), 2, "", "connection lost"},
		{"no audit log at all", []string{"-"}, strings.NewReader("hello\n"), 2, "", "holds no audit event"},
		{"the expected heads are there", []string{"--expect", expected, good}, nil, 0, "good: 5 events", ""},
		{"the expected heads, from the standard input", []string{"--expect", "-", good}, strings.NewReader(`{"heads":[` + head + `]}`), 0, "good: 5 events", ""},
		{"a chain is missing", []string{"--expect", missing, good}, nil, 1, "chain " + gone + " is missing", ""},
		{"the end of a chain is missing", []string{"--expect", expected, first}, nil, 1, "the end of chain " + chain + " was cut off", ""},
		{"nothing is there", []string{"--expect", expected, "-"}, strings.NewReader(""), 1, "chain " + chain + " is missing", ""},
		{"both from the standard input", []string{"--expect", "-"}, strings.NewReader(""), 2, "", "write one of the two as a file"},
		{"an invalid list", []string{"--expect", good, good}, nil, 2, "", "reading the expected heads"},
		{"a list that is absent", []string{"--expect", "/absent", good}, nil, 2, "", "open /absent"},
		{"a flag nobody knows", []string{"--fix"}, nil, 2, "", "usage:"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := NewWithT(t)
			var stdout, stderr bytes.Buffer
			g.Expect(auditVerify(c.args, c.stdin, &stdout, &stderr)).To(Equal(c.code), stderr.String())
			g.Expect(stdout.String()).To(ContainSubstring(c.stdout))
			g.Expect(stderr.String()).To(ContainSubstring(c.stderr))
		})
	}
}
