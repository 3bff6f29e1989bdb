// Command echo serves "hello" on port 8080, or as `echo get URL` fetches a page.
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"time"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "get" {
		client := http.Client{Timeout: 2 * time.Second}
		response, err := client.Get(os.Args[2])
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if _, err := io.Copy(os.Stdout, response.Body); err != nil {
			log.Fatal(err)
		}
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		log.Println("request for", r.URL.Path)
		fmt.Fprint(w, "hello")
	})
	log.Fatal(http.ListenAndServe(":8080", nil))
}
