package nat

import (
	"bufio"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/plan"
)

// text shows what the items are: "tcp/25 10.10.10.10:25".
func text(items []item) string {
	var all []string
	for _, it := range items {
		all = append(all, strings.TrimSpace(it.Name+" "+it.Line+it.Unreadable))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// kernel checks what the router really forwards: "25" to "10.10.10.10:25".
func kernel(t *testing.T, l *lab.Lab, want map[string]string) {
	t.Helper()
	got := map[string]string{}
	for p, to := range l.Mappings(t) {
		got[p] = to.String()
	}

	if !maps.Equal(got, want) {
		t.Errorf("the router forwards %v, want %v", got, want)
	}
}

func has(t *testing.T, what, got string, parts ...string) {
	t.Helper()
	for _, p := range parts {
		if !strings.Contains(got, p) {
			t.Errorf("%s is %q, want %q in it", what, got, p)
		}
	}
}

func ok(t *testing.T, rep report) {
	t.Helper()
	for _, err := range []string{rep.Open, rep.WAN, rep.Apply, rep.Read} {
		if err != "" {
			t.Fatal(err)
		}
	}
}

func all(batch []plan.Change) map[string]string {
	m := map[string]string{}
	for _, c := range batch {
		m[strings.TrimPrefix(c.Key.Name, "tcp/")] = c.After[0]
	}
	return m
}

// Each protocol puts five forwards in place, a connection from outside gets through,
// a later run sees them, a reboot is noticed, and they are put back and taken away.
func TestRouters(t *testing.T) {
	for _, test := range []struct {
		name     string
		options  lab.Options
		ask      string // protocol of the config
		protocol string
		why      []string
		marked   bool
	}{
		{"UPnP 2", lab.Options{}, "auto", "upnp", []string{"the default gateway 10.10.10.1 answers as WANIPConnection:2", "not pcp or nat-pmp"}, true},
		{"UPnP 1", lab.Options{IGD: 1, NoNATPMP: true}, "auto", "upnp", []string{"WANIPConnection:1"}, true},
		{"PCP", lab.Options{NoUPnP: true}, "auto", "pcp", []string{"the default gateway 10.10.10.1 answers", "not upnp: "}, false},
		{"NAT-PMP", lab.Options{NoUPnP: true}, "nat-pmp", "nat-pmp", []string{"the default gateway 10.10.10.1 answers"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := lab.Up(t, test.options)
			names := []string{"tcp/25", "tcp/110", "tcp/143", "tcp/3000", "tcp/1000", "tcp/26"}

			first := on(t, l, "lan", order{Protocol: test.ask, Apply: five(), Read: names})
			ok(t, first)
			if first.Protocol != test.protocol ||
				first.Address != netip.MustParseAddr(lab.Public) {
				t.Errorf("protocol %s, WAN %s", first.Protocol, first.Address)
			}

			has(t, "why", first.Why, test.why...)
			kernel(t, l, all(five()))
			if len(first.Grants) != 5 || len(first.Items) != 5 {
				t.Fatalf("%d done, %d read back", len(first.Grants), len(first.Items))
			}

			for name, g := range first.Grants {
				if g.Lifetime > time.Hour || g.Lifetime < time.Hour-5*time.Second ||
					time.Since(g.At) > time.Minute {
					t.Errorf("%s was granted %+v, want an hour from now", name, g)
				}
			}

			for _, it := range first.Items {
				if left := time.Until(it.Expires); it.Marked != test.marked ||
					left > time.Hour || left < 59*time.Minute {
					t.Errorf("%s: marked %v, expires in %v", it.Name, it.Marked, left)
				}
			}

			through(t, l)

			known := first.Grants
			again := on(t, l, "lan", order{Protocol: test.ask, Known: known, Read: names})
			ok(t, again)

			if text(again.Items) != text(first.Items) {
				t.Errorf("a later run reads %s, the first read %s", text(again.Items),
					text(first.Items))
			}

			// An epoch that goes back by no more than two seconds tells of no restart (RFC
			// 6886 section 3.6), and this router is young.
			time.Sleep(4 * time.Second)
			l.Reboot(t)
			after := on(t, l, "lan", order{
				Protocol: test.ask,
				Known:    known,
				Read:     names,
				Apply:    five(),
			})

			ok(t, after) // five creations are stale if the reboot went unnoticed
			kernel(t, l, all(five()))

			var remove []plan.Change
			for _, c := range five() {
				remove = append(remove, deletion(c.Key.Name, c.After[0]))
			}

			last := on(t, l, "lan", order{
				Protocol: test.ask,
				Known:    after.Grants,
				Apply:    remove,
				Read:     names,
			})

			ok(t, last)
			kernel(t, l, nil)
			if len(last.Items) != 0 {
				t.Errorf("after all are deleted there is %s", text(last.Items))
			}
		})
	}
}

// through connects from the outside to the mail server.
func through(t *testing.T, l *lab.Lab) {
	t.Helper()
	server := agentOn(t.Context(), t, l, "lan", order{Serve: lab.Server + ":25"})
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := server.Start(); err != nil {
		t.Fatal(err)
	}

	defer func() {
		in.Close()
		if err := server.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	}()

	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the server says %q, %v", line, err)
	}

	greeting, err := agentOn(t.Context(), t, l, "inet",
		order{Dial: lab.Public + ":25"}).Output()

	if err != nil || !strings.HasPrefix(string(greeting), "220 "+lab.Outside+":") {
		t.Errorf("from outside port 25 says %q, %v", greeting, err)
	}
}

func TestNoRouter(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{NoDaemon: true})
	for protocol, parts := range map[string][]string{
		"auto":    {"no router answers: upnp: no answer to a search", "nat-pmp: the default gateway 10.10.10.1"},
		"upnp":    {"no router answers: no answer to a search within 5s"},
		"nat-pmp": {"no router answers: the default gateway 10.10.10.1: no usable answer"},
		"pcp":     {"no router answers: the default gateway 10.10.10.1: no usable answer"},
	} {
		rep := on(t, l, "lan", order{Protocol: protocol})
		if !slices.Equal(rep.Kinds, []string{"no router"}) {
			t.Errorf("%s: %v %s", protocol, rep.Kinds, rep.Open)
		}
		has(t, protocol, rep.Open, parts...)
	}

	rep := on(t, l, "inet", order{Protocol: "nat-pmp"})
	has(t, "without a default route", rep.Open, "no router answers: ", "default gateway")
}

