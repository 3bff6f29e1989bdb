package loopback

import "fmt"

// StopCleanly is Stop for a process that must end with exit status 0; another status is an error.
func (s *Stack) StopCleanly(name string) error {
	return s.ending(name, func(p *process) error {
		p.terminate()
		if err := p.wait(); err != nil {
			return err
		}
		if code := p.cmd.ProcessState.ExitCode(); code != 0 {
			return fmt.Errorf("%s ended with exit status %d:\n%s", name, code, p.tail())
		}
		return nil
	})
}
