// The program that peers deploy: a web server that answers with the name of
// its pod, and with a word that a measurement edits.
package main

import (
	"fmt"
	"net/http"
	"os"
)

const word = "unedited"

func main() {
	pod, _ := os.Hostname()
	http.HandleFunc("/", func(answer http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(answer, pod, word)
	})
	if err := http.ListenAndServe(":8080", nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
