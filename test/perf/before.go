package main

// before returns the cases with the wrapper of another release beside this one's, so that both are measured in one run: whole, and with
// the gateway or the backend of that release alone, as they run together while a stack is upgraded.
func before(binary string) []contender {
	theirs := func(*bench) string { return binary }
	return []contender{
		{"before: auth only", "the wrapper of -before", startWrapper(false, theirs, theirs), 0},
		{"before", "the wrapper of -before, with limits in Redis and a rule", startWrapper(true, theirs, theirs), 0},
		{"before: many users", "the wrapper of -before, with many users", startWrapper(true, theirs, theirs), manyUsers},
		{"gateway of before", "the gateway of -before and this backend", startWrapper(true, theirs, ours), 0},
		{"backend of before", "this gateway and the backend of -before", startWrapper(true, ours, theirs), 0},
	}
}

// ours returns the path of this release's wrapper.
func ours(p *bench) string { return p.wrapper }
