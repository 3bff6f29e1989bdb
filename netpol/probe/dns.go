package probe

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

const (
	// defaultName is the name of the query. Any DNS server answers, at least with an error code.
	defaultName = "kubernetes.default.svc.cluster.local."
	// maxAnswer is the maximum length of an answer by UDP without EDNS (RFC 1035, 2.3.4).
	maxAnswer = 512
	// queries is the number of queries within the timeout of one attempt: UDP loses packets.
	queries = 3
)

// DNS sends a query by UDP (RFC 1035) to each target and returns the results in the order of the targets. An answer with any code counts
// as open. name must be absolute, with a final dot.
func DNS(ctx context.Context, timeout time.Duration, name string, targets []string) ([]Result, error) {
	question, err := dnsmessage.NewName(name)
	if err != nil {
		return nil, fmt.Errorf("reading name %q: %w: write an absolute name of at most 255 bytes", name, err)
	}
	return each(targets, maxParallel, func(target string) Result { return query(ctx, timeout, question, target) }), nil
}

func query(ctx context.Context, timeout time.Duration, name dnsmessage.Name, target string) Result {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	start := time.Now()
	err := exchange(ctx, timeout/queries, name, target)
	result := Result{Target: target, Result: outcome(err), Milliseconds: time.Since(start).Milliseconds()}
	if err != nil {
		result.Detail = err.Error()[:min(len(err.Error()), maxDetail)]
	}
	return result
}

// exchange sends the query until its answer arrives or ctx ends. interval is the time to wait for each answer.
func exchange(ctx context.Context, interval time.Duration, name dnsmessage.Name, target string) error {
	connection, err := (&net.Dialer{}).DialContext(ctx, "udp", target)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	id := uint16(rand.Uint32N(1 << 16)) //nolint:gosec // distinguishes the answer from a late one; not a security property
	query, err := pack(id, name)
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		if _, err := connection.Write(query); err != nil {
			return err // an ICMP error is reported by the next call
		}
		if err := connection.SetReadDeadline(time.Now().Add(interval)); err != nil {
			return err
		}
		if err := answer(connection, id); err == nil || outcome(err) != Timeout {
			return err
		}
	}
	return ctx.Err()
}

func pack(id uint16, name dnsmessage.Name) ([]byte, error) {
	message := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}},
	}
	packed, err := message.Pack()
	if err != nil {
		return nil, fmt.Errorf("packing the query: %w", err)
	}
	return packed, nil
}

// answer waits for the response with the query's ID and ignores other packets.
func answer(connection net.Conn, id uint16) error {
	buffer := make([]byte, maxAnswer)
	for {
		n, err := connection.Read(buffer)
		if err != nil {
			return err
		}
		var parser dnsmessage.Parser
		if header, err := parser.Start(buffer[:n]); err == nil && header.Response && header.ID == id {
			return nil
		}
	}
}

func absolute(name string) string {
	if strings.HasSuffix(name, ".") {
		return name
	}
	return name + "."
}
