package providers

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
)

// fakeRecord is a record behind a stand-in for a provider that deals in single records. Its
// text is in presentation format.
type fakeRecord struct {
	id int
	rrset
	ttl  int
	text string
}

// fakeRecords is the zone behind such a stand-in.
type fakeRecords struct {
	name string // absolute

	mu   sync.Mutex
	recs []fakeRecord
	next int
}

func newFakeRecords() *fakeRecords {
	z := &fakeRecords{name: testZone, next: 1000}
	for _, r := range []fakeRecord{
		{rrset: rrset{testZone, "NS"}, ttl: 86400, text: "ns.example.net."},
		{rrset: rrset{testZone, "TXT"}, ttl: 3600, text: `"google-site-verification=abc"`},
		{rrset: rrset{testZone, "TXT"}, ttl: 3600, text: `"MS=\"quoted\" caff\195\168"`},
		{rrset: rrset{"odd." + testZone, "SRV"}, ttl: 3600, text: "0 1 25 odd.example."},
	} {
		z.add(r)
	}
	return z
}

func (z *fakeRecords) all() []fakeRecord {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.recs)
}

// add and the following are called with the lock held, or before anybody asks.
func (z *fakeRecords) add(r fakeRecord) int {
	z.next++
	r.id = z.next
	z.recs = append(z.recs, r)
	return r.id
}

func (z *fakeRecords) index(id string) int {
	return slices.IndexFunc(z.recs, func(r fakeRecord) bool { return strconv.Itoa(r.id) == id })
}

// refuse says why the zone can't hold a record; with its id it takes the place of another.
func (z *fakeRecords) refuse(r fakeRecord) string {
	if !mail.Within(r.name, z.name) {
		return fmt.Sprintf("%q is not in the zone", r.name)
	}
	values, others := []string{r.text}, []rrset{}
	for _, o := range z.recs {
		switch {
		case o.id == r.id:
		case mail.FQDN(o.name) == r.name && o.rrtype == r.rrtype:
			values = append(values, o.text)
		default:
			others = append(others, rrset{mail.FQDN(o.name), o.rrtype})
		}
	}
	return refuseRRset(r.rrset, values, others)
}

// store adds a record, or puts it in the place of the one with its id.
func (z *fakeRecords) store(r fakeRecord) (id int, refusal string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if why := z.refuse(r); why != "" {
		return 0, why
	}
	if r.id == 0 {
		return z.add(r), ""
	}
	z.recs[z.index(strconv.Itoa(r.id))] = r
	return r.id, ""
}

func (z *fakeRecords) get(id string) (fakeRecord, bool) {
	z.mu.Lock()
	defer z.mu.Unlock()
	if i := z.index(id); i >= 0 {
		return z.recs[i], true
	}
	return fakeRecord{}, false
}

func (z *fakeRecords) drop(id string) bool {
	z.mu.Lock()
	defer z.mu.Unlock()
	i := z.index(id)
	if i >= 0 {
		z.recs = slices.Delete(z.recs, i, i+1)
	}
	return i >= 0
}

// put writes as somebody in the provider's own pages would. What stays as it was keeps its id.
func (z *fakeRecords) put(t *testing.T, sets ...providertest.Set) {
	t.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	for _, s := range sets {
		set, ttl, values := presented(t, s)
		z.recs = slices.DeleteFunc(z.recs, func(r fakeRecord) bool {
			if r.rrset != set {
				return false
			}
			i := slices.Index(values, r.text)
			if i < 0 || r.ttl != ttl {
				return true
			}
			values = slices.Delete(values, i, i+1)
			return false
		})
		for _, v := range values {
			z.add(fakeRecord{rrset: set, ttl: ttl, text: v})
		}
	}
}

// dump shows the spelling and the order of everything.
func (z *fakeRecords) dump(*testing.T) (out []string) {
	for _, r := range z.all() {
		out = append(out, fmt.Sprintf("%s %d %s %s", r.name, r.ttl, r.rrtype, r.text))
	}
	slices.Sort(out)
	return out
}

// relative is the name that interfaces without final dots have for a record's.
func (z *fakeRecords) relative(name, apex string) string {
	name = strings.TrimSuffix(name, ".")
	if strings.EqualFold(name+".", z.name) {
		return apex
	}
	return name[:len(name)-len(z.name)]
}

func (z *fakeRecords) domain() string { return strings.TrimSuffix(z.name, ".") }

// bareText is the text of a TXT record's presentation format.
func bareText(text string) string {
	rr, err := dns.NewRR(". TXT " + text)
	if err != nil {
		return text
	}
	return unescape(strings.Join(rr.(*dns.TXT).Txt, ""))
}

// apart cuts the priority off the text of MX and SRV.
func apart(rrtype, text string) (priority int, rest string) {
	if rrtype != "MX" && rrtype != "SRV" {
		return 0, text
	}
	first, rest, _ := strings.Cut(text, " ")
	priority, _ = strconv.Atoi(first)
	return priority, rest
}

func withoutDot(text string) string {
	if text == "." || strings.HasSuffix(text, " .") {
		return text
	}
	return strings.TrimSuffix(text, ".")
}

// recordHarness is the suite's harness for a provider with one secret over a stand-in.
func recordHarness(t *testing.T, provider Provider, z *fakeRecords, h http.Handler) *providertest.Harness {
	gate := providertest.NewGate(t, h)
	return &providertest.Harness{
		Zone: z.name, Web: gate, Secret: "the-token",
		Open:    func(t *testing.T) plan.Driver { return openWeb(t, provider, z.name, "the-token", gate.Client()) },
		Put:     z.put,
		Dump:    z.dump,
		Between: func(_ *testing.T, intrude func()) { gate.BeforeNth(1, gate.Writes, intrude) },
	}
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		answer(w, http.StatusBadRequest, map[string]any{"message": "the request is no JSON of this interface"})
		return false
	}
	return true
}
