package providertest

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// What a stranger adds at the last moment is never lost without a word: the change is stale,
// or the stranger's record is there afterwards.
func testIntruder(t *testing.T, h *Harness) {
	if h.Between == nil {
		return
	}

	key := mail.TaggedTXT("suite."+h.Zone, "v=spf1")
	stranger := mail.RecordLine(`"of the last moment"`, h.TTL)
	h.Put(t, Set{mail.DNSKey("suite."+h.Zone, "TXT"),
		[]string{mail.RecordLine(`"a stranger's"`, h.TTL)}})

	came := false
	h.Between(t, func() {
		came = true
		h.Put(t, Set{mail.DNSKey("suite."+h.Zone, "TXT"),
			[]string{mail.RecordLine(`"a stranger's"`, h.TTL), stranger}})
	})

	err := apply(t, h.Open(t), change(key, nil, []string{`"v=spf1 -all"`}))
	if !came {
		t.Fatal("nobody came between")
	}

	got := h.read(t, mail.DNSKey("suite."+h.Zone, "TXT"))[mail.DNSKey("suite."+h.Zone, "TXT")]
	ours := slices.Contains(got, mail.RecordLine(`"v=spf1 -all"`, h.TTL))
	if !slices.Contains(got, stranger) || (err == nil) != ours ||
		err != nil && !errors.Is(err, plan.ErrStale) {
		t.Errorf("Apply returned %v, and the RRset is %q", err, got)
	}
}

// Where a stranger changes the very record, the stranger's stays and the change fails.
func testOvertaken(t *testing.T, h *Harness) {
	if h.Between == nil {
		return
	}

	key := mail.DNSKey("suite."+h.Zone, "A")
	h.Put(t, Set{key, h.lines("192.0.2.1")})
	stranger := h.lines("192.0.2.66")
	h.Between(t, func() { h.Put(t, Set{key, stranger}) })
	err := apply(t, h.Open(t), change(key, h.lines("192.0.2.1"), h.lines("192.0.2.2")))
	got := h.read(t, key)[key]
	if err == nil || !slices.Contains(got, stranger[0]) {
		t.Errorf("Apply returned %v, and the RRset is %q", err, got)
	}
}

func testAlias(t *testing.T, h *Harness) {
	h.Put(t, Set{mail.DNSKey("suite."+h.Zone, "CNAME"), h.lines("elsewhere.example.")})
	before := h.Dump(t)
	err := apply(t, h.Open(t), change(mail.DNSKey("suite."+h.Zone, "A"), nil,
		h.lines("2.2.2.2")))

	if err == nil || !strings.Contains(err.Error(), "alias of elsewhere.example.") {
		t.Errorf("A beside CNAME: %v", err)
	}

	h.unchanged(t, before)
	h.Put(t, Set{mail.DNSKey("below.suite."+h.Zone, "A"), h.lines("192.0.2.1")})
	before = h.Dump(t)
	if err := apply(t, h.Open(t), change(mail.DNSKey("below.suite."+h.Zone, "CNAME"), nil,
		h.lines("elsewhere.example."))); err == nil {
		t.Error("CNAME beside A: no error")
	}

	h.unchanged(t, before)
}

func testOutside(t *testing.T, h *Harness) {
	key := mail.DNSKey("bad"+h.Zone, "A") // ends like the zone, but not at a label
	if _, err := h.Open(t).Read(deadline(t), []plan.Key{key}); err == nil ||
		!strings.Contains(err.Error(), "outside") {
		t.Errorf("Read: %v", err)
	}

	if err := apply(t, h.Open(t), change(key, nil, h.lines("2.2.2.2"))); err == nil ||
		!strings.Contains(err.Error(), "outside") {
		t.Errorf("Apply: %v", err)
	}
}

func testRefused(t *testing.T, h *Harness) {
	var items []plan.Item
	if h.LowTTL != 0 {
		items = append(items, plan.Item{
			Key:   mail.DNSKey("suite."+h.Zone, "A"),
			Lines: []string{mail.RecordLine("2.2.2.2", h.LowTTL)},
		})
	}

	all := *h
	all.Without = nil
	all.Refused = nil
	all.RefusedData = nil

	for _, k := range all.kinds() {
		_, rrtype, _, _ := mail.SplitDNSKey(k.Key)
		if slices.Contains(h.Without, rrtype) || h.refused(k.Item) {
			items = append(items, k.Item)
		}
	}

	before := h.Dump(t)
	fine := change(mail.DNSKey("fine.suite."+h.Zone, "A"), nil, h.lines("192.0.2.1"))
	for _, it := range items {
		d := h.Open(t)
		if why := d.(plan.Limiter).Refuses(it); why == "" {
			t.Errorf("%v %q is not refused beforehand", it.Key, it.Lines)
		}

		if h.Web != nil {
			h.Web.Requests()
		}

		if err := apply(t, d, fine, change(it.Key, nil, it.Lines)); err == nil {
			t.Errorf("%v %q was applied", it.Key, it.Lines)
		}

		if h.Web != nil {
			for _, r := range h.Web.Requests() {
				if strings.HasPrefix(r, "write: ") {
					t.Errorf("%v %q was asked for: %s", it.Key, it.Lines, r)
				}
			}
		}

		h.unchanged(t, before)
	}

	for _, k := range h.kinds() {
		if why := h.Open(t).(plan.Limiter).Refuses(k.Item); why != "" {
			t.Errorf("%s is refused: %s", k.name, why)
		}
	}
}