func TestTwoRouters(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{SecondRouter: true})
	rep := on(t, l, "lan", order{})
	ok(t, rep)
	has(t, "why", rep.Why, "the default gateway 10.10.10.1")

	for name, o := range map[string]order{
		"interface": {Interface: "eth1"},
		"gateway":   {Gateway: netip.MustParseAddr(lab.Router2)},
		"URL":       {URL: "http://" + lab.Router2 + ":5000/rootDesc.xml"},
	} {
		rep := on(t, l, "lan", o)
		ok(t, rep)
		has(t, "device by "+name, rep.Device, `"lab router2" at http://10.20.20.1:5000/`)
		if rep.Address != netip.MustParseAddr("2.2.2.9") {
			t.Errorf("by %s the WAN address is %v", name, rep.Address)
		}
	}

	if out, err := l.Exec(t, "lan", "ip", "route", "del", "default"); err != nil {
		t.Fatal(out)
	}

	rep = on(t, l, "lan", order{})
	if !slices.Contains(rep.Kinds, "several") {
		t.Errorf("without a default gateway: %v %q %s", rep.Kinds, rep.Open, rep.Why)
	}

	has(t, "error", rep.Open, `"lab router" at http://10.10.10.1:5000/`,
		`"lab router2" at http://10.20.20.1:5000/`, "router.url or router.interface")
}

