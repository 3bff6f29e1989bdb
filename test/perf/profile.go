package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// profile starts to record a profile of each process with a profiler, to the folder for profiles. kind is pprof's name: "profile" is the CPU
// profile over a duration. The returned function waits for the profiles.
func (p *bench) profile(ctx context.Context, r *running, kind string, lasts time.Duration) func() error {
	if p.profiles == "" {
		return func() error { return nil }
	}
	var (
		work  sync.WaitGroup
		mu    sync.Mutex
		wrong error
	)
	for name, address := range r.debug {
		work.Go(func() {
			url := fmt.Sprintf("http://%s/debug/pprof/%s?seconds=%d", address, kind, int(lasts.Seconds()))
			if lasts == 0 {
				url = fmt.Sprintf("http://%s/debug/pprof/%s?gc=1", address, kind)
			}
			err := download(ctx, url, filepath.Join(p.profiles, name+"."+kind))
			mu.Lock()
			defer mu.Unlock()
			wrong = errors.Join(wrong, err)
		})
	}
	return func() error {
		work.Wait()
		return wrong
	}
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
