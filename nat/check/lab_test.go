package check

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan"
)

// The checks on a real router: what is there, and what is not.
func TestChecksInLab(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	cmd := l.Command(t.Context(), "lan", self)
	cmd.Env = append(os.Environ(), insideEnv+"=1")
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}

	var checks []plan.Check
	if err := json.Unmarshal(out, &checks); err != nil {
		t.Fatal(err)
	}

	got := map[string]plan.Status{}
	for _, c := range checks {
		got[c.ID+" "+c.Subject.String()] = c.Status
	}

	for key, want := range map[string]plan.Status{
		"router.gateway router": plan.Pass, "router.address public address": plan.Skip,
		"router.forward tcp/25": plan.Pass, "router.forward tcp/1000": plan.Fail,
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q; all: %v", key, got[key], want, got)
		}
	}
}