// What routers refuse is told apart, and leaves nothing behind.
func TestRefused(t *testing.T) {
	for _, test := range []struct {
		name     string
		options  lab.Options
		protocol string
		apply    plan.Change
		kind     string
		parts    []string
	}{
		{"low ports, UPnP", lab.Options{Deny: "1-1023"}, "upnp", creation("tcp/25", lab.Server+":25"), "refused", []string{"tcp/25", "606"}},
		{"low ports, NAT-PMP", lab.Options{Deny: "1-1023"}, "nat-pmp", creation("tcp/25", lab.Server+":25"), "refused", []string{"tcp/25", "the router offered"}},
		{"another host, UPnP", lab.Options{}, "upnp", creation("tcp/25", lab.Neighbour+":25"), "other host", []string{"run mailpub on 10.10.10.20 itself", "this is 10.10.10.10"}},
		{"another host, NAT-PMP", lab.Options{}, "nat-pmp", creation("tcp/25", lab.Neighbour+":25"), "other host", []string{"run mailpub on 10.10.10.20 itself"}},
		{"double NAT, UPnP", lab.Options{DoubleNAT: "100.64.0"}, "upnp", creation("tcp/25", lab.Server+":25"), "double NAT", []string{"501"}},
		{"double NAT, NAT-PMP", lab.Options{DoubleNAT: "100.64.0"}, "nat-pmp", creation("tcp/25", lab.Server+":25"), "double NAT", []string{`3 "network failure"`}},
		{"low ports, PCP", lab.Options{Deny: "1-1023"}, "pcp", creation("tcp/25", lab.Server+":25"), "refused", []string{"tcp/25"}},
		{"another host, PCP", lab.Options{}, "pcp", creation("tcp/25", lab.Neighbour+":25"), "other host", []string{"run mailpub on 10.10.10.20 itself"}},
		{"double NAT, PCP", lab.Options{DoubleNAT: "100.64.0"}, "pcp", creation("tcp/25", lab.Server+":25"), "double NAT", []string{"100.64.0.2", "carrier-grade NAT"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			l := lab.Up(t, test.options)
			rep := on(t, l, "lan", order{
				Protocol: test.protocol,
				Apply:    []plan.Change{test.apply},
			})

			if rep.Open != "" || !slices.Contains(rep.Kinds, test.kind) ||
				len(rep.Grants) != 0 {
				t.Errorf("open %q, apply %q, of kinds %v, want %q", rep.Open, rep.Apply,
					rep.Kinds, test.kind)
			}

			has(t, "error", rep.Apply, test.parts...)
			if test.options.DoubleNAT != "" {
				has(t, "WAN", rep.WAN, ErrDoubleNAT.Error())
			}

			kernel(t, l, nil)
		})
	}
}

// A router behind another that claims the public address as its own: everything succeeds
// and nothing arrives, which only the outside can tell.
func TestLyingRouter(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{DoubleNAT: "100.64.0", Lie: true})
	rep := on(t, l, "lan", order{Apply: five(), Read: []string{"tcp/25"}})
	ok(t, rep)

	if rep.Address != netip.MustParseAddr(lab.Public) || len(rep.Items) != 1 {
		t.Errorf("WAN %s, read %s", rep.Address, text(rep.Items))
	}

	if out, err := agentOn(t.Context(), t, l, "inet",
		order{Dial: lab.Public + ":25"}).CombinedOutput(); err == nil {
		t.Errorf("from outside port 25 answers: %s", out)
	}
}

// A mapping to another host is possible where the router is not in secure mode.
func TestOpenMode(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{Open: true})
	ok(t, on(t, l, "lan", order{Apply: []plan.Change{creation("tcp/25", lab.Neighbour+":25")}}))
	kernel(t, l, map[string]string{"25": lab.Neighbour + ":25"})
}

// The mapping of a neighbour is in the way: it is never touched without being asked
// for, and not lost when taking it over fails.
func TestStranger(t *testing.T) {
	const theirs, ours = lab.Neighbour + ":25", lab.Server + ":25"
	stranger := func(t *testing.T, l *lab.Lab) {
		t.Helper()
		if out, err := l.Exec(t, "lan2", "upnpc", "-u",
			"http://"+lab.Router+":5000/rootDesc.xml", "-e", "theirs", "-a", lab.Neighbour,
			"25",
			"25", "tcp"); err != nil {
			t.Fatalf("upnpc: %v: %s", err, out)
		}

		kernel(t, l, map[string]string{"25": theirs})
	}

	t.Run("create", func(t *testing.T) {
		t.Parallel()
		l := lab.Up(t, lab.Options{})
		stranger(t, l)
		rep := on(t, l, "lan", order{Apply: five(), Read: []string{"tcp/25"}})

		if !slices.Contains(rep.Kinds, "stale") || text(rep.Items) != "tcp/25 "+theirs ||
			rep.Items[0].Marked {
			t.Errorf("apply %q, read %s", rep.Apply, text(rep.Items))
		}

		kernel(t, l, map[string]string{"25": theirs})
	})

	t.Run("NAT-PMP", func(t *testing.T) {
		t.Parallel()
		l := lab.Up(t, lab.Options{})
		stranger(t, l)
		rep := on(t, l, "lan", order{Protocol: "nat-pmp", Apply: five()})

		if !slices.Contains(rep.Kinds, "refused") {
			t.Errorf("apply %q", rep.Apply)
		}

		kernel(t, l, map[string]string{"25": theirs})
	})

	t.Run("take over, secure mode", func(t *testing.T) {
		t.Parallel()
		l := lab.Up(t, lab.Options{})
		stranger(t, l)
		rep := on(t, l, "lan", order{Apply: []plan.Change{takeover("tcp/25", theirs, ours)}})

		if !slices.Contains(rep.Kinds, "other host") {
			t.Errorf("apply %q", rep.Apply)
		}

		kernel(t, l, map[string]string{"25": theirs})
	})

	t.Run("take over, open", func(t *testing.T) {
		t.Parallel()
		l := lab.Up(t, lab.Options{Open: true})
		stranger(t, l)
		ok(t, on(t, l, "lan", order{Apply: []plan.Change{takeover("tcp/25", theirs, ours)}}))
		kernel(t, l, map[string]string{"25": ours})
	})
}

