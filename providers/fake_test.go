package providers

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
)

// fakeZone is the zone behind a stand-in for a provider that deals in RRsets. Values are
// kept in presentation format, in the order in which they came.
type fakeZone struct {
	name string // absolute

	mu   sync.Mutex
	sets []apiSet
}

func newFakeZone() *fakeZone {
	z := &fakeZone{name: testZone}
	z.set(rrset{testZone, "NS"}, 3600, "ns.example.net.")
	z.set(rrset{testZone, "TXT"}, 3600, `"google-site-verification=abc"`, `"MS=\"quoted\" caffè"`)
	z.set(rrset{"_dns." + testZone, "SVCB"}, 3600, "1 . alpn=h2")
	return z
}

// set replaces an RRset; without values it is gone.
func (z *fakeZone) set(set rrset, ttl int, values ...string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.locked(set, ttl, values...)
}

func (z *fakeZone) locked(set rrset, ttl int, values ...string) {
	i := slices.IndexFunc(z.sets, func(s apiSet) bool { return s.rrset == set })
	if i < 0 {
		i, z.sets = len(z.sets), append(z.sets, apiSet{rrset: set})
	}
	z.sets[i].ttl, z.sets[i].values = ttl, nil
	for _, v := range values {
		z.sets[i].values = append(z.sets[i].values, apiValue{text: v})
	}
	if len(values) == 0 {
		z.sets = slices.Delete(z.sets, i, i+1)
	}
}

// refuse says why the zone can't hold an RRset: the rules that any name server has.
func (z *fakeZone) refuse(set rrset, values []string) string {
	var others []rrset
	for _, s := range z.sets {
		others = append(others, s.rrset)
	}
	return refuseRRset(set, values, others)
}

// refuseRRset says why there can't be an RRset of these values beside others.
func refuseRRset(set rrset, values []string, others []rrset) string {
	seen := map[string]bool{}
	for _, v := range values {
		rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN %s %s", set.name, set.rrtype, v))
		switch {
		case err != nil || rr == nil:
			return fmt.Sprintf("%s: %q is no content of this type", set.rrtype, v)
		case strings.ContainsAny(v, "\r\n"):
			return "line breaks are not allowed"
		case set.rrtype == "TXT" && !strings.HasPrefix(v, `"`):
			return "text must be in quotes"
		case seen[canonicalData(rr)]:
			return "identical records"
		}
		for _, s := range append([]string{}, txtOf(rr)...) {
			if len(unescape(s)) > 255 {
				return "a string of over 255 octets"
			}
		}
		seen[canonicalData(rr)] = true
	}
	if set.rrtype == "CNAME" && len(values) > 1 {
		return "a name has one CNAME"
	}
	for _, s := range others {
		if len(values) > 0 && s.name == set.name && s.rrtype != set.rrtype && (s.rrtype == "CNAME" || set.rrtype == "CNAME") {
			return "a CNAME stands alone"
		}
	}
	return ""
}

func txtOf(rr dns.RR) []string {
	if t, ok := rr.(*dns.TXT); ok {
		return t.Txt
	}
	return nil
}

func (z *fakeZone) all() []apiSet {
	z.mu.Lock()
	defer z.mu.Unlock()
	return slices.Clone(z.sets)
}

// dump shows the spelling and the order of everything.
func (z *fakeZone) dump(*testing.T) (out []string) {
	for _, s := range z.all() {
		for i, v := range s.values {
			out = append(out, fmt.Sprintf("%s %d %s #%d %s", s.name, s.ttl, s.rrtype, i, v.text))
		}
	}
	slices.Sort(out)
	return out
}

// put writes as somebody in the provider's own pages would.
func (z *fakeZone) put(t *testing.T, sets ...providertest.Set) {
	t.Helper()
	for _, s := range sets {
		set, ttl, values := presented(t, s)
		z.set(set, ttl, values...)
	}
}

// presented returns a stranger's RRset in presentation format, with the capitals it came with.
func presented(t *testing.T, s providertest.Set) (set rrset, ttl int, values []string) {
	t.Helper()
	f := strings.Fields(s.Key.Name)
	for _, l := range s.Lines {
		r := record{rrset: rrset{f[0], f[1]}}
		r.data, ttl = mail.SplitRecordLine(l)
		rr, err := r.rr()
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}
	return rrset{mail.FQDN(f[0]), f[1]}, ttl, values
}

func spelt(values []apiValue) []string {
	out := []string{}
	for _, v := range values {
		out = append(out, v.text)
	}
	return out
}

// answer sends JSON.
func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// webHarness is the suite's harness for a provider with one token over a fake.
func webHarness(t *testing.T, provider Provider, z *fakeZone, h http.Handler) *providertest.Harness {
	gate := providertest.NewGate(t, h)
	return &providertest.Harness{
		Zone: z.name, Web: gate, Secret: "the-token",
		Open: func(t *testing.T) plan.Driver { return openWeb(t, provider, z.name, "the-token", gate.Client()) },
		Put:  z.put, Dump: z.dump,
	}
}

func openWeb(t *testing.T, provider Provider, name, token string, client *http.Client) *Zone {
	t.Helper()
	z, err := openZone(provider, Options{Zone: name, HTTPClient: client, Settings: settingsWith(provider, token)})
	if err != nil {
		t.Fatal(err)
	}
	z.pauses = nil
	return z
}

// settingsWith gives every secret that a provider requires the same value, and every other
// setting its own name.
func settingsWith(provider Provider, token string) map[string]string {
	out := map[string]string{}
	for _, s := range provider.Settings {
		switch {
		case s.Required && s.Secret:
			out[s.Name] = token
		case s.Required:
			out[s.Name] = s.Name
		}
	}
	return out
}

// wrongAccess tries a token that is none and zones that are not there.
func wrongAccess(t *testing.T, provider Provider, client *http.Client, tokenError string) {
	for _, test := range []struct{ name, zone, token, want string }{
		{"wrong token", testZone, "wrong-token", tokenError},
		{"a zone below", "mail." + testZone, "the-token", `give "nomeazienda.it", which holds it`},
		{"a slip of the pen", "nomeaziende.it", "the-token", `did you mean "nomeazienda.it"`},
		{"another zone", "example.org", "the-token", "has no "},
	} {
		t.Run(test.name, func(t *testing.T) {
			z := openWeb(t, provider, test.zone, test.token, client)
			_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("x."+test.zone, "A")})
			if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "-token") {
				t.Errorf("got %v, want ... %s ...", err, test.want)
			}
		})
	}
}
