package audit

// CheckResult is what one check of the table returned, and the kinds that it declares.
type CheckResult struct {
	Kinds    []Kind
	Findings []Finding
}

// RunChecks runs each check alone on one model, in order or in reverse. The check that needs the findings of the others runs last.
func RunChecks(in Input, reverse bool) []CheckResult {
	m := newModel(in)
	results := make([]CheckResult, len(checks))
	var all []Finding
	for n := range checks {
		i := n
		if reverse {
			i = len(checks) - 1 - n
		}
		if results[i].Kinds = checks[i].kinds; checks[i].run != nil {
			results[i].Findings = checks[i].run(m)
			all = append(all, results[i].Findings...)
		}
	}
	for i, c := range checks {
		if c.after != nil {
			results[i].Findings = c.after(m, all)
		}
	}
	return results
}

// ChecksWithOneFunction reports for each check whether exactly one of its two functions is set.
func ChecksWithOneFunction() []bool {
	var all []bool
	for _, c := range checks {
		all = append(all, (c.run == nil) != (c.after == nil))
	}
	return all
}
