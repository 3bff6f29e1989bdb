package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/openimstack/openim-operator/netpol/report"
)

// look of what goes to the terminal. A file gets no colours.
func (p *program) look(o *options) report.Options {
	if o.outputFile != "" {
		return report.Options{}
	}
	return report.Options{Colour: p.terminal.colour, Width: p.terminal.width}
}

// publish writes to the terminal, or whole to a file and a summary to the terminal. A file that was there stays as it is until the
// new one is complete.
func (p *program) publish(o *options, write func(io.Writer) error, summary func() string) error {
	if o.outputFile == "" {
		return write(p.out)
	}
	var content bytes.Buffer
	if err := write(&content); err != nil {
		return err
	}
	if err := replace(o.outputFile, content.Bytes()); err != nil {
		return fmt.Errorf("writing %s: %w", o.outputFile, err)
	}
	_, err := fmt.Fprintf(p.out, "%s\nwritten to %s\n", summary(), o.outputFile)
	return err
}

func replace(path string, content []byte) error {
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(part.Name()) }() // gone when all went well
	if _, err := part.Write(content); err != nil {
		_ = part.Close()
		return err
	}
	if err := part.Chmod(0o644); err != nil {
		_ = part.Close()
		return err
	}
	if err := part.Close(); err != nil {
		return err
	}
	return os.Rename(part.Name(), path)
}
