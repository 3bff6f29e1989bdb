package auditlog

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Head is the last event of a chain that is written: what must at least be there when the trail is checked.
type Head struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Hash  string `json:"hash"`
	Ended bool   `json:"ended,omitempty"` // by the program, in good order
}

// Legal reports whether a head has the form of one.
func (h Head) Legal() bool {
	return isHex(h.Chain, 2*chainBytes) && isHex(h.Hash, hashHex) && h.Seq <= maxSeq
}

// maxSeq is far beyond what a chain can reach, and a whole number in every JSON reader.
const maxSeq = 1 << 53

// Head returns the head of what the sink has taken; ok is false before its first event.
func (l *Log) Head() (h Head, ok bool) {
	if present := l.head.Load(); present != nil {
		return *present, true
	}
	return Head{}, false
}

// noteHead is called by the writer after the sink took what there was.
func (l *Log) noteHead() {
	if l.chain.next > 0 {
		l.head.Store(&Head{Chain: l.chain.id, Seq: l.chain.next - 1, Hash: l.chain.head, Ended: l.ended})
	}
}

const (
	// maxExpectedBytes bounds a list of heads that is read.
	maxExpectedBytes = 16 << 20
	maxExpected      = 100_000
)

// ReadHeads reads a list of registered heads: {"heads":[...]}, alone or as data of the gateway's reply.
func ReadHeads(r io.Reader) ([]Head, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxExpectedBytes+1))
	if err != nil {
		return nil, fmt.Errorf("reading the list of heads: %w", err)
	}
	if len(data) > maxExpectedBytes {
		return nil, fmt.Errorf("reading the list of heads: it is larger than %d bytes", maxExpectedBytes)
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
		return nil, errors.New(`reading the list of heads: it is no JSON of the form {"heads":[...]}: ` +
			`get it from the administrators' route audit/heads`)
	}
	heads := reply.Heads
	if heads == nil {
		heads = reply.Data.Heads
	}
	switch {
	case reply.ErrCode != 0:
		return nil, fmt.Errorf("reading the list of heads: it is a refusal of the gateway's, errCode %d: get the list again", reply.ErrCode)
	case heads == nil:
		return nil, errors.New(`reading the list of heads: it has no member "heads": get it from the administrators' route audit/heads`)
	case len(*heads) > maxExpected:
		return nil, fmt.Errorf("reading the list of heads: it has more than %d", maxExpected)
	}
	for i, h := range *heads {
		if !h.Legal() {
			return nil, fmt.Errorf("reading the list of heads: heads[%d] is no head: write chain, seq and hash as they were listed", i)
		}
	}
	return *heads, nil
}

// Expect adds heads that were registered elsewhere: each must be in what is read.
func (v *Verifier) Expect(heads []Head) {
	for _, h := range heads {
		v.claims = append(v.claims, claim{chain: h.Chain, seq: h.Seq, hash: h.Hash, registered: true})
	}
}
