// Command framedocs generates the table of WebSocket requests in a page: framedocs FILE.
package main

import (
	"fmt"
	"os"

	"github.com/openimstack/openim-operator/wrapper/websocket"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: framedocs FILE")
		os.Exit(2)
	}
	if err := rewrite(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func rewrite(file string) error {
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	out, err := websocket.Docs(string(page))
	if err != nil {
		return err
	}
	return os.WriteFile(file, []byte(out), 0o644)
}
