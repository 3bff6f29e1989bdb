package evaluate

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// selectors are the distinct label selectors of all policies, each compiled once and identified by a number.
type selectors struct {
	all    []labels.Selector
	byText map[string]int
	// byPair indexes selectors that require a certain value of a label. The other selectors are in rest. Objects are compared only with
	// the selectors that can match.
	byPair map[pair][]int
	rest   []int
}

type pair struct{ key, value string }

func newSelectors() selectors {
	return selectors{byText: map[string]int{}, byPair: map[pair][]int{}}
}

// add returns the number of a selector.
func (s *selectors) add(selector *metav1.LabelSelector) (int, error) {
	compiled, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return 0, err
	}
	text := compiled.String()
	if i, known := s.byText[text]; known {
		return i, nil
	}
	i := len(s.all)
	s.all, s.byText[text] = append(s.all, compiled), i
	if p, ok := needs(compiled); ok {
		s.byPair[p] = append(s.byPair[p], i)
	} else {
		s.rest = append(s.rest, i)
	}
	return i, nil
}

// needs returns a label with the value that a selector requires, if there is one.
func needs(selector labels.Selector) (pair, bool) {
	requirements, _ := selector.Requirements()
	for i := range requirements {
		op, values := requirements[i].Operator(), requirements[i].ValuesUnsorted()
		if len(values) == 1 && (op == selection.Equals || op == selection.In) {
			return pair{requirements[i].Key(), values[0]}, true
		}
	}
	return pair{}, false
}

// match returns the numbers of the selectors that match a set of labels.
func (s *selectors) match(set labels.Set) bits {
	found := newBits(len(s.all))
	for _, i := range s.rest {
		if s.all[i].Matches(set) {
			found.set(i)
		}
	}
	for key, value := range set {
		for _, i := range s.byPair[pair{key, value}] {
			if s.all[i].Matches(set) {
				found.set(i)
			}
		}
	}
	return found
}
