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

// enrol brings alice and bob in: a code each, a key that never leaves their device, a session.
func (s *show) enrol(ctx context.Context) error {
	// The ways to the gateway are used by later steps: they stay open until the demo ends.
	var err error
	if s.admin, err = s.Admin(ctx, s.stack); err != nil {
		return err
	}
	if s.doors, err = s.Doors(ctx, s.stack); err != nil {
		return err
	}
	for i, person := range []struct {
		name string
		into **setup.Person
	}{{alice, &s.alice}, {bob, &s.bob}} {
		door := s.doors[i%len(s.doors)]
		code, err := s.admin.IssueCode(ctx, person.name)
		if err != nil {
			return err
		}
		s.Journal.Say("POST %s: a code for %s, good once, for %s", wire.PathAdminIssueCode, person.name, time.Until(code.Expires).Round(time.Second))
		start := time.Now()
		if *person.into, err = door.Enrol(ctx, person.name, code.Code); err != nil {
			return err
		}
		session := (*person.into).Session
		s.Journal.Say("%s enrols at %s by Noise_XKpsk3, in %s: device %s, session %s", person.name, door.Pod, rounded(time.Since(start)), session.DeviceID, session.ID)
		if _, err := door.Enrol(ctx, person.name, code.Code); err == nil {
			return fmt.Errorf("the code of %s was good twice", person.name)
		}
	}
	start := time.Now()
	session, err := s.doors[0].Login(ctx, s.alice)
	if err != nil {
		return err
	}
	s.Journal.Say("each code a second time, with another key: refused")
	s.Journal.Say("alice logs in again by Noise_XK, with her key alone, in %s: session %s", rounded(time.Since(start)), session.ID)
	s.alice.Session = session
	for _, door := range s.doors {
		profiles, err := door.As(s.alice).Profiles(ctx, alice, bob)
		if err != nil {
			return err
		}
		s.Journal.Say("POST %s/user/get_users_info as alice at %s: OpenIM knows %d of 2", wire.UserPrefix, door.Pod, len(profiles))
		if len(profiles) != 2 {
			return fmt.Errorf("OpenIM knows %d of alice and bob", len(profiles))
		}
	}
	return nil
}

// open opens both sockets: alice's and bob's at different replicas, when there are two.
func (s *show) open(ctx context.Context) (err error) {
	if s.his, err = s.doors[len(s.doors)-1].Open(ctx, s.bob); err != nil {
		return err
	}
	if s.hers, err = s.doors[0].Open(ctx, s.alice); err != nil {
		return err
	}
	s.Journal.Say("bob's socket is at %s, alice's at %s: each opened with a ticket that is good once, for 30 seconds", s.doors[len(s.doors)-1].Pod, s.doors[0].Pod)
	return nil
}

// stranger is a user whom alice has nothing to do with.
const stranger = "carol"

// forge sends frames that no honest client sends.
func (s *show) forge(ctx context.Context) error {
	for _, try := range []struct {
		what string
		do   func(context.Context) (frame.Reply, error)
		seen func(setup.Entry) bool
	}{
		{
			"a message whose sender is " + bob,
			func(ctx context.Context) (frame.Reply, error) {
				return s.hers.SendDraft(ctx, chat.Draft{SendID: bob, RecvID: stranger, Text: "send me money", PlatformID: s.hers.PlatformID})
			},
			func(e setup.Entry) bool { return e.Identifier == chat.FrameSend },
		},
		{
			"the messages of " + chat.Conversation(bob, stranger),
			func(ctx context.Context) (frame.Reply, error) {
				return s.hers.Pull(ctx, chat.Conversation(bob, stranger), 1)
			},
			func(e setup.Entry) bool {
				return e.Identifier == chat.FramePull && slices.Contains(e.Conversations, chat.Conversation(bob, stranger))
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
			return fmt.Errorf("%s: the gateway let it through", try.what)
		}
		s.Journal.Say("%-41s errCode %d  %s", try.what, reply.ErrCode, reply.ErrMsg)
		var after []setup.Entry
		err = wait.PollUntilContextTimeout(ctx, look, recorded, true, func(ctx context.Context) (bool, error) {
			after, err = s.refusedFrames(ctx, try.seen)
			return len(after) > len(before), err // nobody waits for the trail: an event is written some milliseconds after its reply
		})
		if err != nil || len(after) != len(before)+1 {
			return fmt.Errorf("%s: %d events in the audit trail before, %d after", try.what, len(before), len(after))
		}
		s.Journal.Say("  %s", after[len(after)-1].Line)
	}
	if !s.hers.Alive() {
		return fmt.Errorf("alice's socket was ended for it")
	}
	trail, err := s.Trail(ctx, s.stack)
	if err != nil {
		return err
	}
	events, err := trail.Verify()
	if err != nil {
		return err
	}
	s.Journal.Say("wrapper audit verify: %d events of %d replicas, every chain whole", events, len(trail.Logs()))
	return nil
}

// recorded is how long an event may take into the pod's log.
const recorded = 5 * time.Second

// refusedFrames are alice's, as the trail has them.
func (s *show) refusedFrames(ctx context.Context, of func(setup.Entry) bool) ([]setup.Entry, error) {
	trail, err := s.Trail(ctx, s.stack)
	if err != nil {
		return nil, err
	}
	return trail.Find(func(e setup.Entry) bool { return e.UserID == alice && e.Verdict == "refused" && of(e) }), nil
}

// quick is how long a revocation may take to be felt everywhere.
const quick = time.Second

// revoke ends bob's device. His socket and his session are held by another replica than the one that is told.
func (s *show) revoke(ctx context.Context) error {
	start := time.Now()
	if err := s.admin.RevokeDevice(ctx, bob, s.bob.Session.DeviceID); err != nil {
		return err
	}
	answered := time.Since(start)
	patience, cancel := context.WithTimeout(ctx, 10*quick)
	defer cancel()
	end, err := s.his.Ended(patience)
	if err != nil {
		return err
	}
	took := end.At.Sub(start)
	s.Journal.Say("POST %s: answered after %s", wire.PathAdminRevokeDevices, rounded(answered))
	s.Journal.Say("bob's socket is closed %s after the call began: %s", rounded(took), end)
	if took > quick {
		return fmt.Errorf("bob's socket stayed open for %s", took)
	}
	for _, door := range s.doors {
		reply, err := door.As(s.bob).Who(ctx)
		if err != nil {
			return err
		}
		if reply.Code != codeRevoked {
			return fmt.Errorf("bob's session at %s: %s, expected errCode %d", door.Pod, reply, codeRevoked)
		}
		s.Journal.Say("bob's session at %s: %s", door.Pod, reply)
	}
	if _, err := s.doors[0].Login(ctx, s.bob); err == nil {
		return fmt.Errorf("bob's device logged in again")
	}
	s.Journal.Say("bob's device logs in: refused. Alice's socket is %s", map[bool]string{true: "open", false: "closed"}[s.hers.Alive()])
	if !s.hers.Alive() {
		return fmt.Errorf("alice's socket was closed, too")
	}
	return nil
}

// codeRevoked is OpenIM's errCode of a token that was taken back: its SDKs call it kicked offline.
const codeRevoked = 1506

func rounded(d time.Duration) time.Duration { return d.Round(time.Millisecond) }
