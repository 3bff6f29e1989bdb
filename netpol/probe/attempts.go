package probe

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

const (
	// MaxAttempts bounds a plan. Its outcomes must fit into a container's termination message of 4096 bytes, with one letter each.
	MaxAttempts = 2048
	// MaxMessage is the length of a container's termination message, in bytes (Kubernetes API, ContainerStateTerminated.message).
	MaxMessage = 4096
	// attemptsParallel bounds the concurrent attempts of a plan.
	attemptsParallel = 256
	// retryInterval is the time between two rounds of attempts.
	retryInterval = 500 * time.Millisecond
	// maxSettle bounds how long attempts are repeated.
	maxSettle = time.Minute
	// messageVersion starts each message, so that the message of another release is recognised.
	messageVersion = "v1 "
)

// Attempt is a connection that a plan attempts.
type Attempt struct {
	Address netip.AddrPort
	// Open is true when the attempt must succeed, false when it must fail.
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

// ParseAttempt parses the result of String.
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

// Timing holds the times of a plan.
type Timing struct {
	// Timeout of one attempt. It should exceed one second, so that a lost SYN is sent again (RFC 6298: after 1 s).
	Timeout time.Duration
	// Settle is how long an attempt with an unexpected outcome is repeated: networks apply policies with a delay.
	Settle time.Duration
}

// Run makes the attempts of a plan and returns their outcomes in the order of the plan.
//
// Attempts that must succeed are made before and after all others. Made only once, they would not reveal a network that was down during
// the other attempts, and a network that is down looks sealed. An attempt that must fail counts as open only if it still succeeds when
// Settle has passed.
func Run(ctx context.Context, timing Timing, plan []Attempt) []Outcome {
	outcomes := make([]Outcome, len(plan))
	var open, shut []int
	for i, a := range plan {
		if a.Open {
			open = append(open, i)
		} else {
			shut = append(shut, i)
		}
	}
	settle(ctx, timing, plan, outcomes, open)
	settle(ctx, timing, plan, outcomes, shut)
	after := make([]Outcome, len(plan))
	settle(ctx, timing, plan, after, open)
	for _, i := range open {
		if outcomes[i] == Open {
			outcomes[i] = after[i]
		}
	}
	return outcomes
}

// settle makes the attempts with the given indexes until all outcomes are as expected or the time is over.
func settle(ctx context.Context, timing Timing, plan []Attempt, outcomes []Outcome, pending []int) {
	deadline := time.Now().Add(timing.Settle)
	for len(pending) > 0 {
		targets := make([]string, len(pending))
		for i, index := range pending {
			targets[i] = plan[index].Address.String()
		}
		var disagree []int
		for i, result := range attempt(ctx, timing.Timeout, targets, attemptsParallel) {
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

// outcomeLetters are the letters of a message.
var outcomeLetters = map[Outcome]byte{Open: 'o', Refused: 'r', Timeout: 't', Error: 'e'}

// FormatMessage encodes outcomes as the version and one letter each. Example: v1 ort
func FormatMessage(outcomes []Outcome) string {
	text := []byte(messageVersion)
	for _, o := range outcomes {
		text = append(text, outcomeLetters[o])
	}
	return string(text)
}

// ParseMessage decodes the result of Message for a plan with the given number of attempts.
func ParseMessage(text string, attempts int) ([]Outcome, error) {
	body, ok := strings.CutPrefix(strings.TrimSpace(text), strings.TrimSpace(messageVersion))
	if !ok {
		return nil, fmt.Errorf("reading the prober's message: it does not start with %q: run the prober of the operator's own release",
			messageVersion)
	}
	body = strings.TrimSpace(body)
	if len(body) != attempts {
		return nil, fmt.Errorf("reading the prober's message: it has %d outcomes, and the plan has %d attempts", len(body), attempts)
	}
	byLetter := map[byte]Outcome{}
	for outcome, letter := range outcomeLetters {
		byLetter[letter] = outcome
	}
	outcomes := make([]Outcome, attempts)
	for i := range body {
		if outcomes[i], ok = byLetter[body[i]]; !ok {
			return nil, fmt.Errorf("reading the prober's message: invalid outcome %q", body[i])
		}
	}
	return outcomes, nil
}
