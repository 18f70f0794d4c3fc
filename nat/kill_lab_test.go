package nat

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
)

// killsEnv says how many times a process is killed for each protocol; a soak of it runs 200.
const killsEnv = "MAILPUB_KILLS"

// siteRun is a run of mailpub for the router alone, with a ledger on disk: what is killed.
type siteRun struct {
	Dir      string
	Protocol string
	Remove   bool // everything, as destroy does
}

func (s siteRun) parties(ctx context.Context, l *plan.Ledger) ([]plan.Party, error) {
	var keys []plan.Key
	for _, e := range l.Of(forward.Kind) {
		keys = append(keys, e.Key)
	}

	r, err := Open(ctx, Options{
		Protocol: s.Protocol,
		Owner: Owner{
			Site:     "nomeazienda",
			Known:    l.Grant,
			Recorded: keys,
		},
	})

	if err != nil {
		return nil, err
	}

	party := plan.Party{Target: plan.ParseTarget("router"), Driver: r}
	if s.Remove {
		return []plan.Party{party}, nil
	}

	for _, c := range five() {
		party.Wanted = append(party.Wanted, plan.Item{
			Key:    c.Key,
			Stage:  plan.StageForward,
			Lines:  c.After,
			Lease:  time.Hour,
			Reason: "wanted",
		})
	}

	return []plan.Party{party}, nil
}

// run plans and applies once, and fails where something could not be read.
func (s siteRun) run(ctx context.Context) error {
	lock, err := ledger.Files{Dir: s.Dir, Site: "nomeazienda"}.Lock(ctx, 5*time.Second)
	if err != nil {
		return err
	}

	defer lock.Unlock()

	l := lock.Ledger()
	parties, err := s.parties(ctx, l)
	if err != nil {
		return err
	}

	p, err := plan.Make(ctx, parties, l, time.Now())
	if err != nil {
		return err
	}
	if err := plan.Apply(ctx, p, parties, l, lock, plan.Options{}); err != nil {
		return err
	}

	return plan.Unread(p.Changes)
}

// A process is killed anywhere while it puts five forwards into a real router or takes them
// away. One more run of either kind, and router and ledger agree.
func TestKilledInLab(t *testing.T) {
	kills := 6
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		kills = n
	}

	for protocol, o := range map[string]lab.Options{"upnp": {}, "pcp": {NoUPnP: true},
		"nat-pmp": {NoUPnP: true}} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			l := lab.Up(t, o)
			k := killer{
				T:        t,
				lab:      l,
				dir:      t.TempDir(),
				protocol: protocol,
			}

			there := k.finish(false)
			for k.killed < kills {
				// Mostly what has something to do, then anything.
				remove := there != (rand.IntN(5) == 0)
				then := rand.IntN(2) == 0
				after := k.kill(remove)

				if !k.finish(then) {
					t.Fatalf("kill %d of %d: killed %s after %v, then %s", k.killed, kills,
						verb(remove), after, verb(then))
				}

				there = !then
			}

			t.Logf("%d kills", k.killed)
		})
	}
}

func verb(remove bool) string {
	if remove {
		return "destroy"
	}
	return "apply"
}

type killer struct {
	*testing.T
	lab      *lab.Lab
	dir      string
	protocol string
	took     time.Duration
	killed   int
}

// kill starts a run and kills it at some time.
func (k *killer) kill(remove bool) time.Duration {
	k.Helper()
	cmd := agentOn(k.Context(), k, k.lab, "lan",
		order{Site: &siteRun{k.dir, k.protocol, remove}})

	if err := cmd.Start(); err != nil {
		k.Fatal(err)
	}

	after := rand.N(k.took)
	time.Sleep(after)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()

	if cmd.ProcessState.ExitCode() < 0 {
		k.killed++
	} else {
		k.took = max(k.took*9/10, 20*time.Millisecond) // it was over: be quicker
	}

	return after
}

// finish runs to the end, and reports whether router and ledger are then as they should be.
func (k *killer) finish(remove bool) bool {
	k.Helper()
	began := time.Now()
	cmd := agentOn(k.Context(), k, k.lab, "lan",
		order{Site: &siteRun{k.dir, k.protocol, remove}})

	if out, err := cmd.CombinedOutput(); err != nil {
		k.Errorf("%s: %v: %s", verb(remove), err, out)
		return false
	}

	k.took = max((3*k.took+time.Since(began))/4, 20*time.Millisecond)
	want := map[string]string{}
	if !remove {
		want = all(five())
	}

	got := map[string]string{}
	for p, to := range k.lab.Mappings(k) {
		got[p] = to.String()
	}

	l, err := ledger.Files{Dir: k.dir, Site: "nomeazienda"}.Read(k.Context())
	if err != nil {
		k.Fatal(err)
	}

	var entries []string
	for _, e := range l.Entries() {
		if e.Pending != nil || e.Removing {
			k.Errorf("after %s: %s is under way in the ledger: %+v, grant %+v", verb(remove),
				e.Key, e, e.Grant)
		}
		entries = append(entries, e.Key.Name+" "+strings.Join(e.Text, " "))
	}

	if fmt.Sprint(got) != fmt.Sprint(want) || len(entries) != len(want) {
		k.Errorf("after %s: the router has %v, the ledger %q, want %v", verb(remove), got,
			entries, want)
		return false
	}

	return true
}
