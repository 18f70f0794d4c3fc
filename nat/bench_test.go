package nat

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/plan"
)

// BenchmarkFiveForwards puts five forwards in place from nothing on a real router, in each
// protocol: process start, discovery, comparing, adding, reading back. It is measured
// against upnpc, which does not compare or read back, and against the floor of UPnP: the
// first answer to a search and five bare requests, with nothing looked at.
func BenchmarkFiveForwards(b *testing.B) {
	l := lab.Up(b, lab.Options{})
	if _, err := exec.LookPath("upnpc"); err != nil {
		if os.Getenv("MAILPUB_LAB") == "require" {
			b.Fatal("no upnpc here; apt-get install --no-install-recommends miniupnpc")
		}
		b.Skip("left out: no upnpc here; apt-get install --no-install-recommends miniupnpc")
	}

	for _, protocol := range []string{"auto", "nat-pmp", "pcp"} {
		b.Run(protocol, func(b *testing.B) {
			var ours, floor, upnpc time.Duration
			for b.Loop() {
				ours += timed(b, l, agentOn(b.Context(), b, l, "lan", order{
					Protocol: protocol,
					Apply:    five(),
				}))

				floor += timed(b, l, agentOn(b.Context(), b, l, "lan", order{Floor: true}))
				args := []string{"upnpc", "-r"}
				for _, c := range five() {
					args = append(args, strings.TrimPrefix(c.Key.Name, "tcp/"), "tcp")
				}

				upnpc += timed(b, l, l.Command(b.Context(), "lan", args...))
			}

			n := float64(b.N)
			b.ReportMetric(0, "ns/op")
			b.ReportMetric(ours.Seconds()*1e3/n, "ms/ours")
			b.ReportMetric(floor.Seconds()*1e3/n, "ms/floor")
			b.ReportMetric(upnpc.Seconds()*1e3/n, "ms/upnpc")
			b.ReportMetric(ours.Seconds()/floor.Seconds(), "x-floor")
			b.ReportMetric(upnpc.Seconds()/ours.Seconds(), "x-faster-than-upnpc")
		})
	}
}

// BenchmarkStrangers is what five forwards cost among the mappings of others, against a
// router that has none.
func BenchmarkStrangers(b *testing.B) {
	alone := lab.Up(b, lab.Options{})
	among := lab.Up(b, lab.Options{})
	var theirs []plan.Change

	for n := range 150 {
		to := fmt.Sprint(20000 + n)
		theirs = append(theirs, creation("tcp/"+to, lab.Neighbour+":"+to))
	}

	if rep := on(b, among, "lan2", order{
		Protocol: "upnp",
		Apply:    theirs,
	}); rep.Apply != "" || len(among.Mappings(b)) != 150 {
		b.Fatalf("%d mappings of others: %s", len(among.Mappings(b)), rep.Apply)
	}

	// The router itself takes longer the more it has: so bare requests, nothing looked at, too.
	bare := func(l *lab.Lab) time.Duration {
		began := time.Now()
		if out, err := agentOn(b.Context(), b, l, "lan",
			order{Floor: true}).CombinedOutput(); err != nil {
			b.Fatalf("%v: %s", err, out)
		}

		took := time.Since(began)
		var back []plan.Change
		for _, c := range five() {
			back = append(back, deletion(c.Key.Name, c.After[0]))
		}

		if end := on(b, l, "lan", order{Protocol: "upnp", Apply: back}); end.Apply != "" {
			b.Fatal(end.Apply)
		}

		return took
	}

	run := func(l *lab.Lab) time.Duration {
		rep := on(b, l, "lan", order{Protocol: "upnp", Apply: five()})
		var back []plan.Change
		for _, c := range five() {
			back = append(back, deletion(c.Key.Name, c.After[0]))
		}

		if end := on(b, l, "lan", order{
			Protocol: "upnp",
			Apply:    back,
		}); rep.Apply+end.Apply != "" {
			b.Fatal(rep.Apply, end.Apply)
		}

		return rep.Took
	}

	var few, many, bareFew, bareMany time.Duration
	for b.Loop() {
		few += run(alone)
		many += run(among)
		bareFew += bare(alone)
		bareMany += bare(among)
	}

	n := float64(b.N)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(few.Seconds()*1e3/n, "ms/alone")
	b.ReportMetric(many.Seconds()*1e3/n, "ms/among-150")
	b.ReportMetric(bareFew.Seconds()*1e3/n, "ms/floor-alone")
	b.ReportMetric(bareMany.Seconds()*1e3/n, "ms/floor-among-150")
}

// BenchmarkNoRouter is how long it takes to say that nobody answers, in all protocols.
func BenchmarkNoRouter(b *testing.B) {
	l := lab.Up(b, lab.Options{NoDaemon: true})
	var took time.Duration
	for b.Loop() {
		rep := on(b, l, "lan", order{})
		if len(rep.Kinds) != 1 || rep.Kinds[0] != "no router" {
			b.Fatal(rep.Open)
		}
		took += rep.Took
	}

	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took.Seconds()*1e3/float64(b.N), "ms/no-router")
}

// timed runs a command that must leave five forwards in the router, and takes them away.
func timed(b *testing.B, l *lab.Lab, cmd *exec.Cmd) time.Duration {
	b.Helper()
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		b.Fatalf("%v: %s", err, out)
	}

	if got := len(l.Mappings(b)); got != 5 {
		b.Fatalf("%d forwards after %v: %s", got, cmd.Args, out)
	}

	for _, c := range five() {
		args := []string{"upnpc", "-u", "http://" + lab.Router + ":5000/rootDesc.xml", "-d",
			strings.TrimPrefix(c.Key.Name, "tcp/"), "tcp"}
		if out, err := l.Exec(b, "lan", args...); err != nil {
			b.Fatalf("%v: %s", err, out)
		}
	}

	return took
}

// floorRun searches, takes the first answer, and maps five ports without looking.
func floorRun(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	o := Options{System: System{
		Timeout:  5 * time.Second,
		Now:      time.Now,
		Gateways: gateway.Default,
	}}

	first := make(chan *url.URL, 16)
	searching, stop := context.WithCancel(ctx)
	defer stop()

	failed := make(chan error, 1)
	go func() {
		failed <- o.search(searching, func(u *url.URL) { first <- u }, func(error) {})
	}()

	var location *url.URL
	select {
	case location = <-first:
	case err := <-failed:
		return fmt.Errorf("no answer: %w", err)
	}

	stop()
	root, err := fetchDescription(ctx, location, newClient(), o.Timeout)
	if err != nil {
		return err
	}

	c := links(root, location, newClient())[0]
	for _, p := range five() {
		n, err := strconv.ParseUint(strings.TrimPrefix(p.Key.Name, "tcp/"), 10, 16)
		if err != nil {
			return err
		}
		if err := c.AddPortMappingCtx(ctx, "", uint16(n), "TCP", uint16(n), lab.Server, true,
			"floor", 3600); err != nil {
			return err
		}
	}

	return nil
}
