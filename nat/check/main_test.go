package check

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
)

// insideEnv makes this test binary run the checks on a host of the lab: a namespace belongs
// to a thread, and a Go process has many.
const insideEnv = "MAILPUB_NAT_CHECK_INSIDE"

func TestMain(m *testing.M) {
	if os.Getenv(insideEnv) != "" {
		if err := inside(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}

	goleak.VerifyTestMain(m)
}

// inside forwards port 25 to the mail server and prints what the checks say of it and of port
// 1000, which is not forwarded.
func inside() error {
	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()

	r, err := nat.Open(ctx, nat.Options{Owner: nat.Owner{Site: "nomeazienda"}})
	if err != nil {
		return err
	}

	wanted := []plan.Item{wantedItem("tcp/25", lab.Server+":25"),
		wantedItem("tcp/1000", lab.Server+":1000")}

	change := plan.Change{
		Key:    wanted[0].Key,
		Action: plan.Create,
		After:  wanted[0].Lines,
		Lease:  time.Hour,
	}

	if err := r.Apply(ctx, []plan.Change{change}, func(plan.Change, error) {}); err != nil {
		return err
	}

	checks := plan.RunChecks(ctx, Checkers(Facts{Open: opens(r), Wanted: wanted}))
	return json.NewEncoder(os.Stdout).Encode(checks)
}
