package main

import (
	"context"
	"fmt"
	"go/scanner"
	"go/token"
	"io"
	"path"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxColumns is how long a line of code or prose may be, in characters; a tab counts as one.
const maxColumns = 140

// columns finds lines which are too long to read beside a second window.
func columns(_ context.Context, t tree, _ io.Writer) ([]string, error) {
	var findings []string
	for _, name := range t.files {
		if !isWritten(name) {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		literal := rawLines(name, content)
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			if literal[number] {
				continue
			}
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\r\n")); n > maxColumns && !mayBeLong(name, line) {
				findings = append(findings, fmt.Sprintf("%s:%d has %d columns, over %d: break it", name, number, n, maxColumns))
			}
		}
	}
	return findings, nil
}

// rawLines returns the lines whose breaks are content: raw strings of Go, code blocks of Markdown.
func rawLines(name string, content []byte) map[int]bool {
	lines := map[int]bool{}
	if path.Ext(name) != ".go" {
		fenced, number := false, 0
		for line := range strings.Lines(string(content)) {
			number++
			fence := strings.HasPrefix(strings.TrimSpace(line), "```")
			fenced = fenced != fence
			lines[number] = fenced || fence || strings.HasPrefix(line, "    ")
		}
		return lines
	}
	files := token.NewFileSet()
	file := files.AddFile(name, files.Base(), len(content))
	var s scanner.Scanner
	s.Init(file, content, func(token.Position, string) {}, 0)
	for {
		at, kind, text := s.Scan()
		if kind == token.EOF {
			return lines
		}
		if kind == token.STRING && strings.HasPrefix(text, "`") {
			for first, n := file.Line(at), 0; n <= strings.Count(text, "\n"); n++ {
				lines[first+n] = true
			}
		}
	}
}

// isWritten reports whether people write the file and read it as text: code and prose, nothing that is generated, recorded or foreign.
func isWritten(name string) bool {
	ext := path.Ext(name)
	return (ext == ".go" || ext == ".md") && !isGenerated(name) && !strings.Contains(name, "/testdata/")
}

// directive matches comments which a tool reads and which may not be broken.
var directive = regexp.MustCompile(`^\s*//(go:|\s*\+kubebuilder|\s*Code generated)|//nolint`)

// unbroken matches what has no place to break: a long URL, key or vector.
var unbroken = regexp.MustCompile(`[^\s,()]{100,}`)

func mayBeLong(name, line string) bool {
	if strings.HasSuffix(name, ".md") && strings.HasPrefix(strings.TrimSpace(line), "|") {
		return true
	}
	return directive.MatchString(line) || unbroken.MatchString(line)
}

// metaphors are words of a private vocabulary which the project has left, each with what to write. The word counts in prose and as a part
// of an identifier: doorOf, Stirred, the_house.
var metaphors = map[string]string{
	"house": "name the project, the tree or the package", "hall": "name the package or function",
	"door": "listener", "doors": "listeners",
	"belt": "logout queue", "bell": "requeue", "stir": "requeue", "stirs": "requeues", "stirred": "requeued",
	"stranger": "unexpected source", "strangers": "unexpected sources",
	"story": "name the events", "persons": "people or users", "town": "test environment", "crowd": "many users",
	"errand": "call", "purse": "quota",
	"scene": "model or fixture", "scenes": "cases", "mended": "fixed or repaired",
	"he": pronoun, "his": pronoun, "him": pronoun, "himself": pronoun, "she": pronoun, "her": pronoun, "hers": pronoun, "herself": pronoun,
}

const pronoun = "name the program, or write \"the caller\" or \"they\""

// phrases are turns of several words, with what to write.
var phrases = []struct{ phrase, instead string }{
	{"tells whether", "reports whether"}, {"tell whether", "report whether"}, {"at choice", "optional"}, {"thought up", "synthetic"},
	{"last words", "last log lines"},
}

// language finds words which the project does not use, so that they do not come back.
func language(_ context.Context, t tree, _ io.Writer) ([]string, error) {
	var findings []string
	for _, name := range t.files {
		if !isProse(name) {
			continue
		}
		content, err := t.read(name)
		if err != nil {
			return nil, err
		}
		number := 0
		for line := range strings.Lines(string(content)) {
			number++
			// A key or vector in base64 has no words.
			for _, word := range wordsOf(unbroken.ReplaceAllString(line, "")) {
				if instead, found := metaphors[word]; found {
					findings = append(findings, fmt.Sprintf("%s:%d says %q: %s", name, number, word, instead))
				}
			}
			lower := strings.ToLower(line)
			for _, p := range phrases {
				if strings.Contains(lower, p.phrase) {
					findings = append(findings, fmt.Sprintf("%s:%d says %q: %s", name, number, p.phrase, p.instead))
				}
			}
		}
	}
	return findings, nil
}

// isProse reports whether the file's words are the project's own.
func isProse(name string) bool {
	switch path.Ext(name) {
	case ".go", ".md", ".yaml", ".yml", ".js", ".mjs", ".lua", ".sh", ".tpl", "":
	default:
		return false
	}
	return !isGenerated(name) && !strings.Contains(name, "/testdata/") && !strings.HasPrefix(name, "hack/verify/language") && name != "LICENSE"
}

// wordsOf returns the words of a line in lower case. Capitals and all but letters divide: "doorOf(x)" has door, of and x.
func wordsOf(line string) []string {
	var words []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			words = append(words, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	lower := false
	for _, r := range line {
		if !unicode.IsLetter(r) && r != '\'' || unicode.IsUpper(r) && lower {
			flush()
		}
		if unicode.IsLetter(r) {
			word.WriteRune(r)
		}
		lower = unicode.IsLower(r)
	}
	flush()
	return words
}
