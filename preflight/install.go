package preflight

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Install copies the program at source to target, mode 0555. The kubelet may run the container again at any time, so target is replaced
// by renaming a complete copy: a half-written program is never run.
func Install(source, target string) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("installing the supervisor: %w", err)
	}
	defer func() { _ = in.Close() }()
	out, err := os.CreateTemp(filepath.Dir(target), ".install-*")
	if err != nil {
		return fmt.Errorf("installing the supervisor: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(out.Name())
		}
	}()
	_, err = io.Copy(out, in)
	if err == nil {
		err = out.Chmod(0o555)
	}
	if closed := out.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(out.Name(), target)
	}
	if err != nil {
		return fmt.Errorf("installing the supervisor: %w", err)
	}
	return nil
}
