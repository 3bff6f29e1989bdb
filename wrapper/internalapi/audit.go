package internalapi

import "time"

// Paths of the audit trails' heads.
const (
	PathRegisterHead = Prefix + "/audit/register" // AuditHead -> Empty
	PathListHeads    = Prefix + "/audit/heads"    // ListHeads -> AuditHeads
)

// AuditHead is how far an audit trail has come. The backend keeps it, so that a chain that is cut out of the logs is missed. It never
// goes back: a smaller Seq, or another Hash for the same one, is refused.
type AuditHead struct {
	Chain    string    `json:"chain"` // 32 hexadecimal digits
	Seq      uint64    `json:"seq"`
	Hash     string    `json:"hash"` // 64 hexadecimal digits
	Ended    bool      `json:"ended,omitempty"`
	Program  string    `json:"program"`        // at most 128 bytes
	Instance string    `json:"instance"`       // the pod, at most 128 bytes
	First    time.Time `json:"first,omitzero"` // when it was first registered, by the backend's clock
	Last     time.Time `json:"last,omitzero"`  // and last
}

// ListHeads asks for the heads that were registered, or changed, since a time.
type ListHeads struct {
	Since time.Time `json:"since,omitzero"`
}

// AuditHeads are at most some thousands.
type AuditHeads struct {
	Heads []AuditHead `json:"heads"`
}
