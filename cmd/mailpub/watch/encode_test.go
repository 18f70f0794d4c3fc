package watch

import (
	"errors"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// A snapshot that was kept is the same again, so that a page drawn from it is.
func TestSnapshotIsKept(t *testing.T) {
	at := time.Date(2026, 11, 30, 8, 0, 0, 0, time.UTC)
	report := catalog.NewReport("office", []plan.Check{{
		ID:      "mx.target",
		Subject: plan.Subject{Name: "nomeazienda.it.", Outside: true},
		Status:  plan.Fail,
		Want:    "mail.nomeazienda.it.",
		Got:     "nothing",
		Hint:    "add it",
	}, {
		ID:     "dmarc.policy",
		Status: plan.Warn,
		Advice: true,
	}})

	report.Drift = true
	report.Changes = []plan.Change{{
		Key:    plan.Key{Kind: "dns", Name: "nomeazienda.it. MX"},
		Target: plan.ParseTarget("zone nomeazienda.it"),
		Action: plan.Create,
		Stage:  plan.StageMail,
		Before: []string{},
		After:  []string{"10 mail.nomeazienda.it."},
	}}

	was := Snapshot{
		Site:   "office",
		File:   "office.yaml",
		Host:   "mail.nomeazienda.it",
		LAN:    netip.MustParseAddr("10.10.10.10"),
		Public: []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		At:     at,
		Took:   time.Second,
		Next:   at.Add(time.Hour),
		Report: report,
		Err:    errors.New("the router does not answer"),
		Leases: []Lease{{Key: plan.Key{Kind: "forward", Name: "tcp/25"}, Until: at}},
	}

	data, err := was.Encode()
	if err != nil {
		t.Fatal(err)
	}

	is, err := DecodeSnapshot(data)
	if err != nil {
		t.Fatal(err)
	}

	if !reflect.DeepEqual(is, was) {
		t.Errorf("\nkept %+v\nwas  %+v", is, was)
	}
}
