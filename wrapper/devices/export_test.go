package devices

import "time"

// CallTimeout is the bound of one call in production.
const CallTimeout = callTimeout

// NewPatient is New with bounds that a slow machine keeps, for tests of what is stored. Tests of outages use New.
func NewPatient(o Options) *Registry {
	r := New(o)
	r.bounds = bounds{call: time.Minute, selection: time.Minute, index: time.Minute}
	return r
}
