// Package procstop halts processes for tests. A halted process keeps its connections and memory, and answers nothing. Only tests import it.
package procstop
