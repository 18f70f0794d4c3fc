package site_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/mailpub/mailpub/cmd/mailpub/demo"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/plan"
)

// The plan of a site whose name server and router are embedded: nothing is there yet.
func Example() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	file, stop := demoConfig(ctx)
	defer stop()

	s, err := site.OpenFile(ctx, file, site.Options{})
	if err != nil {
		log.Fatal(err)
	}

	p, err := s.Plan(ctx)
	if err != nil {
		log.Fatal(err)
	}

	for _, c := range p.Changes {
		if c.Target.Kind == plan.TargetZone {
			fmt.Println(c.Action.Sign(), c.Target.Name, "-", c.Key.Name)
		}
	}
	// Output:
	// + nomeazienda.it - mail.nomeazienda.it. A
	// + nomeazienda.it - mail.nomeazienda.it. TXT v=spf1
	// + nomeazienda.it - nomeazienda.it. TXT v=spf1
	// + 2.2.2.in-addr.arpa - 2.2.2.2.in-addr.arpa. PTR
	// + nomeazienda.it - nomeazienda.it. MX
}

// A plan is carried out under the site's lock. Progress is told as events.
func ExampleSite_Apply() {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	file, stop := demoConfig(ctx)
	defer stop()

	cfg, _, err := site.Load(ctx, file, site.Options{})
	if err != nil {
		log.Fatal(err)
	}

	lock, err := site.NewLock(ctx, cfg, site.Options{Event: func(e site.Event) {
		if end, ok := e.(site.ApplyEnded); ok {
			fmt.Println(end.Done, "changes carried out")
		}
	}})

	if err != nil {
		log.Fatal(err)
	}

	defer lock.Close()

	s, err := lock.Open(ctx)
	if err != nil {
		log.Fatal(err)
	}

	p, err := s.Plan(ctx)
	if err != nil {
		log.Fatal(err)
	}

	const adopt = false // without consent nothing of others is taken over
	err = s.Apply(ctx, p, adopt)
	fmt.Println("stopped before MX, as no mail server answers:", err != nil)
	// Output:
	// 15 changes carried out
	// stopped before MX, as no mail server answers: true
}

// demoConfig starts the demo's Internet and writes the config of its site.
func demoConfig(ctx context.Context) (file string, stop func()) {
	internet, err := demo.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}

	dir, err := os.MkdirTemp("", "mailpub-example-")
	if err != nil {
		log.Fatal(err)
	}

	if err := os.Setenv(demo.KeyVariable, internet.Key); err != nil {
		log.Fatal(err)
	}

	file = filepath.Join(dir, "mailpub.yaml")
	if err := os.WriteFile(file, []byte(internet.Config()), 0o600); err != nil {
		log.Fatal(err)
	}

	return file, func() {
		internet.Close()
		os.RemoveAll(dir)
	}
}
