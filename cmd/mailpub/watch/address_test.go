package watch

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/plan"
)

// moving is a fake whose public address changes, and whose DNS follows when it is told to.
type moving struct {
	*fake
	published netip.Addr
}

// where is the address that DNS has.
func (m *moving) where() netip.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.published
}

// move gives the site another address, as so many sources tell.
func (m *moving) move(to netip.Addr, sources ...string) {
	m.set(func() {
		m.found.Public = []netip.Addr{to}
		m.found.Sightings = nil
		for _, s := range sources {
			m.found.Sightings = append(m.found.Sightings, AddressAnswer{s, to})
		}
		m.see()
	})
}

// see makes the report that belongs to the addresses.
func (m *moving) see() {
	m.found.Report = plan.Report{Checks: checks("")}
	m.found.Mendable = nil
	if m.published == m.found.Public[0] {
		m.found.Report.Changes = m.changes()[2:] // the PTR is a person's
		return
	}

	m.found.Mendable = []string{Address}
	m.found.Report.Checks = append(m.found.Report.Checks,
		plan.Check{
			ID:      "router.address",
			Subject: plan.About("public address"),
			Status:  plan.Fail,
		}, plan.Check{
			ID:      "host.a",
			Subject: plan.About("mail.nomeazienda.it A"),
			Status:  plan.Fail,
		})

	m.found.Report.Changes = m.changes()
}

func (m *moving) changes() []plan.Change {
	to := m.found.Public[0].String()
	change := func(name, text string, action plan.Action) plan.Change {
		return plan.Change{
			Target: plan.ParseTarget("zone nomeazienda.it"),
			Key: plan.Key{
				Kind: "dns",
				Name: name,
			},
			Action: action,
			After:  []string{text},
			Before: []string{"as before"},
			Reason: "ask the connectivity provider to point it",
		}
	}

	all := []plan.Change{
		change("mail.nomeazienda.it. A", to+" ttl 3600", plan.Update),
		change("nomeazienda.it. TXT v=spf1", "v=spf1 mx ip4:"+to+" -all", plan.Update),
	}

	if m.found.Public[0] != addrA { // which has its PTR record
		all = append(all, change("7.2.2.2.in-addr.arpa. PTR", "mail.nomeazienda.it.",
			plan.Manual))
	}

	return all
}

func newMoving(t *testing.T, policy func(*Policy)) (*moving, context.CancelFunc) {
	m := &moving{newFake(), addrA}
	m.mend = func(o RepairRequest) (RepairResult, error) {
		if !slices.Equal(o.Kinds, []string{Address}) ||
			!slices.Equal(o.Address, m.found.Public) {
			t.Errorf("ordered %+v", o)
		}

		all := m.changes()
		m.published = o.Address[0]
		m.see()

		return RepairResult{Found: all, Done: all[:2], Moved: all}, nil
	}

	_, stop := start(t, m.fake, func(_ *Daemon, s *Site) {
		s.Policy.Repair = []string{Router, Address}
		if policy != nil {
			policy(&s.Policy)
		}
	})

	pass(time.Minute)
	return m, stop
}

// Two sources that agree are enough.
func TestAddressOfTwo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := newMoving(t, nil)
		defer stop()

		m.move(addrB, "the router", "opendns")
		m.signals <- RouterEvent{AddressSeen, "its address outside is 2.2.2.7"}
		pass(time.Second)
		m.expect(t, "changed-address")
		n := m.view().notices[0]

		for _, want := range []string{"the public address is 2.2.2.7 now; DNS was updated",
			"dns.drift nomeazienda.it. TXT v=spf1: v=spf1 mx ip4:2.2.2.7 -all",
			"dns.drift 7.2.2.2.in-addr.arpa. PTR",
			"manual step: ask the connectivity provider"} {
			if !strings.Contains(n.Text, want) {
				t.Errorf("no %q in:\n%s", want, n.Text)
			}
		}

		pass(2 * time.Hour)
		m.expect(t, "changed-address")
		m.set(m.well) // the provider did it
		m.set(func() { m.found.Public = []netip.Addr{addrB} })
		pass(time.Hour)
		m.expect(t, "changed-address healed")

		if len(m.view().orders) != 1 {
			t.Errorf("%d orders", len(m.view().orders))
		}
	})
}

