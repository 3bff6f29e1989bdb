package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/openimstack/openim-operator/hack/environment/chat"
	"github.com/openimstack/openim-operator/hack/environment/setup"
	"github.com/openimstack/openim-operator/wrapper/websocket/frame"
	"github.com/openimstack/openim-operator/wrapper/wire"
)

// enrol enrols alice and bob: an enrolment code each, a key that never leaves the device, a session.
func (s *demo) enrol(ctx context.Context) error {
	// Later steps use the port-forwards to the gateway: they stay open until the demo ends.
	var err error
	if s.admin, err = s.Admin(ctx, s.stack); err != nil {
		return err
	}
	if s.gateways, err = s.Gateways(ctx, s.stack); err != nil {
		return err
	}
	for i, user := range []struct {
		name string
		into **setup.User
	}{{alice, &s.alice}, {bob, &s.bob}} {
		gateway := s.gateways[i%len(s.gateways)]
		code, err := s.admin.IssueCode(ctx, user.name)
		if err != nil {
			return err
		}
		s.Journal.Say(
			"POST %s: a single-use code for %s, valid for %s",
			wire.PathAdminIssueCode,
			user.name,
			time.Until(code.Expires).Round(time.Second),
		)
		start := time.Now()
		if *user.into, err = gateway.Enrol(ctx, user.name, code.Code); err != nil {
			return err
		}
		session := (*user.into).Session
		s.Journal.Say(
			"%s enrols at %s by Noise_XKpsk3, in %s: device %s, session %s",
			user.name,
			gateway.Pod,
			rounded(time.Since(start)),
			session.DeviceID,
			session.ID,
		)
		if _, err := gateway.Enrol(ctx, user.name, code.Code); err == nil {
			return fmt.Errorf("enrolment code of %s was accepted twice", user.name)
		}
	}
	start := time.Now()
	session, err := s.gateways[0].Login(ctx, s.alice)
	if err != nil {
		return err
	}
	s.Journal.Say("each code used a second time, with another key: refused")
	s.Journal.Say("alice logs in again by Noise_XK, with the device's key alone, in %s: session %s", rounded(time.Since(start)), session.ID)
	s.alice.Session = session
	for _, gateway := range s.gateways {
		profiles, err := gateway.As(s.alice).Profiles(ctx, alice, bob)
		if err != nil {
			return err
		}
		s.Journal.Say("POST %s/user/get_users_info as alice at %s: %d of 2 profiles", wire.UserPrefix, gateway.Pod, len(profiles))
		if len(profiles) != 2 {
			return fmt.Errorf("OpenIM returned %d profiles of alice and bob", len(profiles))
		}
	}
	return nil
}

// openSockets opens both sockets, at different replicas if there are two.
func (s *demo) openSockets(ctx context.Context) (err error) {
	if s.bobSocket, err = s.gateways[len(s.gateways)-1].OpenSoon(ctx, s.bob); err != nil {
		return err
	}
	if s.aliceSocket, err = s.gateways[0].OpenSoon(ctx, s.alice); err != nil {
		return err
	}
	s.Journal.Say(
		"bob's socket is at %s, alice's at %s: each opened with a single-use ticket, valid for 30 seconds",
		s.gateways[len(s.gateways)-1].Pod,
		s.gateways[0].Pod,
	)
	return nil
}

// carol is a user who has no conversation with alice.
const carol = "carol"

