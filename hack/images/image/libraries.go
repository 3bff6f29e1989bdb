package image

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"regexp"
	"sort"
	"strings"
)

// loaded matches a line of ldd: "libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x...)" or "/lib64/ld-linux-x86-64.so.2 (0x...)".
var loaded = regexp.MustCompile(`(?:=>\s+|^\s*)(/\S+)\s+\(0x`)

// libraries lists the shared libraries that a program of this machine loads.
func libraries(program string) ([]string, error) {
	out, err := exec.Command("ldd", program).Output()
	if err != nil {
		return nil, fmt.Errorf("running ldd %s: %w", program, err)
	}
	return parseLDD(string(out))
}

func parseLDD(output string) ([]string, error) {
	var files []string
	for _, line := range strings.Split(output, "\n") {
		if strings.Contains(line, "not found") {
			return nil, fmt.Errorf("a library is missing: %s", strings.TrimSpace(line))
		}
		if m := loaded.FindStringSubmatch(line); m != nil {
			files = append(files, path.Clean(m[1]))
		}
	}
	sort.Strings(files)
	return files, nil
}

// tools lists the programs that a component's go.mod names, by the names of their binaries.
func tools(ctx context.Context, dir string) ([]string, error) {
	out, err := goIn(ctx, dir, "list", "-f", "{{.ImportPath}}", "tool")
	if err != nil {
		return nil, err
	}
	var names []string
	for _, importPath := range strings.Fields(string(out)) {
		names = append(names, path.Base(importPath))
	}
	return names, nil
}
