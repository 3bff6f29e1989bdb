package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// profiledFor is the longest time in seconds for which the operator's CPU is profiled.
const profiledFor = 15

// startProfiles writes a profile of the operator's heap, starts one of its CPU, and returns the function that waits for it and writes that
// of what was allocated since the start. It does nothing without a directory for profiles.
func (o *operator) startProfiles(ctx context.Context, s settings) (finish func() error, err error) {
	if s.profiles == "" {
		return func() error { return nil }, nil
	}
	base := "http://" + s.pprof + "/debug/pprof/"
	if err := save(ctx, base+"heap?gc=1", filepath.Join(s.profiles, "heap.pprof")); err != nil {
		return nil, err
	}
	if err := save(ctx, base+"allocs", filepath.Join(s.profiles, "allocs-before.pprof")); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() {
		done <- save(ctx, fmt.Sprintf("%sprofile?seconds=%d", base, profiledFor), filepath.Join(s.profiles, "cpu.pprof"))
	}()
	return func() error {
		if err := save(ctx, base+"allocs", filepath.Join(s.profiles, "allocs.pprof")); err != nil {
			return err
		}
		return <-done
	}, nil
}

// save writes what a URL answers to a file.
func save(ctx context.Context, url, file string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("reading a profile of the operator: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("reading %s: status %d", url, response.StatusCode)
	}
	out, err := os.Create(file)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, response.Body); err != nil {
		_ = out.Close()
		return err
	}
	return out.Close()
}