// forgeFrames sends frames in another user's name and for another user's conversation, and checks the refusals and their audit events.
func (s *demo) forgeFrames(ctx context.Context) error {
	for _, try := range []struct {
		name string
		do   func(context.Context) (frame.Reply, error)
		seen func(setup.AuditEvent) bool
	}{
		{
			"a message whose sender is " + bob,
			func(ctx context.Context) (frame.Reply, error) {
				return s.aliceSocket.SendDraft(ctx, chat.Draft{SendID: bob, RecvID: carol, Text: "send me money", PlatformID: s.aliceSocket.PlatformID})
			},
			func(e setup.AuditEvent) bool { return e.Identifier == chat.FrameSend },
		},
		{
			"the messages of " + chat.Conversation(bob, carol),
			func(ctx context.Context) (frame.Reply, error) {
				return s.aliceSocket.Pull(ctx, chat.Conversation(bob, carol), 1)
			},
			func(e setup.AuditEvent) bool {
				return e.Identifier == chat.FramePull && slices.Contains(e.Conversations, chat.Conversation(bob, carol))
			},
		},
	} {
		before, err := s.refusedFrames(ctx, try.seen)
		if err != nil {
			return err
		}
		reply, err := try.do(ctx)
		if err != nil {
			return err
		}
		if reply.ErrCode == 0 {
			return fmt.Errorf("sending %s: the gateway accepted the frame", try.name)
		}
		s.Journal.Say("%-41s errCode %d  %s", try.name, reply.ErrCode, reply.ErrMsg)
		var after []setup.AuditEvent
		err = wait.PollUntilContextTimeout(ctx, pollInterval, recordTimeout, true, func(ctx context.Context) (bool, error) {
			after, err = s.refusedFrames(ctx, try.seen)
			return len(after) > len(before), err // an event is written some milliseconds after the reply
		})
		if err != nil || len(after) != len(before)+1 {
			return fmt.Errorf("sending %s: %d events in the audit log before, %d after", try.name, len(before), len(after))
		}
		s.Journal.Say("  %s", after[len(after)-1].Line)
	}
	if !s.aliceSocket.Alive() {
		return fmt.Errorf("alice's socket was closed after refused frames")
	}
	log, err := s.ReadAuditLog(ctx, s.stack)
	if err != nil {
		return err
	}
	events, err := log.Verify()
	if err != nil {
		return err
	}
	s.Journal.Say("wrapper audit verify: %d events of %d replicas, every chain valid", events, len(log.Logs()))
	return nil
}

// recordTimeout bounds how long an event may take to appear in the pod's log.
const recordTimeout = 5 * time.Second

// refusedFrames returns the audit events of alice's refused frames.
func (s *demo) refusedFrames(ctx context.Context, of func(setup.AuditEvent) bool) ([]setup.AuditEvent, error) {
	log, err := s.ReadAuditLog(ctx, s.stack)
	if err != nil {
		return nil, err
	}
	return log.Find(func(e setup.AuditEvent) bool { return e.UserID == alice && e.Verdict == "refused" && of(e) }), nil
}

// revocationLimit bounds how long a revocation may take to have effect at every replica.
const revocationLimit = time.Second

// revoke revokes bob's device. bob's socket is at another replica than the one that receives the call.
func (s *demo) revoke(ctx context.Context) error {
	start := time.Now()
	if err := s.admin.RevokeDevice(ctx, bob, s.bob.Session.DeviceID); err != nil {
		return err
	}
	answered := time.Since(start)
	waiting, cancel := context.WithTimeout(ctx, 10*revocationLimit)
	defer cancel()
	end, err := s.bobSocket.Ended(waiting)
	if err != nil {
		return err
	}
	took := end.At.Sub(start)
	s.Journal.Say("POST %s: answered after %s", wire.PathAdminRevokeDevices, rounded(answered))
	s.Journal.Say("bob's socket is closed %s after the call began: %s", rounded(took), end)
	if took > revocationLimit {
		return fmt.Errorf("closing bob's socket took %s", took)
	}
	for _, gateway := range s.gateways {
		reply, err := gateway.As(s.bob).Who(ctx)
		if err != nil {
			return err
		}
		if reply.Code != codeRevoked {
			return fmt.Errorf("bob's session at %s: %s, expected errCode %d", gateway.Pod, reply, codeRevoked)
		}
		s.Journal.Say("bob's session at %s: %s", gateway.Pod, reply)
	}
	if _, err := s.gateways[0].Login(ctx, s.bob); err == nil {
		return fmt.Errorf("bob's revoked device logged in again")
	}
	s.Journal.Say(
		"bob's device logs in again: refused. alice's socket is %s",
		map[bool]string{true: "open", false: "closed"}[s.aliceSocket.Alive()],
	)
	if !s.aliceSocket.Alive() {
		return fmt.Errorf("alice's socket was closed by the revocation of bob's device")
	}
	return nil
}

// codeRevoked is OpenIM's errCode of a revoked token. Its SDKs report the user as kicked offline.
const codeRevoked = 1506

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
