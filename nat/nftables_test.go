package nat

import (
	"context"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/plantest"
)

// nft loads rules on a host of the lab.
func nft(t *testing.T, l *lab.Lab, host, rules string) {
	t.Helper()
	cmd := l.Command(t.Context(), host, "nft", "-f", "-")
	cmd.Stdin = strings.NewReader(rules)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nft: %v: %s\n%s", err, out, rules)
	}
}

func ruleset(t *testing.T, l *lab.Lab, host string) string {
	t.Helper()
	out, err := l.Exec(t, host, "nft", "list", "ruleset")
	if err != nil {
		t.Fatal(out)
	}
	return out
}

// On the router itself: forwards in a table of our own, seen through a forward chain that
// drops, working once that is told, living through a reload of the others' table, restored
// by nft, and gone without a trace.
func TestNFTables(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{NoDaemon: true})
	before := ruleset(t, l, "router")
	names := []string{"tcp/25", "tcp/110", "tcp/143", "tcp/3000", "tcp/1000", "tcp/26"}
	run := func(o order) report {
		t.Helper()
		o.Protocol = "nftables"
		rep := on(t, l, "router", o)
		ok(t, rep)
		return rep
	}

	obstacle := func(rep report) string {
		if len(rep.Looked.Forwards) != 1 || rep.Looked.Forwards[0].Owner != "ours" {
			t.Fatalf("looked at %+v", rep.Looked)
		}
		return rep.Looked.Forwards[0].Note
	}

	rep := run(order{Apply: five(), Read: names})
	if len(rep.Items) != 5 || rep.Address != netip.MustParseAddr(lab.Public) {
		t.Errorf("read %s, WAN %s", text(rep.Items), rep.Address)
	}

	has(t, "why", rep.Why, "WAN is wan0, which has the default route")
	for _, it := range rep.Items {
		if !it.Marked || !it.Expires.IsZero() {
			t.Errorf("%+v", it)
		}
	}

	if got := obstacle(run(order{
		Look:   true,
		Wanted: []string{"25"},
	})); !strings.Contains(got, "the policy of chain inet filter forward drops it") {
		t.Errorf("with a closed forward chain: %q", got)
	}

	if out, err := agentOn(t.Context(), t, l, "inet",
		order{Dial: lab.Public + ":25"}).CombinedOutput(); err == nil {
		t.Errorf("a closed forward chain lets it through: %s", out)
	}

	nft(t, l, "router", "insert rule inet filter forward ct status dnat accept")
	if got := obstacle(run(order{Look: true, Wanted: []string{"25"}})); got != "" {
		t.Errorf("with an open forward chain: %q", got)
	}

	through(t, l)

	// The others load their rules again: ours stay.
	nft(t, l, "router", "flush table inet filter\n"+before)
	if again := run(order{Read: names}); text(again.Items) != text(rep.Items) {
		t.Errorf("after a reload: %s", text(again.Items))
	}

	// A restart: what nft restores is what was there.
	script := on(t, l, "router", order{Protocol: "nftables", Script: true}).Script
	nft(t, l, "router", "delete table ip mailpub")
	if gone := run(order{Read: names}); len(gone.Items) != 0 {
		t.Errorf("without the table: %s", text(gone.Items))
	}

	for range 2 {
		nft(t, l, "router", script)
	}

	back := run(order{Read: names})
	if text(back.Items) != text(rep.Items) || !back.Items[0].Marked {
		t.Errorf("restored: %s, from\n%s", text(back.Items), script)
	}

	var remove []plan.Change
	for _, c := range five() {
		remove = append(remove, deletion(c.Key.Name, c.After[0]))
	}

	run(order{Apply: remove})
	if after := ruleset(t, l, "router"); after != before {
		t.Errorf("left behind:\n%s", after)
	}
}

