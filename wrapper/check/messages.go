package check

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	random "math/rand/v2"
	"time"

	"github.com/openimstack/openim-operator/wrapper/ids"
	"github.com/openimstack/openim-operator/wrapper/openimclient"
)

const (
	// conversation is the one of the two users: OpenIM sorts their ids.
	conversation = "si_" + ids.CheckSender + "_" + ids.CheckReceiver
	// platforms are OpenIM's numbers for users, 1 to 9.
	platforms = 9
	// maxMessages bounds the messages of one login, maxRegistrations the attempts to register a user.
	maxMessages      = 3
	maxRegistrations = 5
	// requestTimeout bounds one request of a socket.
	requestTimeout = 5 * time.Second
)

// timing holds the waits of a check. Tests shorten them.
type timing struct {
	// online is the time from a login to the first message: msggateway reports its users once a second, and openim-push pushes to nobody
	// whom it believes to be offline (open-im-server internal/msggateway/online.go).
	online time.Duration
	// push is the time in which a message must be pushed before another is sent.
	push time.Duration
	// retry is the pause before something is tried again that OpenIM does a moment later.
	retry time.Duration
	// again is the longest pause before another login. It is random, so that two checks that collided do not collide again.
	again time.Duration
	// settle is the time in which a deleted message must not appear again.
	settle time.Duration
	// cleanup is kept free at the end of the check: two thirds for deleting what was sent, one for the logout. Deleting may begin earlier.
	cleanup time.Duration
}

var usual = timing{
	online: 1500 * time.Millisecond, push: 4 * time.Second, retry: 500 * time.Millisecond, again: 2 * time.Second,
	settle: 5 * time.Second, cleanup: 15 * time.Second,
}

// exchange is one check with a message. Several may run at the same time at the same OpenIM: each has messages of its own, by random ids.
type exchange struct {
	openim Messenger
	socket string
	timing timing
	// prefix begins the ids of the messages.
	prefix string
	// sent has the messages that may be in OpenIM, in their order.
	sent []*sentMessage
	// used are the platforms for which this check has tokens.
	used []int32
}

// sentMessage is a message that was sent.
type sentMessage struct {
	id string
	// accepted reports that OpenIM has confirmed it. An unconfirmed message may be in OpenIM, too.
	accepted bool
	// seq is its number in the conversation, 0 while it is not known.
	seq int64
	// removed: neither user sees it any more.
	removed bool
}

// messages sends a message from one user of the check to the other, and deletes it for both. ctx must have a deadline.
func messages(ctx context.Context, o Messenger, socket string, t timing) []Finding {
	x := &exchange{openim: o, socket: socket, timing: t, prefix: rand.Text() + "-"}
	work := ctx
	if deadline, ok := ctx.Deadline(); ok {
		early, cancel := context.WithDeadline(ctx, deadline.Add(-t.cleanup))
		defer cancel()
		work = early
	}
	findings := x.work(work)
	// What was sent is deleted even if the check was interrupted.
	if len(x.sent) > 0 {
		end, cancel := context.WithDeadline(context.WithoutCancel(ctx), t.removal(ctx))
		defer cancel()
		findings = append(findings, found("message deleted", x.remove(end)))
	}
	if len(x.used) > 0 {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), t.cleanup/3)
		defer cancel()
		findings = append(findings, found("logout", x.logout(end)))
	}
	return findings
}

// removal returns when deleting ends: two thirds of cleanup from now, or later while the check has time. A store under load may take
// longer than cleanup, and a check that fails because of it stops a rollout.
func (t timing) removal(ctx context.Context) time.Time {
	end := time.Now().Add(t.cleanup * 2 / 3)
	if deadline, ok := ctx.Deadline(); ok && ctx.Err() == nil && end.Before(deadline.Add(-t.cleanup/3)) {
		return deadline.Add(-t.cleanup / 3)
	}
	return end
}

// work registers the users and makes attempts until one is not disturbed.
//
// By OpenIM's default policy a second login of a user on a platform ends the first. Every attempt therefore takes another platform, in
// random order: two checks at the same time disturb each other only while they happen to be on the same one.
func (x *exchange) work(ctx context.Context) []Finding {
	users := found("users", x.register(ctx))
	findings := []Finding{users}
	if users.Problem != "" {
		return findings
	}
	for i, platform := range random.Perm(platforms) { //nolint:gosec // it spreads checks and protects nothing
		steps, disturbed := x.attempt(ctx, int32(platform+1)) //nolint:gosec // 1 to 9
		if !disturbed || i == platforms-1 || !sleep(ctx, time.Duration(random.Int64N(int64(x.timing.again)))) {
			return append(findings, steps...)
		}
	}
	return findings
}

// register registers the two users. Those who exist are left as they are.
func (x *exchange) register(ctx context.Context) error {
	for _, user := range []string{ids.CheckSender, ids.CheckReceiver} {
		err := x.openim.RegisterUser(ctx, openimclient.User{ID: user, Nickname: user})
		for i := 0; err != nil && i < maxRegistrations && sleep(ctx, x.timing.retry); i++ { // another check may register them at this moment
			err = x.openim.RegisterUser(ctx, openimclient.User{ID: user, Nickname: user})
		}
		if err != nil {
			return fmt.Errorf("registering %s: %w", user, err)
		}
	}
	return nil
}

// logout revokes the tokens of this check, which would be valid for 90 days, at the price of two calls for each platform. It can end a
// login of another check that took a platform within the last seconds; that check then takes another platform.
func (x *exchange) logout(ctx context.Context) error {
	for _, platform := range x.used {
		for _, user := range []string{ids.CheckSender, ids.CheckReceiver} {
			if err := x.openim.ForceLogout(ctx, user, platform); err != nil {
				return fmt.Errorf("logging out %s: %w", user, err)
			}
		}
	}
	return nil
}

// isDisturbed reports whether another attempt may succeed.
func isDisturbed(err error) bool {
	_, ok := errors.AsType[*disturbedError](err)
	return ok
}

// sleep waits. It returns false if ctx has ended.
func sleep(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}
