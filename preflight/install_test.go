package preflight

import (
	"os"
	"path/filepath"
	"testing"
)

func TestInstallReplacesTheProgramByACompleteCopy(t *testing.T) {
	dir := t.TempDir()
	source, target := filepath.Join(dir, "supervisor"), filepath.Join(dir, "volume", "supervisor")
	if err := os.Mkdir(filepath.Dir(target), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"the first build", "second"} {
		if err := os.WriteFile(source, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Install(source, target); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(target)
		if err != nil || string(got) != content {
			t.Fatalf("installed %q, %v; want %q", got, err, content)
		}
		info, err := os.Stat(target)
		if err != nil || info.Mode().Perm() != 0o555 {
			t.Fatalf("mode %v, %v; want 0555", info.Mode(), err)
		}
	}
	only(t, filepath.Dir(target), "supervisor")
}

func TestInstallThatFailsLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	if err := Install(filepath.Join(dir, "absent"), filepath.Join(dir, "supervisor")); err == nil {
		t.Error("a source that does not exist was installed")
	}
	only(t, dir)
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	// A folder cannot be replaced by a file.
	if err := os.Mkdir(filepath.Join(dir, "target"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Install(source, filepath.Join(dir, "target")); err == nil {
		t.Error("a folder was replaced")
	}
	only(t, dir, "source", "target")
}

// only fails the test unless the folder holds exactly these names.
func only(t *testing.T, dir string, names ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if len(got) != len(names) {
		t.Fatalf("the folder holds %q, want %q", got, names)
	}
	for i := range names {
		if got[i] != names[i] {
			t.Fatalf("the folder holds %q, want %q", got, names)
		}
	}
}