// A stranger's rule is seen, taken over in front of it and not in its place, and is what
// counts again in the end.
func TestNFTablesStranger(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{NoDaemon: true})
	const theirs, ours = lab.Neighbour + ":2525", lab.Server + ":25"
	nft(t, l, "router", `table inet nat {
	chain ports { iifname "wan0" meta nfproto ipv4 tcp dport 25 counter dnat ip to `+theirs+
		` comment "by hand"; }
	chain pre { type nat hook prerouting priority dstnat; policy accept; jump ports; }
}`)

	before := ruleset(t, l, "router")
	run := func(o order) report {
		o.Protocol = "nftables"
		o.Read = []string{"tcp/25"}
		return on(t, l, "router", o)
	}

	if rep := run(order{Apply: []plan.Change{creation("tcp/25",
		ours)}}); !slices.Contains(rep.Kinds, "stale") || text(rep.Items) != "tcp/25 "+theirs {
		t.Errorf("created over it: %q, read %s", rep.Apply, text(rep.Items))
	}

	if rep := run(order{Apply: []plan.Change{deletion("tcp/25",
		theirs)}}); !slices.Contains(rep.Kinds, "conflict") ||
		!strings.Contains(rep.Apply, "table inet nat") {
		t.Errorf("deleted: %q", rep.Apply)
	}

	if rep := run(order{Apply: []plan.Change{takeover("tcp/25", theirs,
		ours)}}); rep.Apply != "" || text(rep.Items) != "tcp/25 "+ours {
		t.Errorf("taken over: %q, read %s", rep.Apply, text(rep.Items))
	}

	if rep := run(order{Apply: []plan.Change{takeover("tcp/25", ours,
		theirs)}}); rep.Apply != "" || text(rep.Items) != "tcp/25 "+theirs ||
		rep.Items[0].Marked {
		t.Errorf("put back: %q, read %s", rep.Apply, text(rep.Items))
	}

	if after := ruleset(t, l, "router"); after != before {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
}

func TestNFTablesConformance(t *testing.T) {
	if os.Getenv(insideEnv) != "" {
		t.Skip("this is the process inside")
	}

	t.Parallel()
	l := lab.Up(t, lab.Options{NoDaemon: true})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	cmd := l.Command(t.Context(), "router", self, "-test.run=^TestNFTablesConformanceInside$",
		"-test.v")

	cmd.Env = append(os.Environ(), insideEnv+"="+l.Name)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestNFTablesConformanceInside") {
		t.Errorf("inside: %v\n%s", err, out)
	}
}

func TestNFTablesConformanceInside(t *testing.T) {
	if os.Getenv(insideEnv) == "" {
		t.Skip("runs on a host of the lab, see TestNFTablesConformance")
	}

	open := func(t *testing.T, site string) *Router {
		t.Helper()
		r, err := Open(t.Context(), Options{Protocol: "nftables", Owner: Owner{Site: site}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}

	items := []plan.Item{forwardItem("tcp/25", lab.Server+":25"),
		forwardItem("tcp/110", lab.Server+":110"), forwardItem("udp/25", lab.Server+":25")}

	for i := range items {
		items[i].Lease = 0
	}

	plantest.Run(t, func(t *testing.T) plantest.Harness {
		other := open(t, "somebody").device
		put := func(t *testing.T, k plan.Key, lines []string) {
			t.Helper()
			p, err := forward.ParsePort(k)
			if err != nil {
				t.Fatal(err)
			}

			if lines == nil {
				err = other.Remove(context.Background(), p, forward.Target{})
			} else if to, e := forward.ParseTarget(lines); e != nil {
				err = e
			} else {
				err = other.Add(context.Background(), p, to, 0)
			}

			if err != nil {
				t.Fatal(err)
			}
		}

		for _, it := range items {
			put(t, it.Key, nil)
		}

		put(t, plan.Key{Kind: forward.Kind, Name: "tcp/8080"}, []string{lab.Neighbour + ":80"})
		return plantest.Harness{
			Driver:  open(t, "nomeazienda"),
			Items:   items,
			Other:   []string{lab.Neighbour + ":2525"},
			Foreign: put,
			Strangers: func(t *testing.T) []string {
				found, err := other.Read(t.Context(),
					[]forward.Port{{Proto: "tcp", Number: 8080}})
				if err != nil || len(found) != 1 {
					t.Fatal(found, err)
				}
				return []string{found[0].To.String(), found[0].Description}
			},
		}
	})
}

func TestNFTablesRefused(t *testing.T) {
	_, err := (&Router{device: manual{}}).Script(t.Context())
	if err == nil || !strings.Contains(err.Error(), "manual") {
		t.Errorf("a script of no rules: %v", err)
	}
}
