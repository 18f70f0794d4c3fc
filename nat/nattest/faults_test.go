package nattest_test

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/nat/nattest"
	"github.com/mailpub/mailpub/plan"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fault is one way in which a router goes wrong while two ports are put in place in it.
type fault struct {
	name  string // what it does
	igd   igd.Config
	bend  func(*routers) // before Open where early is set, else after
	early bool
	to    string // where tcp/25 is to lead; default port 25 of the host

	is   error    // what the error is; nil: it succeeds
	says []string // what is said of it
	left []string // what is left when it fails
}

// routers is one router in both of its parts.
type routers struct {
	igd     *igd.Device
	box     *nattest.Box
	options nat.Options
	t       *testing.T
	host    string // this machine, as the router sees it
}

// errAny stands for an error that no caller tells from others.
var errAny = errors.New("any")

// TestFaults puts every fault into a router. What is said of each and what is left can be
// read with -v.
func TestFaults(t *testing.T) {
	total := 0
	for _, table := range []struct {
		protocol string
		faults   []fault
	}{{"upnp", upnpFaults()}, {"nat-pmp", pmpFaults()}, {"pcp", pcpFaults()}} {
		total += len(table.faults)
		for _, f := range table.faults {
			t.Run(table.protocol+"/"+f.name, func(t *testing.T) {
				t.Parallel()
				f.run(t, table.protocol)
			})
		}
	}

	if total < 40 {
		t.Errorf("%d faults, want 40", total)
	}
}

func (f fault) run(t *testing.T, protocol string) {
	r := &routers{t: t, box: nattest.Start(t), host: "127.0.0.1"}
	r.options = nat.Options{
		Protocol:  protocol,
		Selection: nat.Selection{Gateway: r.box.Addr},
		Owner:     nat.Owner{Site: "nomeazienda"},
		System:    nat.System{Timeout: 700 * time.Millisecond},
	}

	if protocol == "upnp" {
		if !f.igd.External.IsValid() {
			f.igd.External = netip.MustParseAddr("2.2.2.2")
		}

		var err error
		if r.igd, err = igd.Start(t.Context(), f.igd); err != nil {
			t.Fatal(err)
		}

		defer r.igd.Close()

		r.options.URL = r.igd.URL()
	}

	if f.early {
		f.bend(r)
	}

	reported := 0
	router, err := nat.Open(t.Context(), r.options)
	if err == nil {
		if f.bend != nil && !f.early {
			f.bend(r)
		}

		to := f.to
		if to == "" {
			to = r.host + ":25"
		}

		err = router.Apply(t.Context(), []plan.Change{creation("tcp/25", to),
			creation("tcp/110", r.host+":110")},
			func(plan.Change, error) { reported++ })
	}

	left := r.left()
	said := "well"
	if err != nil {
		said = err.Error()
	}

	t.Logf("%s\nleft: %v", said, left)
	want := f.left
	if f.is == nil {
		want = []string{"tcp/110 to 110", "tcp/25 to 25"}
	}

	switch {
	case f.is == nil && err != nil, f.is != nil && err == nil:
		t.Fatalf("said %v, want %v", err, f.is)
	case f.is != nil && f.is != errAny && !errors.Is(err, f.is):
		t.Errorf("said %v, want %v", err, f.is)
	case f.is == nil && reported != 2, f.is != nil && reported > 1:
		t.Errorf("%d changes reported", reported)
	}

	for _, part := range f.says {
		if !strings.Contains(said, part) {
			t.Errorf("said %q, want %q in it", said, part)
		}
	}

	if !slices.Equal(left, want) {
		t.Errorf("left %q, want %q", left, want)
	}
}

// left is what the router has in the end, of both its parts.
func (r *routers) left() []string {
	all := r.box.Mapped()
	if r.igd != nil {
		r.igd.Inject(nil)
		for _, m := range r.igd.Mappings() {
			to := fmt.Sprint(m.Internal.Port())
			if m.Internal.Addr().String() != r.host {
				to = m.Internal.String()
			}
			all = append(all, fmt.Sprintf("%s/%d to %s", m.Proto, m.External, to))
		}
	}

	slices.Sort(all)
	return all
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
