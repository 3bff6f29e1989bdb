// Command framedocs generates the table of WebSocket requests in a page: framedocs FILE.
package main

import (
	"fmt"
	"os"

	"github.com/openimstack/openim-operator/hack/docpage"
	"github.com/openimstack/openim-operator/wrapper/websocket"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: framedocs FILE")
		os.Exit(2)
	}
	part := docpage.Part{Source: "the table in wrapper/websocket", Command: "go generate ./wrapper/websocket"}
	if err := part.Rewrite(os.Args[1], websocket.Table()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
