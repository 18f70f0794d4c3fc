package nat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/gateway"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
)

// The test binary starts itself again on the lab's hosts: a namespace belongs to a
// thread, and a Go process has many. What it is to do there comes in this variable.
const agentEnv = "MAILPUB_NAT_AGENT"

func TestMain(m *testing.M) {
	if order := os.Getenv(agentEnv); order != "" {
		os.Exit(agent(order))
	}
	goleak.VerifyTestMain(m)
}

// order is what an agent is to do, in this order. It is one run of mailpub: it knows
// nothing of earlier ones but what Known says.
type order struct {
	Serve, Dial string   // only this: serve, or connect to, an address
	Listen      bool     // only this: print what the router announces, until the input ends
	Floor       bool     // only this: see BenchmarkFiveForwards
	Site        *siteRun // only this: see TestKilledInLab

	Protocol, Interface, URL string
	Gateway                  netip.Addr
	Known                    map[string]plan.Grant
	Apply                    []plan.Change
	Read                     []string
	Look                     bool     // at the ports of Wanted
	Firewall                 bool     // only this: look at the host's, for Wanted
	Script                   bool     // make the text for nft
	Wanted                   []string // forwards of these ports to the server
}

// report is what came of it.
type report struct {
	Open, WAN, Apply, Read string // errors
	Kinds                  []string

	Protocol, Why, Device string
	Script                string
	Looked                Report
	Firewall              []hostfirewall.Finding
	Address               netip.Addr
	Grants                map[string]plan.Grant // of what was done
	Items                 []item
	Took                  time.Duration // from before Open to after Apply
}

// item is what of a plan.Item goes through JSON.
type item struct {
	Name       string
	Line       string
	Unreadable string
	Marked     bool
	Expires    time.Time
}

func agent(text string) int {
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	ctx, cancel := context.WithTimeout(context.Background(), 40*time.Second)
	defer cancel()

	var err error
	switch {
	case o.Serve != "":
		err = serve(o.Serve)
	case o.Dial != "":
		err = dial(ctx, o.Dial)
	case o.Listen:
		err = hear(ctx)
	case o.Floor:
		err = floorRun(ctx)
	case o.Site != nil:
		err = o.Site.run(ctx)
	default:
		err = json.NewEncoder(os.Stdout).Encode(o.run(ctx))
	}

	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}

	return 0
}

func (o order) run(ctx context.Context) (rep report) {
	kind := func(err error) string {
		if err == nil {
			return ""
		}

		for name, e := range map[string]error{"no router": ErrNoRouter,
			"several": ErrSeveralRouters, "refused": ErrRefused,
			"conflict": ErrConflict, "other host": ErrOtherHost, "double NAT": ErrDoubleNAT,
			"stale": plan.ErrStale} {
			if errors.Is(err, e) {
				rep.Kinds = append(rep.Kinds, name)
			}
		}

		return err.Error()
	}

	if o.Firewall {
		var wanted []plan.Item
		for _, p := range o.Wanted {
			c := creation("tcp/"+p, lab.Server+":"+p)
			wanted = append(wanted, plan.Item{Key: c.Key, Lines: c.After})
			if gateway.IsLocal(netip.MustParseAddr(lab.Server6)) {
				six := creation("tcp6/"+p, netip.MustParseAddr(lab.Server6).String())
				six.After = []string{"[" + six.After[0] + "]:" + p}
				wanted = append(wanted, plan.Item{Key: six.Key, Lines: six.After})
			}
		}

		rep.Firewall = hostfirewall.Inspect(ctx, wanted)
		return rep
	}

	rep.Grants = map[string]plan.Grant{}
	began := time.Now()
	r, err := Open(ctx, Options{
		Protocol: o.Protocol,
		Selection: Selection{
			Interface: o.Interface,
			URL:       o.URL,
			Gateway:   o.Gateway,
		},
		Owner: Owner{
			Site: "nomeazienda",
			Known: func(k plan.Key) (plan.Grant, bool) {
				g, ok := o.Known[k.Name]
				return g, ok
			},
		},
	})

	if rep.Open = kind(err); err != nil {
		rep.Took = time.Since(began)
		return rep
	}

	rep.Protocol, rep.Why, rep.Device = r.Protocol(), r.ChoiceReason(), r.Device()
	if len(o.Apply) > 0 {
		rep.Apply = kind(r.Apply(ctx, o.Apply, func(c plan.Change, err error) {
			if err == nil {
				rep.Grants[c.Key.Name] = plan.Grant{}
				if c.Grant != nil {
					rep.Grants[c.Key.Name] = *c.Grant
				}
			}
		}))
	}

	rep.Took = time.Since(began)
	if o.Script {
		rep.Script, err = r.Script(ctx)
		rep.Read = kind(err)
		return rep
	}

	var keys []plan.Key
	for _, name := range o.Read {
		keys = append(keys, plan.Key{Kind: forward.Kind, Name: name})
	}

	items, err := r.Read(ctx, keys)
	rep.Read = kind(err)
	for _, it := range items {
		rep.Items = append(rep.Items, item{it.Key.Name, strings.Join(it.Lines, "\n"),
			it.Unreadable, it.Marked, it.Expires})
	}

	rep.Address, err = r.WAN(ctx)
	rep.WAN = kind(err)
	if o.Look {
		var wanted []plan.Item
		for _, p := range o.Wanted {
			c := creation("tcp/"+p, lab.Server+":"+p)
			wanted = append(wanted, plan.Item{Key: c.Key, Lines: c.After})
		}

		rep.Looked, err = r.Status(ctx, wanted)
		rep.Read = kind(err)
		return rep
	}

	return rep
}

