package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// profile starts to record profiles of each process with a profiler, to the folder for profiles, as CASE-PROCESS.KIND. kinds are pprof's
// names: "profile" is the CPU profile, "allocs" what was allocated, both over a duration of whole seconds; a duration of 0 takes what
// there is, after a collection. The returned function waits for the profiles.
func (p *bench) profile(ctx context.Context, name string, r *running, lasts time.Duration, kinds ...string) func() error {
	if p.profiles == "" {
		return func() error { return nil }
	}
	var (
		work  sync.WaitGroup
		mu    sync.Mutex
		wrong error
	)
	for role, address := range r.debug {
		for _, kind := range kinds {
			work.Go(func() {
				url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", address, kind, int(lasts.Seconds()))
				if lasts == 0 {
					url = fmt.Sprintf("http://%s/debug/pprof/%s?gc=1", address, kind)
				}
				err := download(ctx, url, filepath.Join(p.profiles, profileName(name)+"-"+role+"."+kind))
				mu.Lock()
				defer mu.Unlock()
				wrong = errors.Join(wrong, err)
			})
		}
	}
	return func() error {
		work.Wait()
		return wrong
	}
}

// profileName returns a case's name as a part of a file's name: "wrapper: many users" is "wrapper-many-users".
func profileName(name string) string {
	return strings.NewReplacer(": ", "-", " ", "-").Replace(name)
}

func download(ctx context.Context, url, path string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("take a profile: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("take a profile: HTTP status %d", resp.StatusCode)
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, resp.Body)
	return errors.Join(err, out.Close())
}
