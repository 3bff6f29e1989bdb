package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
)

// figure is one result.
type figure struct {
	key, unit, name string
	value           float64
}

// bounds are the largest figures that are expected, by key. A figure that is better is no fault.
type bounds map[string]float64

func show(out io.Writer, stacks int, figures []figure) {
	_, _ = fmt.Fprintf(out, "| %d stacks | |\n|---|---|\n", stacks)
	for _, f := range figures {
		_, _ = fmt.Fprintf(out, "| %s | %s %s |\n", f.name, number(f.value), f.unit)
	}
}

func number(v float64) string {
	if v >= 100 || v == float64(int(v)) {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 1, 64)
}

// percentile returns the upper bound of the bucket that holds the 99th percentile of the values between two cumulative histograms.
func percentile(now, before map[float64]uint64) float64 {
	bounds := slices.Sorted(maps.Keys(now))
	if len(bounds) == 0 {
		return 0
	}
	last := bounds[len(bounds)-1]
	total := now[last] - before[last]
	for _, bound := range bounds {
		if float64(now[bound]-before[bound]) >= 0.99*float64(total) {
			return bound
		}
	}
	return last
}

// slack is the factor within which another run is expected: wide, because the machine differs.
const slack = 1.5

// compare compares the figures with the ranges of the file, or writes them.
func compare(s settings, figures []figure) error {
	all := map[string]bounds{}
	text, err := os.ReadFile(s.ranges)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if err == nil {
		if err := json.Unmarshal(text, &all); err != nil {
			return fmt.Errorf("reading %s: %w", s.ranges, err)
		}
	}
	key := strconv.Itoa(s.stacks)
	if s.foreign > 0 {
		key += fmt.Sprintf(" and %d foreign Secrets", s.foreign)
	}
	if s.update {
		return write(s.ranges, all, key, figures)
	}
	ranges, ok := all[key]
	if !ok {
		return fmt.Errorf("%s has no ranges for %s stacks: write them with -update", s.ranges, key)
	}
	var outside []error
	for _, f := range figures {
		most, known := ranges[f.key]
		if !known {
			outside = append(outside, fmt.Errorf("%s has no bound of %s for %s stacks: write it with -update", s.ranges, f.key, key))
		} else if f.value > most {
			outside = append(outside, fmt.Errorf("%s: %s %s is more than %s", f.name, number(f.value), f.unit, number(most)))
		}
	}
	return errors.Join(outside...)
}

func write(file string, all map[string]bounds, key string, figures []figure) error {
	ranges := bounds{}
	for _, f := range figures {
		ranges[f.key] = math.Ceil(f.value*slack + 1)
	}
	all[key] = ranges
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o600)
}
