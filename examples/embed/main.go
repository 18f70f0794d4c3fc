// Command embed uses mailpub as a library: it opens the site of a config file, makes its plan, and
// prints that as JSON. Run it in the root of this repository:
//
//	go run ./examples/embed examples/office/mailpub.yaml
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/site"
)

func main() {
	file := "examples/office/mailpub.yaml"
	if len(os.Args) > 1 {
		file = os.Args[1]
	}

	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()

	// Opening asks the router and the sources of the public address. Nothing is locked or written.
	s, err := site.OpenFile(ctx, file, site.Options{})
	if err != nil {
		log.Fatal(err)
	}

	p, err := s.Plan(ctx)
	if err != nil {
		log.Fatal(err)
	}

	text, err := json.MarshalIndent(p.Plan, "", "  ")
	if err != nil {
		log.Fatal(err)
	}

	fmt.Println(string(text))
}
