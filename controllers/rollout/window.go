package rollout

import (
	"errors"
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // the operator's image has no time zone database

	"github.com/openimstack/openim-operator/api/v1alpha1"
)

// Window is a time that comes back each week.
type Window struct {
	// Days on which it starts. Empty: each day.
	Days []time.Weekday
	// Hour and Minute at which it starts, in Location.
	Hour, Minute int
	Location     *time.Location
	Duration     time.Duration
}

// parseWindows converts the windows of a spec. Those that are wrong are reported and left out.
func parseWindows(spec []v1alpha1.UpgradeWindow) ([]Window, error) {
	if len(spec) == 0 {
		return nil, nil
	}
	windows := []Window{}
	var failures []error
	for i := range spec {
		window, err := parseWindow(&spec[i])
		if err != nil {
			failures = append(failures, fmt.Errorf("spec.upgrade.windows[%d].%w", i, err))
			continue
		}
		windows = append(windows, window)
	}
	return windows, errors.Join(failures...)
}

func parseWindow(spec *v1alpha1.UpgradeWindow) (Window, error) {
	start, err := time.Parse("15:04", spec.Start)
	if err != nil {
		return Window{}, fmt.Errorf("start: %q is not a time of day such as 22:30", spec.Start)
	}
	zone := spec.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	location, err := time.LoadLocation(zone)
	if err != nil || location == time.Local {
		return Window{}, fmt.Errorf("timeZone: %q is not in the time zone database: use a name such as Europe/Berlin", zone)
	}
	w := Window{Hour: start.Hour(), Minute: start.Minute(), Location: location, Duration: time.Duration(spec.DurationSeconds) * time.Second}
	for _, name := range spec.Days {
		day := slices.IndexFunc(weekdays, func(d time.Weekday) bool { return d.String() == string(name) })
		if day < 0 {
			return Window{}, fmt.Errorf("days: %q is not a day of the week", name)
		}
		w.Days = append(w.Days, weekdays[day])
	}
	return w, nil
}

var weekdays = []time.Weekday{
	time.Sunday, time.Monday, time.Tuesday, time.Wednesday, time.Thursday, time.Friday, time.Saturday,
}

// on returns the start of the window on the day that is some days after the local day of a time. It reports false when the window does not
// start on that day.
func (w Window) on(at time.Time, days int) (time.Time, bool) {
	year, month, day := at.In(w.Location).Date()
	if noon := time.Date(year, month, day+days, 12, 0, 0, 0, time.UTC); len(w.Days) > 0 && !slices.Contains(w.Days, noon.Weekday()) {
		return time.Time{}, false
	}
	start := time.Date(year, month, day+days, w.Hour, w.Minute, 0, 0, w.Location)
	return start, true
}

// Open reports whether a window is open at a time, and else when the next one opens: the zero time when none ever does.
func Open(windows []Window, at time.Time) (bool, time.Time) {
	var next time.Time
	for _, w := range windows {
		for days := -1; days <= 7; days++ { // a window is at most a day long, and comes back after seven
			start, ok := w.on(at, days)
			switch {
			case !ok:
			case start.After(at):
				if next.IsZero() || start.Before(next) {
					next = start
				}
			case at.Before(start.Add(w.Duration)):
				return true, time.Time{}
			}
		}
	}
	return false, next
}

// open reports whether a rollout of other images may start now, and else when.
func (p *planner) open() (bool, time.Time) {
	if p.Policy.Windows == nil {
		return true, time.Time{}
	}
	return Open(p.Policy.Windows, p.Now)
}

// awaitWindow tells when the window opens for which the rollout waits, if it does.
func (p *planner) awaitWindow() {
	r := p.rollout()
	if r == nil || r.State != v1alpha1.RolloutWaitingForWindow {
		return
	}
	open, next := p.open()
	switch {
	case open:
		p.plan.Opens, p.plan.Requeue = p.Now, slotPoll
	case !next.IsZero():
		p.plan.Opens, p.plan.Requeue = next, min(next.Sub(p.Now), longestWait)
	}
}

// atRest reports whether all components run one completed revision, so that nothing is gained by starting at once. A rollout that is under
// way, or held in the middle, is better ended.
func (p *planner) atRest() bool {
	r := p.rollout()
	if p.plan.State.Current == "" || p.plan.State.Current == p.Wanted {
		return false
	}
	if r != nil && r.Wave == 0 && (Moving(r) || r.State == v1alpha1.RolloutHeld) {
		return true // its first check was not over: no component was changed yet
	}
	if p.lost || r != nil && r.State == v1alpha1.RolloutWaiting { // it may replace one that had begun
		current, _ := p.revision(p.plan.State.Current)
		return !slices.ContainsFunc(p.Components, func(c Component) bool { return p.hash(c.Name) != current.Hashes[c.Name] })
	}
	return r == nil || isWaiting(r) || r.State == v1alpha1.RolloutRolledBack && pursued(r) != p.Wanted
}

// changesImages reports whether a component that takes part gets another image than it has.
func (p *planner) changesImages() bool {
	wanted, _ := p.revision(p.Wanted)
	for _, name := range p.rollout().Components {
		present, ok := p.revision(p.Observed[name].Revision)
		if ok && present.Images[name] != wanted.Images[name] {
			return true
		}
	}
	return false
}
