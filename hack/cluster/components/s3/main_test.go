package main

import (
	"io"
	"path/filepath"
	"strings"
	"testing"
)

func account(name string) string {
	return map[string]string{accessKeyEnv: "key", secretKeyEnv: "secret"}[name]
}

func TestBadCommandLinesSayWhatToWrite(t *testing.T) {
	for name, c := range map[string]struct {
		args   []string
		getenv func(string) string
		want   string
	}{
		"an argument":             {[]string{"x"}, account, "takes flags only"},
		"a certificate alone":     {[]string{"--cert=a"}, account, "belong together"},
		"a key alone":             {[]string{"--key=a"}, account, "belong together"},
		"no connection":           {[]string{"--max-connections=0"}, account, "at least 1"},
		"an account without name": {nil, func(string) string { return "" }, "set S3_ACCESS_KEY and S3_SECRET_KEY"},
		"half an account": {nil, func(name string) string { return map[string]string{accessKeyEnv: "key"}[name] },
			"set S3_ACCESS_KEY and S3_SECRET_KEY"},
		"an unknown flag": {[]string{"--secret=x"}, account, "not defined"},
	} {
		if _, err := parse(c.args, c.getenv, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// The backend changes the working directory: no path may be relative to it.
func TestPathsAreAbsolute(t *testing.T) {
	cfg, err := parse([]string{"--data-dir=data", "--cert=c", "--key=k"}, account, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{cfg.dataDir, cfg.cert, cfg.key, cfg.objects, cfg.sidecar} {
		if !filepath.IsAbs(path) {
			t.Errorf("%s is relative", path)
		}
	}
	if strings.HasPrefix(cfg.sidecar, cfg.objects) {
		t.Error("attributes would be objects")
	}
}