// Sources that do not agree are not followed, for days; that is one notice with what each says, and one
// when they do.
func TestAddressDisputed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := newMoving(t, nil)
		defer stop()

		m.set(func() {
			m.found.Err = errors.New("the router says 2.2.2.7, opendns says 2.2.2.2")
			m.found.Sightings = []AddressAnswer{{"the router", addrB}, {"opendns", addrA},
				{"this machine", netip.MustParseAddr("2001:db8::25")}}

			m.found.Public = nil
			m.found.Report.Checks = append(m.found.Report.Checks, plan.Check{
				ID:      "router.address",
				Subject: plan.About("as seen from outside"),
				Status:  plan.Fail,
				Got:     "they differ",
			})
		})

		m.signals <- RouterEvent{AddressSeen, ""}
		pass(48 * time.Hour)
		m.expect(t, "broke")

		for _, want := range []string{"the sources of the public address disagree",
			"the router says 2.2.2.7, opendns says 2.2.2.2", "until they agree"} {
			if n := m.view().notices[0]; !strings.Contains(n.Text, want) {
				t.Errorf("no %q in:\n%s", want, n.Text)
			}
		}

		if orders := m.view().orders; len(orders) != 0 {
			t.Errorf("ordered %v", orders)
		}

		m.set(m.well)
		m.set(func() { m.found.Err = nil })
		m.move(addrB, "the router", "opendns")
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(time.Minute)
		m.set(m.well)
		m.set(func() { m.found.Public = []netip.Addr{addrB} })
		pass(time.Hour)
		m.expect(t, "broke healed changed-address healed")

		if orders := m.view().orders; len(orders) != 1 {
			t.Errorf("ordered %v", orders)
		}
	})
}

// One source alone has to say the same again after a while.
func TestAddressOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := newMoving(t, nil)
		defer stop()

		m.move(addrB, "the router")
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(20 * time.Second)
		m.expect(t, "")
		third := netip.MustParseAddr("2.2.2.8")
		m.move(third, "the router") // it was not the last word
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(29 * time.Second)
		m.expect(t, "")
		pass(3 * time.Second)
		m.expect(t, "changed-address")

		if m.where() != third {
			t.Errorf("published %s", m.where())
		}

		m.move(addrB, "the router")
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(5 * time.Second)
		m.move(third, "the router") // and back, before anything was written: that is no news at all
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(time.Hour)
		m.expect(t, "changed-address")
	})
}

// Sources that do not agree settle nothing: Look fails then, and this is told.
func TestAddressTooOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := newMoving(t, func(p *Policy) { p.ChangesPerHour = 2 })
		defer stop()

		last := addrA
		for range 5 {
			last = map[netip.Addr]netip.Addr{addrA: addrB, addrB: addrA}[last]
			m.move(last, "the router", "opendns")
			m.signals <- RouterEvent{AddressSeen, ""}
			pass(time.Minute)
		}

		m.expect(t, "changed-address changed-address held-address healed")
		if m.where() != addrA || last != addrB {
			t.Errorf("published %s, is %s", m.where(), last)
		}

		pass(time.Hour) // and follows when an hour is over
		if m.where() != addrB {
			t.Errorf("published %s", m.where())
		}

		m.expect(t, "changed-address changed-address held-address healed changed-address")
	})
}

// Without leave DNS does not follow, and that it is wrong is told.
func TestAddressWithoutLeave(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, stop := newMoving(t, func(p *Policy) { p.Repair = []string{Router} })
		defer stop()

		m.move(addrB, "the router", "opendns")
		m.signals <- RouterEvent{AddressSeen, ""}
		pass(time.Hour)
		m.expect(t, "broke")

		if len(m.view().orders) > 0 {
			t.Errorf("%+v", m.view().orders)
		}

		if title := m.view().notices[0].Title; !strings.HasPrefix(title,
			"broken: the public address changed and differs from DNS") {
			t.Error(title)
		}
	})
}