// serve greets whoever connects, until its input ends.
func serve(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}

	fmt.Println("ready")
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		l.Close()
	}()

	for {
		c, err := l.Accept()
		if err != nil {
			return nil
		}
		fmt.Fprintf(c, "220 %s\n", c.RemoteAddr())
		c.Close()
	}
}

// hear prints the events of the default gateway, until its input ends.
func hear(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()

	l := Listener{
		Router:  netip.MustParseAddr(lab.Router),
		Address: netip.MustParseAddr(lab.Public),
	}

	return l.Run(ctx, func(e Event) { fmt.Println(e.What) })
}

func dial(ctx context.Context, address string) error {
	d := net.Dialer{Timeout: 3 * time.Second}
	c, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return err
	}

	defer c.Close()

	_, err = io.Copy(os.Stdout, c)
	return err
}

// agentOn prepares an agent on a host of the lab.
func agentOn(ctx context.Context, tb testing.TB, l *lab.Lab, host string, o order) *exec.Cmd {
	tb.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		tb.Fatal(err)
	}

	self, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}

	cmd := l.Command(ctx, host, self)
	cmd.Env = append(os.Environ(), agentEnv+"="+string(text), "GORACE=atexit_sleep_ms=0") // else a second each under -race
	return cmd
}

// on runs an agent on a host and returns its report.
func on(tb testing.TB, l *lab.Lab, host string, o order) (rep report) {
	tb.Helper()
	cmd := agentOn(tb.Context(), tb, l, host, o)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		tb.Fatalf("agent on %s: %v: %s", host, err, errs.String())
	}

	if err := json.Unmarshal(out, &rep); err != nil {
		tb.Fatalf("agent on %s: %v: %s", host, err, out)
	}

	return rep
}

func creation(name, to string) plan.Change {
	return plan.Change{
		Key: plan.Key{
			Kind: forward.Kind,
			Name: name,
		},
		Action: plan.Create,
		After:  []string{to},
		Lease:  time.Hour,
	}
}

func deletion(name, was string) plan.Change {
	return plan.Change{
		Key: plan.Key{
			Kind: forward.Kind,
			Name: name,
		},
		Action:  plan.Delete,
		Before:  []string{was},
		Release: true,
	}
}

func takeover(name, was, to string) plan.Change {
	return plan.Change{
		Key: plan.Key{
			Kind: forward.Kind,
			Name: name,
		},
		Action: plan.Update,
		Adopt:  true,
		Before: []string{was},
		After:  []string{to},
		Lease:  time.Hour,
	}
}

func five() (batch []plan.Change) {
	for _, port := range []string{"25", "110", "143", "3000", "1000"} {
		batch = append(batch, creation("tcp/"+port, lab.Server+":"+port))
	}
	return batch
}
