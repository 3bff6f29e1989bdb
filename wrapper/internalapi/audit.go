package internalapi

import "time"

// Paths of the audit logs' heads.
const (
	PathRegisterHead = Prefix + "/audit/register" // AuditHead -> Empty
	PathListHeads    = Prefix + "/audit/heads"    // ListHeads -> AuditHeads
)

// AuditHead is how far an audit log has come. The backend stores it, so that a removed or truncated audit log is noticed. A head never
// goes back: a smaller Seq, or another Hash for the same Seq, is refused.
type AuditHead struct {
	Chain    string    `json:"chain"` // 32 hexadecimal digits
	Seq      uint64    `json:"seq"`
	Hash     string    `json:"hash"` // 64 hexadecimal digits
	Ended    bool      `json:"ended,omitempty"`
	Program  string    `json:"program"`        // at most 128 bytes
	Instance string    `json:"instance"`       // the pod, at most 128 bytes
	First    time.Time `json:"first,omitzero"` // of the first registration, by the backend's clock
	Last     time.Time `json:"last,omitzero"`  // of the last registration
}

// ListHeads requests the heads that were registered or changed since a time.
type ListHeads struct {
	Since time.Time `json:"since,omitzero"`
}

// AuditHeads holds the heads, at most some thousands.
type AuditHeads struct {
	Heads []AuditHead `json:"heads"`
}
