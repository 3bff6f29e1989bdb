package main

import (
	"context"
	"time"
)

// unchanged is the cost of one reconciliation that changes nothing.
type unchanged struct {
	cpu                 time.Duration
	allocated, requests float64
	// longest is the time within which 99 % of them ended, in seconds.
	longest float64
}

// measureUnchanged makes the operator reconcile every stack, as often as the settings say, and returns the cost of one reconciliation. The
// cost of reading the operator's metrics meanwhile is measured first, and taken off.
func measureUnchanged(ctx context.Context, c *cluster, o *operator, s settings) (unchanged, error) {
	profiles, err := o.startProfiles(ctx, s)
	if err != nil {
		return unchanged{}, err
	}
	before, err := o.sample(ctx)
	if err != nil {
		return unchanged{}, err
	}
	idle, err := o.quiet(ctx)
	if err != nil {
		return unchanged{}, err
	}
	readings := idle.scrapes() - before.scrapes()
	first := idle
	last := idle
	for range s.touches {
		for i := range s.stacks {
			if err := c.touch(ctx, namespaceOf(i)); err != nil {
				return unchanged{}, err
			}
		}
		if last, err = o.quiet(ctx); err != nil {
			return unchanged{}, err
		}
	}
	if err := profiles(); err != nil {
		return unchanged{}, err
	}
	// What was spent on one reading of the metrics, as often as they were read.
	share := (last.scrapes() - first.scrapes()) / max(readings, 1)
	all := float64(s.stacks * s.touches)
	cpu := float64(last.cpu-first.cpu) - share*float64(idle.cpu-before.cpu)
	allocated := last.allocated() - first.allocated() - share*(idle.allocated()-before.allocated())
	return unchanged{
		cpu: time.Duration(cpu / all), allocated: allocated / all, requests: (last.requests() - first.requests()) / all,
		longest: last.reconcile99(first),
	}, nil
}
