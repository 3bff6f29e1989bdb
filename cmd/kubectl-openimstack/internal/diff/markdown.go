package diff

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/openimstack/openim-operator/cmd/kubectl-openimstack/internal/cli"
	"github.com/openimstack/openim-operator/netpol/report"
)

// maxComment is the largest comment that GitHub takes, in characters. Bytes are counted, which are at least as many.
const maxComment = 65_536

// The fence of a block of code. Lines hold no backquote, so that no line ends the block.
const (
	fenceBegin = "```text\n"
	fenceEnd   = "```\n\n"
)

// markdown returns pages as a comment of at most maxComment bytes.
//
// Texts come from objects that anybody may have named. They stand in blocks of code, in which nothing is markup, a link, a mention or a
// reference. When there are too many lines, every section keeps its heading and its number, and the sections share the room: a flood in one
// of them hides no other.
func markdown(pages []page) string {
	pages = slices.Clone(pages)
	slices.SortStableFunc(pages, func(a, b page) int { return min(b.count(), 1) - min(a.count(), 1) }) // differences first
	room, kept, open, dropped := maxComment-len(leftOut(math.MaxInt32, math.MaxInt32)), 0, 0, 0
	for _, p := range pages {
		if room-p.frame() < maxComment/4 {
			break
		}
		room, kept, open = room-p.frame(), kept+1, open+p.open()
	}
	var out strings.Builder
	for _, p := range pages[:kept] {
		out.WriteString(p.head())
		for _, s := range p.sections {
			if len(s.lines) == 0 {
				continue
			}
			lines, used := fitting(s.lines, room/open)
			room, open, dropped = room-used, open-1, dropped+len(s.lines)-len(lines)
			out.WriteString(s.head() + strings.Join(lines, "") + fenceEnd)
		}
	}
	for _, p := range pages[kept:] {
		dropped += p.count()
	}
	if dropped > 0 || kept < len(pages) {
		out.WriteString(leftOut(dropped, len(pages)-kept))
	}
	return out.String()
}

// head returns the heading of a page.
func (p page) head() string { return "### " + p.heading + "\n\n" }

// count returns the number of lines of a page.
func (p page) count() int {
	count := 0
	for _, s := range p.sections {
		count += len(s.lines)
	}
	return count
}

// open returns the number of sections with lines.
func (p page) open() int {
	count := 0
	for _, s := range p.sections {
		count += min(1, len(s.lines))
	}
	return count
}

// frame returns the length of all that is not a line.
func (p page) frame() int {
	length := len(p.head())
	for _, s := range p.sections {
		if len(s.lines) > 0 {
			length += len(s.head()) + len(fenceEnd)
		}
	}
	return length
}

// head returns the beginning of a section: its heading, the number of its lines, and the fence.
func (s section) head() string {
	return fmt.Sprintf("**%s** (%d)\n\n%s", strings.ToUpper(s.heading[:1])+s.heading[1:], len(s.lines), fenceBegin)
}

// leftOut returns the sentence about what did not fit.
func leftOut(lines, pages int) string {
	what := fmt.Sprintf("%d lines", lines)
	if pages > 0 {
		what += fmt.Sprintf(" and %d stacks", pages)
	}
	return fmt.Sprintf("%s were left out, because a comment has at most %d characters: run `%s diff` for all of them.\n",
		what, maxComment, cli.Name)
}

// fitting returns the first lines that fit, and their length.
func fitting(lines []string, room int) (fit []string, used int) {
	for _, l := range lines {
		l = strings.ReplaceAll(report.Line(l), "`", "'") + "\n"
		if used+len(l) > room {
			break
		}
		fit, used = append(fit, l), used+len(l)
	}
	return fit, used
}
