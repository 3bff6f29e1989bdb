package controllers

import (
	"fmt"
	"testing"

	. "github.com/onsi/gomega"
)

// A list that is longer than the CRD takes would have the API server refuse the whole status.
func TestListsOfTheStatusAreBounded(t *testing.T) {
	g := NewWithT(t)
	var all []string
	for i := range 200 {
		all = append(all, fmt.Sprintf("ConfigMap/chat-%d", i))
	}
	g.Expect(few(all[:maxPending], maxPending)).To(Equal(all[:maxPending]))
	cut := few(all, maxPending)
	g.Expect(cut).To(HaveLen(maxPending))
	g.Expect(cut[126:]).To(Equal([]string{"ConfigMap/chat-126", "and 73 more"}))
	g.Expect(all).To(HaveLen(200))
	g.Expect(all[127]).To(Equal("ConfigMap/chat-127"), "the list itself is unchanged")
}
