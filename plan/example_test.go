package plan_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
)

// noStore keeps no ledger.
type noStore struct{}

func (noStore) Save(*plan.Ledger) error { return nil }

// A plan is made from what is wanted and what is there, and carried out. A second one is empty.
func Example() {
	ctx := context.Background()
	router := plantest.NewMemory("forward")
	router.Set(plan.Key{
		Kind: "forward",
		Name: "tcp/143",
	}, []string{"10.10.10.30:143"}) // by another program

	forward := func(port string) plan.Item {
		return plan.Item{
			Key:    plan.Key{Kind: "forward", Name: "tcp/" + port},
			Lines:  []string{"10.10.10.10:" + port},
			Stage:  plan.StageForward,
			Reason: "is reached from outside",
		}
	}

	parties := []plan.Party{{
		Target: plan.ParseTarget("router"),
		Driver: router,
		Wanted: []plan.Item{forward("25"), forward("143")},
	}}

	ledger := plan.NewLedger("office")

	p, err := plan.Make(ctx, parties, ledger, time.Now())
	if err != nil {
		log.Fatal(err)
	}

	for _, c := range p.Changes {
		fmt.Println(c.Action.Sign(), c.Key.Name, c.Before, "->", c.After, "adopt:", c.Adopt)
	}

	err = plan.Apply(ctx, p, parties, ledger, noStore{}, plan.Options{})
	fmt.Println(err)
	if err := plan.Apply(ctx, p, parties, ledger, noStore{},
		plan.Options{Adopt: true}); err != nil {
		log.Fatal(err)
	}

	if p, err = plan.Make(ctx, parties, ledger, time.Now()); err != nil {
		log.Fatal(err)
	}

	fmt.Println(len(p.Changes), "changes left,", ledger.Len(), "things in the ledger")
	// Output:
	// + tcp/25 [] -> [10.10.10.10:25] adopt: false
	// ~ tcp/143 [10.10.10.30:143] -> [10.10.10.10:143] adopt: true
	// consent needed to take over what others put in place: 1 of the changes
	// 0 changes left, 2 things in the ledger
}
