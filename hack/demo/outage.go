package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/openimstack/openim-operator/hack/environment/chat"
)

const (
	// etcdOutage is longer than the lease of OpenIM's registrations, 30 s: after it, OpenIM v3.8.3 alone is never found again.
	etcdOutage = 45 * time.Second
	// healing bounds the time from the end of the outage to the last restored registration.
	healing = time.Minute
	// pace of the messages during the outage.
	pace = time.Second
)

// etcdOutage freezes etcd under traffic, and waits until every process that registers is registered again.
func (s *demo) etcdOutage(ctx context.Context) error {
	before, err := s.Restarts(ctx, s.stack)
	if err != nil {
		return err
	}
	thaw, err := s.FreezeEtcd()
	if err != nil {
		return err
	}
	sent, err := s.exchange(ctx, etcdOutage)
	if thawed := thaw(); thawed != nil {
		return fmt.Errorf("resuming etcd: %w", thawed)
	}
	if err != nil {
		return fmt.Errorf("sending without etcd: %w", err)
	}
	s.Journal.Say("while etcd stood still                 %d messages from alice's socket to bob's, none lost", sent)
	took, err := s.healed(ctx)
	if err != nil {
		return err
	}
	s.Journal.Say("the registrations in etcd              lost with their leases, all restored within %s", rounded(took))
	after, err := s.Restarts(ctx, s.stack)
	if err != nil {
		return err
	}
	if !maps.Equal(before, after) {
		return fmt.Errorf("containers were restarted: %v before, %v after", before, after)
	}
	if !s.aliceSocket.Alive() || !s.bobSocket.Alive() {
		return fmt.Errorf("a socket was closed")
	}
	if sent, err = s.exchange(ctx, pace); err != nil {
		return fmt.Errorf("sending after the outage: %w", err)
	}
	s.Journal.Say("restarts of OpenIM's containers        none; both sockets are open, %d more message delivered", sent)
	return nil
}

// exchange sends messages from alice to bob for a while and receives each of them.
func (s *demo) exchange(ctx context.Context, last time.Duration) (sent int, err error) {
	for began := time.Now(); time.Since(began) < last; sent++ {
		message, err := s.aliceSocket.Send(ctx, bob, fmt.Sprintf("message %d without etcd", sent))
		if err != nil {
			return sent, err
		}
		receiving, cancel := context.WithTimeoutCause(ctx, deliveryTimeout, fmt.Errorf("bob received no message within %s", deliveryTimeout))
		_, err = s.bobSocket.Receive(receiving, func(m chat.Received) bool { return m.ServerID == message.ServerID })
		cancel()
		if err != nil {
			return sent, err
		}
		select {
		case <-ctx.Done():
			return sent, context.Cause(ctx)
		case <-time.After(pace):
		}
	}
	return sent, nil
}

// healed waits until each process that registers was restored, and returns how long that took.
func (s *demo) healed(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, healing, fmt.Errorf("not all registrations were restored within %s", healing))
	defer cancel()
	for {
		restored, err := s.Restored(ctx, s.stack)
		if err != nil {
			return 0, err
		}
		missing := 0
		for _, times := range restored {
			if times == 0 {
				missing++
			}
		}
		if missing == 0 {
			return time.Since(began), nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(pace):
		}
	}
}
