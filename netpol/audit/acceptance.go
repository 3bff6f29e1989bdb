package audit

import "slices"

// Path returns the object as namespace/kind/name, for an object of the cluster as kind/name. Exceptions and machine-readable reports name
// objects by it.
//
//	im/NetworkPolicy/debug
func (o Object) Path() string {
	if o.Namespace == "" {
		return o.Kind + "/" + o.Name
	}
	return o.Namespace + "/" + o.Kind + "/" + o.Name
}

// Accept marks the findings that accepted returns an acceptance for. Findings of a kind that is never excepted are not passed to it.
func (r *Report) Accept(accepted func(Finding) *Acceptance) {
	for i, f := range r.Findings {
		if NeverExcepted(f.Kind) != "" {
			continue
		}
		if a := accepted(f); a != nil {
			r.Findings[i].Excepted = a
			r.Counts.Excepted++
		}
	}
}

// Outcome returns the verdict on what nobody has accepted. Verdict itself does not change: an accepted opening is open.
func (r Report) Outcome() Verdict {
	r.Findings = slices.DeleteFunc(slices.Clone(r.Findings), func(f Finding) bool { return f.Excepted != nil })
	return verdict(r)
}

// NeverExcepted returns why findings of a kind cannot be excepted, empty for a kind that can.
func NeverExcepted(kind string) string {
	for _, k := range Kinds() {
		if k.Name == kind {
			return k.NeverExcepted
		}
	}
	return ""
}
