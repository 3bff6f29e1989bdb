package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	// MaxAttempts bounds a plan, so that what came of it fits into a container's termination message: one letter each of 4096 bytes.
	MaxAttempts = 2048
	// MaxMessage is the length of a container's termination message, in bytes (Kubernetes API, ContainerStateTerminated.message).
	MaxMessage = 4096
	// attemptsParallel bounds the attempts of a plan that are under way at once.
	attemptsParallel = 256
	// retryInterval is the time between two rounds of attempts.
	retryInterval = 500 * time.Millisecond
	// maxSettle bounds how long attempts are made again.
	maxSettle = time.Minute
	// messageVersion begins each message, so that a prober of another release is not misread.
	messageVersion = "v1 "
)

// Attempt is a connection that a plan makes.
type Attempt struct {
	Address netip.AddrPort
	// Open is true when it must succeed, false when it must not.
	Open bool
}

// Words of an attempt on the command line.
const (
	wordOpen = "open="
	wordShut = "shut="
)

func (a Attempt) String() string {
	if a.Open {
		return wordOpen + a.Address.String()
	}
	return wordShut + a.Address.String()
}

// ParseAttempt is the reverse of String.
func ParseAttempt(word string) (Attempt, error) {
	address, open := strings.CutPrefix(word, wordOpen)
	if !open {
		var shut bool
		if address, shut = strings.CutPrefix(word, wordShut); !shut {
			return Attempt{}, fmt.Errorf("attempt %q: write open=ADDRESS:PORT or shut=ADDRESS:PORT", word)
		}
	}
	parsed, err := netip.ParseAddrPort(address)
	if err != nil || parsed.Port() == 0 || parsed.Addr().Zone() != "" {
		return Attempt{}, fmt.Errorf("attempt %q: write an address, not a name, with a port from 1 to 65535, an IPv6 address in brackets", word)
	}
	return Attempt{Address: parsed, Open: open}, nil
}

// Patience says how long a plan tries.
type Patience struct {
	// Timeout of one attempt. More than a second, so that one lost SYN is sent again (RFC 6298: after 1 s).
	Timeout time.Duration
	// Settle is how long an attempt that does not agree with the plan is made again: networks follow policies with a delay.
	Settle time.Duration
}

// Run makes the attempts of a plan and returns what came of each, in the order given.
//
// What must be open is tried before the rest and after it: were it tried once, a network that comes up, or goes away, between the two
// would look sealed. What must be shut counts as open only if it still is when Settle has passed.
func Run(ctx context.Context, patience Patience, plan []Attempt) []Outcome {
	outcomes := make([]Outcome, len(plan))
	var open, shut []int
	for i, a := range plan {
		if a.Open {
			open = append(open, i)
		} else {
			shut = append(shut, i)
		}
	}
	settle(ctx, patience, plan, outcomes, open)
	settle(ctx, patience, plan, outcomes, shut)
	after := make([]Outcome, len(plan))
	settle(ctx, patience, plan, after, open)
	for _, i := range open {
		if outcomes[i] == Open {
			outcomes[i] = after[i]
		}
	}
	return outcomes
}

// settle makes the attempts with these indexes until all agree with the plan, or the time is over.
func settle(ctx context.Context, patience Patience, plan []Attempt, outcomes []Outcome, pending []int) {
	deadline := time.Now().Add(patience.Settle)
	for len(pending) > 0 {
		targets := make([]string, len(pending))
		for i, index := range pending {
			targets[i] = plan[index].Address.String()
		}
		var disagree []int
		for i, result := range attempt(ctx, patience.Timeout, targets, attemptsParallel) {
			outcomes[pending[i]] = result.Result
			if plan[pending[i]].Open != (result.Result == Open) {
				disagree = append(disagree, pending[i])
			}
		}
		if pending = disagree; len(pending) == 0 || time.Now().Add(retryInterval).After(deadline) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(retryInterval):
		}
	}
}

// outcomeLetters of the outcomes in a message.
var outcomeLetters = map[Outcome]byte{Open: 'o', Refused: 'r', Timeout: 't', Error: 'e'}

// Message tells outcomes in one letter each, behind the version.
func Message(outcomes []Outcome) string {
	text := []byte(messageVersion)
	for _, o := range outcomes {
		text = append(text, outcomeLetters[o])
	}
	return string(text)
}

// ParseMessage is the reverse of Message for a plan of so many attempts.
func ParseMessage(text string, attempts int) ([]Outcome, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), strings.TrimSpace(messageVersion))
	if !ok {
		return nil, fmt.Errorf("the prober's message does not start with %q: run the prober of the operator's own release", messageVersion)
	}
	body = strings.TrimSpace(body)
	if len(body) != attempts {
		return nil, fmt.Errorf("the prober tells of %d attempts, and the plan has %d", len(body), attempts)
	}
	byLetter := map[byte]Outcome{}
	for outcome, letter := range outcomeLetters {
		byLetter[letter] = outcome
	}
	outcomes := make([]Outcome, attempts)
	for i := range body {
		if outcomes[i], ok = byLetter[body[i]]; !ok {
			return nil, fmt.Errorf("the prober's message holds %q, which is no outcome", body[i])
		}
	}
	return outcomes, nil
}
