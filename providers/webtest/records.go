package webtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// FakeRecord is a record behind a stand-in for a provider that deals in single records. Its
// text is in presentation format.
type FakeRecord struct {
	ID int
	record.RRset
	TTL  int
	Text string
}

// FakeRecords is the zone behind such a stand-in.
type FakeRecords struct {
	Name string // absolute

	Mu   sync.Mutex
	Recs []FakeRecord
	next int
}

func NewFakeRecords() *FakeRecords {
	z := &FakeRecords{Name: zonetest.Zone, next: 1000}
	for _, r := range []FakeRecord{
		{RRset: record.RRset{Name: zonetest.Zone, Type: "NS"}, TTL: 86400, Text: "ns.example.net."},
		{RRset: record.RRset{Name: zonetest.Zone, Type: "TXT"}, TTL: 3600, Text: `"google-site-verification=abc"`},
		{RRset: record.RRset{Name: zonetest.Zone, Type: "TXT"}, TTL: 3600, Text: `"MS=\"quoted\" caff\195\168"`},
		{RRset: record.RRset{Name: "odd." + zonetest.Zone, Type: "SRV"}, TTL: 3600, Text: "0 1 25 odd.example."},
	} {
		z.Add(r)
	}

	return z
}

func (z *FakeRecords) All() []FakeRecord {
	z.Mu.Lock()
	defer z.Mu.Unlock()
	return slices.Clone(z.Recs)
}

// add and the following are called with the lock held, or before anybody asks.
func (z *FakeRecords) Add(r FakeRecord) int {
	z.next++
	r.ID = z.next
	z.Recs = append(z.Recs, r)
	return r.ID
}

func (z *FakeRecords) index(id string) int {
	return slices.IndexFunc(z.Recs, func(r FakeRecord) bool {
		return strconv.Itoa(r.ID) == id
	})
}

// Refuse says why the zone can't hold a record; with its id it takes the place of another.
func (z *FakeRecords) Refuse(r FakeRecord) string {
	if !mail.Within(r.Name, z.Name) {
		return fmt.Sprintf("%q is not in the zone", r.Name)
	}

	values := []string{r.Text}
	others := []record.RRset{}
	for _, o := range z.Recs {
		switch {
		case o.ID == r.ID:
		case mail.FQDN(o.Name) == r.Name && o.Type == r.Type:
			values = append(values, o.Text)
		default:
			others = append(others, record.RRset{Name: mail.FQDN(o.Name), Type: o.Type})
		}
	}

	return refuseRRset(r.RRset, values, others)
}

// Store adds a record, or puts it in the place of the one with its id.
func (z *FakeRecords) Store(r FakeRecord) (id int, refusal string) {
	z.Mu.Lock()
	defer z.Mu.Unlock()

	if why := z.Refuse(r); why != "" {
		return 0, why
	}
	if r.ID == 0 {
		return z.Add(r), ""
	}

	z.Recs[z.index(strconv.Itoa(r.ID))] = r
	return r.ID, ""
}

func (z *FakeRecords) Get(id string) (FakeRecord, bool) {
	z.Mu.Lock()
	defer z.Mu.Unlock()
	if i := z.index(id); i >= 0 {
		return z.Recs[i], true
	}
	return FakeRecord{}, false
}

func (z *FakeRecords) Drop(id string) bool {
	z.Mu.Lock()
	defer z.Mu.Unlock()
	i := z.index(id)
	if i >= 0 {
		z.Recs = slices.Delete(z.Recs, i, i+1)
	}
	return i >= 0
}

// Put writes as somebody in the provider's own pages would. What stays as it was keeps its id.
func (z *FakeRecords) Put(t *testing.T, sets ...providertest.Set) {
	t.Helper()
	z.Mu.Lock()
	defer z.Mu.Unlock()

	for _, s := range sets {
		set, ttl, values := Presented(t, s)
		z.Recs = slices.DeleteFunc(z.Recs, func(r FakeRecord) bool {
			if r.RRset != set {
				return false
			}

			i := slices.Index(values, r.Text)
			if i < 0 || r.TTL != ttl {
				return true
			}

			values = slices.Delete(values, i, i+1)
			return false
		})

		for _, v := range values {
			z.Add(FakeRecord{RRset: set, TTL: ttl, Text: v})
		}
	}
}

// Dump shows the spelling and the order of everything.
func (z *FakeRecords) Dump(*testing.T) (out []string) {
	for _, r := range z.All() {
		out = append(out, fmt.Sprintf("%s %d %s %s", r.Name, r.TTL, r.Type, r.Text))
	}
	slices.Sort(out)
	return out
}

// Relative is the name that interfaces without final dots have for a record's.
func (z *FakeRecords) Relative(name, apex string) string {
	name = strings.TrimSuffix(name, ".")
	if strings.EqualFold(name+".", z.Name) {
		return apex
	}
	return name[:len(name)-len(z.Name)]
}

func (z *FakeRecords) Domain() string { return strings.TrimSuffix(z.Name, ".") }

// BareText is the text of a TXT record's presentation format.
func BareText(text string) string {
	rr, err := dns.NewRR(". TXT " + text)
	if err != nil {
		return text
	}
	return record.Unescape(strings.Join(rr.(*dns.TXT).Txt, ""))
}

// Apart cuts the priority off the text of MX and SRV.
func Apart(rrtype, text string) (priority int, rest string) {
	if rrtype != "MX" && rrtype != "SRV" {
		return 0, text
	}
	first, rest, _ := strings.Cut(text, " ")
	priority, _ = strconv.Atoi(first)
	return priority, rest
}

func WithoutDot(text string) string {
	if text == "." || strings.HasSuffix(text, " .") {
		return text
	}
	return strings.TrimSuffix(text, ".")
}

// RecordHarness is the suite's harness for a provider with one secret over a stand-in.
func RecordHarness(t *testing.T, provider zone.Provider, z *FakeRecords, h http.Handler) *providertest.Harness {
	gate := providertest.NewGate(t, h)
	return &providertest.Harness{
		Zone:   z.Name,
		Web:    gate,
		Secret: "the-token",
		Open: func(t *testing.T) plan.Driver {
			return OpenWeb(t, provider, z.Name, "the-token", gate.Client())
		},
		Put:  z.Put,
		Dump: z.Dump,
		Between: func(_ *testing.T, intrude func()) {
			gate.BeforeNth(1, gate.Writes, intrude)
		},
	}
}

func Decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		Answer(w, http.StatusBadRequest, map[string]any{"message": "the request is no JSON of this interface"})
		return false
	}
	return true
}
