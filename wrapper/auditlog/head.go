package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Head is the last written event of a chain. When the audit log is verified, the chain must reach at least its head.
type Head struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Hash  string `json:"hash"`
	Ended bool   `json:"ended,omitempty"` // the program ended the chain
}

// Legal reports whether a head is well-formed.
func (h Head) Legal() bool {
	return isHex(h.Chain, 2*chainBytes) && isHex(h.Hash, hashHex) && h.Seq <= maxSeq
}

// maxSeq is more than a chain can reach, and exact in every JSON reader.
const maxSeq = 1 << 53

// Head returns the head of the events that the sink accepted. ok is false before the first event.
func (l *Log) Head() (h Head, ok bool) {
	if present := l.head.Load(); present != nil {
		return *present, true
	}
	return Head{}, false
}

// storeHead publishes the head. The writer calls it after each successful write.
func (l *Log) storeHead() {
	if l.chain.next > 0 {
		l.head.Store(&Head{Chain: l.chain.id, Seq: l.chain.next - 1, Hash: l.chain.head, Ended: l.ended})
	}
}

const (
	// Limits of a list of heads.
	maxExpectedBytes = 16 << 20
	maxExpected      = 100_000
)

// ReadHeads reads a list of registered heads, {"heads":[...]}, by itself or as the data of the gateway's reply.
func ReadHeads(r io.Reader) ([]Head, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxExpectedBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the list of heads: %w", err)
	}
	if len(data) > maxExpectedBytes {
		return nil, fmt.Errorf("reading the list of heads: larger than %d bytes", maxExpectedBytes)
	}
	type list struct {
		Heads *[]Head `json:"heads"`
	}
	var reply struct {
		list
		ErrCode int    `json:"errCode"`
		ErrMsg  string `json:"errMsg"`
		Data    list   `json:"data"`
	}
	if err := json.Unmarshal(data, &reply); err != nil {
		return nil, errors.New(`reading the list of heads: not JSON of the form {"heads":[...]}: ` +
			`get it from the administrators' route audit/heads`)
	}
	heads := reply.Heads
	if heads == nil {
		heads = reply.Data.Heads
	}
	switch {
	case reply.ErrCode != 0:
		return nil, fmt.Errorf("reading the list of heads: it is an error reply, errCode %d: get the list again", reply.ErrCode)
	case heads == nil:
		return nil, errors.New(`reading the list of heads: no member "heads": get it from the administrators' route audit/heads`)
	case len(*heads) > maxExpected:
		return nil, fmt.Errorf("reading the list of heads: more than %d heads", maxExpected)
	}
	for i, h := range *heads {
		if !h.Legal() {
			return nil, fmt.Errorf("reading the list of heads: heads[%d] is malformed: copy chain, seq and hash from the list", i)
		}
	}
	return *heads, nil
}

// Expect adds heads that were registered outside the audit log. Each must be in the input.
func (v *Verifier) Expect(heads []Head) {
	for _, h := range heads {
		v.claims = append(v.claims, claim{chain: h.Chain, seq: h.Seq, hash: h.Hash, registered: true})
	}
}