// What is lent is gone when its time is over, and a renewal keeps it.
func TestLeaseInRouter(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{})
	short := creation("tcp/25", lab.Server+":25")
	short.Lease = 3 * time.Second
	renewed := creation("tcp/110", lab.Server+":110")
	renewed.Lease = 3 * time.Second
	ok(t, on(t, l, "lan", order{Apply: []plan.Change{short, renewed}}))
	renewal := plan.Change{
		Key:    renewed.Key,
		Action: plan.Update,
		Renew:  true,
		Before: renewed.After,
		After:  renewed.After,
		Lease:  time.Hour,
	}

	ok(t, on(t, l, "lan", order{Apply: []plan.Change{renewal}}))
	for range 100 { // the daemon sweeps when it likes
		if len(l.Mappings(t)) == 1 {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}

	kernel(t, l, map[string]string{"110": lab.Server + ":110"})
}

// What miniupnpd announces of a restart, another address outside, and its end.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	l := lab.Up(t, lab.Options{})
	cmd := agentOn(t.Context(), t, l, "lan", order{Listen: true})
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}

	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	lines := bufio.NewScanner(out)
	for until := time.Now().Add(10 * time.Second); ; {
		if groups, err := l.Exec(t, "lan", "cat", "/proc/net/udp"); err == nil &&
			strings.Contains(groups, ":14E6 ") && strings.Contains(groups, ":076C ") {
			break
		}

		if time.Now().After(until) {
			t.Fatal("nobody listens")
		}

		time.Sleep(20 * time.Millisecond)
	}

	// Each may come with others, which a slow machine tells apart from it.
	for _, step := range []struct {
		do   func()
		want Happening
	}{
		{func() { l.Reboot(t) }, Restarted},
		{func() { l.SetWAN(t, "2.2.2.7/24") }, AddressChanged},
		{func() { l.Goodbye(t) }, Gone},
	} {
		step.do()
		for lines.Scan() && lines.Text() != string(step.want) {
		}
		if lines.Text() != string(step.want) {
			t.Fatalf("it does not announce %q: %v", step.want, lines.Err())
		}
	}

	in.Close()
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// A router with another address outside keeps its forwards and says the new address.
func TestWANChange(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string]string{"UPnP": "upnp", "NAT-PMP": "nat-pmp",
		"PCP": "pcp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.Up(t, lab.Options{})
			first := on(t, l, "lan", order{
				Protocol: protocol,
				Apply:    five(),
				Read:     []string{"tcp/25"},
			})

			ok(t, first)
			l.SetWAN(t, "2.2.2.7/24")
			after := on(t, l, "lan", order{
				Protocol: protocol,
				Known:    first.Grants,
				Read:     []string{"tcp/25"},
			})

			ok(t, after)
			if after.Address != netip.MustParseAddr("2.2.2.7") ||
				text(after.Items) != text(first.Items) {
				t.Errorf("WAN %s, read %s", after.Address, text(after.Items))
			}

			l.SetWAN(t, "192.168.7.2/24")
			private := on(t, l, "lan", order{
				Protocol: protocol,
				Known:    first.Grants,
				Read:     []string{"tcp/25"},
			})

			if !slices.Contains(private.Kinds, "double NAT") ||
				!strings.Contains(private.WAN, "192.168.7.2 is private") {
				t.Errorf("with a private address: %v %s", private.Kinds, private.WAN)
			}
		})
	}
}

// A router that takes its time is waited for, in every protocol, and is not asked too often.
func TestSlowRouter(t *testing.T) {
	t.Parallel()
	for name, protocol := range map[string]string{"auto": "auto", "NAT-PMP": "nat-pmp",
		"PCP": "pcp"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := lab.Up(t, lab.Options{})
			l.Slow(t, 400*time.Millisecond)
			rep := on(t, l, "lan", order{
				Protocol: protocol,
				Apply:    five()[:2],
				Read:     []string{"tcp/25", "tcp/110"},
			})

			ok(t, rep)
			if len(rep.Items) != 2 {
				t.Errorf("read %s", text(rep.Items))
			}

			kernel(t, l, all(five()[:2]))
		})
	}
}
