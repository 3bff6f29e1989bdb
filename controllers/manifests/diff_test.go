package manifests_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	. "github.com/onsi/gomega"
)

// diffDocuments writes how a component's children differ from those of the full case:
//
//	= Deployment chat-api
//	@ 43
//	-        image: openim/openim-server:v3.8.3
//	+        image: registry.example.com/openim-server:v3.8.3
//	+ ConfigMap chat-gateway-hot, after Deployment chat-backend
//	+apiVersion: v1
//	...
//	- PodDisruptionBudget chat-api
//
// "=" starts a changed child, and "@ 43" a change at the 43rd line of the full case's child. "+" with a space starts a child that the full
// case does not have, all its lines follow; "-" with a space is a child that only the full case has. Together with the full case the text
// determines every line of every child, and their order.
func diffDocuments(full, got []document) string {
	var out strings.Builder
	before := "the start"
	for _, d := range got {
		i := slices.IndexFunc(full, func(f document) bool { return f.title == d.title })
		switch {
		case i < 0:
			fmt.Fprintf(&out, "+ %s, after %s\n", d.title, before)
			writeLines(&out, "+", d.lines)
		case !slices.Equal(full[i].lines, d.lines):
			fmt.Fprintf(&out, "= %s\n", d.title)
			diffLines(&out, full[i].lines, d.lines)
		}
		before = d.title
	}
	for _, f := range full {
		if !slices.Contains(titlesOf(got), f.title) {
			fmt.Fprintf(&out, "- %s\n", f.title)
		}
	}
	if common := titlesIn(got, full); !slices.Equal(common, titlesIn(full, got)) {
		fmt.Fprintf(&out, "order: %s\n", strings.Join(common, ", "))
	}
	return out.String()
}

func titlesOf(list []document) []string {
	var titles []string
	for _, d := range list {
		titles = append(titles, d.title)
	}
	return titles
}

// titlesIn returns the titles of list that other has too, in the order of list.
func titlesIn(list, other []document) []string {
	known := titlesOf(other)
	return slices.DeleteFunc(titlesOf(list), func(title string) bool { return !slices.Contains(known, title) })
}

func writeLines(out *strings.Builder, sign string, lines []string) {
	for _, line := range lines {
		out.WriteString(sign + line + "\n")
	}
}

// diffLines writes a shortest difference of two texts. Each change starts with its line number in a; the removed lines come before the
// added.
func diffLines(out *strings.Builder, a, b []string) {
	same := commonLengths(a, b)
	for i, j := 0, 0; i < len(a) || j < len(b); {
		if i < len(a) && j < len(b) && a[i] == b[j] {
			i, j = i+1, j+1
			continue
		}
		fromA, fromB := i, j
		for (i < len(a) || j < len(b)) && (i == len(a) || j == len(b) || a[i] != b[j]) {
			if i < len(a) && (j == len(b) || same[i+1][j] >= same[i][j+1]) {
				i++
			} else {
				j++
			}
		}
		fmt.Fprintf(out, "@ %d\n", fromA+1)
		writeLines(out, "-", a[fromA:i])
		writeLines(out, "+", b[fromB:j])
	}
}

// commonLengths returns the length of the longest common subsequence of a[i:] and b[j:], for every i and j.
func commonLengths(a, b []string) [][]int {
	same := make([][]int, len(a)+1)
	for i := range same {
		same[i] = make([]int, len(b)+1)
	}
	for i, lineA := range slices.Backward(a) {
		for j, lineB := range slices.Backward(b) {
			if lineA == lineB {
				same[i][j] = same[i+1][j+1] + 1
			} else {
				same[i][j] = max(same[i+1][j], same[i][j+1])
			}
		}
	}
	return same
}

func TestADiffShowsEveryChange(t *testing.T) {
	full := []document{{"A a", []string{"1", "2", "3"}}, {"B b", []string{"1"}}, {"C c", nil}}
	for name, c := range map[string]struct {
		got  []document
		want string
	}{
		"nothing": {full, ""},
		"a line":  {[]document{{"A a", []string{"1", "x", "3"}}, full[1], full[2]}, "= A a\n@ 2\n-2\n+x\n"},
		"an added line and a removed one": {
			[]document{{"A a", []string{"0", "1", "2"}}, full[1], full[2]}, "= A a\n@ 1\n+0\n@ 3\n-3\n",
		},
		"an added child":     {[]document{full[0], full[1], {"D d", []string{"9"}}, full[2]}, "+ D d, after B b\n+9\n"},
		"a removed child":    {full[:2], "- C c\n"},
		"no child":           {nil, "- A a\n- B b\n- C c\n"},
		"another order":      {[]document{full[1], full[0], full[2]}, "order: B b, A a, C c\n"},
		"an added first one": {append([]document{{"D d", nil}}, full...), "+ D d, after the start\n"},
	} {
		NewWithT(t).Expect(diffDocuments(full, c.got)).To(Equal(c.want), name)
	}
}
