package controllers

import (
	"testing"

	. "github.com/onsi/gomega"
)

func TestUnusedSecrets(t *testing.T) {
	cases := []struct {
		name                         string
		existing, used, before, want []string
		settled                      bool
	}{
		{"all used", []string{"a", "b"}, []string{"b", "a", "c"}, nil, nil, true},
		{"one is not", []string{"b", "a"}, []string{"a"}, nil, []string{"b"}, true},
		{"pods of an older spec may use it", []string{"a", "b"}, []string{"a"}, nil, nil, false},
		{"known before a rollout", []string{"a", "b", "c"}, []string{"a"}, []string{"b"}, []string{"b"}, false},
		{"deleted", []string{"a"}, []string{"a"}, []string{"b"}, nil, false},
		{"used again", []string{"a", "b"}, []string{"a", "b"}, []string{"b"}, nil, false},
		{"sorted", []string{"c", "a", "b"}, nil, nil, []string{"a", "b", "c"}, true},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := unusedSecrets(c.existing, c.used, c.before, c.settled)
			if len(c.want) == 0 {
				NewWithT(t).Expect(got).To(BeEmpty())
				return
			}
			NewWithT(t).Expect(got).To(Equal(c.want))
		})
	}
	NewWithT(t).Expect(unusedSecrets(make([]string, 100), nil, nil, true)).To(HaveLen(maxUnusedSecrets))
}
