package webtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// FakeZone is the zone behind a stand-in for a provider that deals in RRsets. Values are
// kept in presentation format, in the order in which they came.
type FakeZone struct {
	Name string // absolute

	Mu   sync.Mutex
	Sets []webapi.Set
}

func NewFakeZone() *FakeZone {
	z := &FakeZone{Name: zonetest.Zone}
	z.Set(record.RRset{Name: zonetest.Zone, Type: "NS"}, 3600, "ns.example.net.")
	z.Set(record.RRset{
		Name: zonetest.Zone,
		Type: "TXT",
	}, 3600, `"google-site-verification=abc"`, `"MS=\"quoted\" caffè"`)

	z.Set(record.RRset{Name: "_dns." + zonetest.Zone, Type: "SVCB"}, 3600, "1 . alpn=h2")
	return z
}

// Set replaces an RRset; without values it is gone.
func (z *FakeZone) Set(set record.RRset, ttl int, values ...string) {
	z.Mu.Lock()
	defer z.Mu.Unlock()
	z.Locked(set, ttl, values...)
}

func (z *FakeZone) Locked(set record.RRset, ttl int, values ...string) {
	i := slices.IndexFunc(z.Sets, func(s webapi.Set) bool { return s.RRset == set })
	if i < 0 {
		i = len(z.Sets)
		z.Sets = append(z.Sets, webapi.Set{RRset: set})
	}

	z.Sets[i].TTL = ttl
	z.Sets[i].Values = nil
	for _, v := range values {
		z.Sets[i].Values = append(z.Sets[i].Values, webapi.Value{Text: v})
	}

	if len(values) == 0 {
		z.Sets = slices.Delete(z.Sets, i, i+1)
	}
}

// Refuse says why the zone can't hold an RRset: the rules that any name server has.
func (z *FakeZone) Refuse(set record.RRset, values []string) string {
	var others []record.RRset
	for _, s := range z.Sets {
		others = append(others, s.RRset)
	}
	return refuseRRset(set, values, others)
}

// refuseRRset says why there can't be an RRset of these values beside others.
func refuseRRset(set record.RRset, values []string, others []record.RRset) string {
	seen := map[string]bool{}
	for _, v := range values {
		rr, err := dns.NewRR(fmt.Sprintf("%s 60 IN %s %s", set.Name, set.Type, v))
		switch {
		case err != nil || rr == nil:
			return fmt.Sprintf("%s: %q is no content of this type", set.Type, v)
		case strings.ContainsAny(v, "\r\n"):
			return "line breaks are not allowed"
		case set.Type == "TXT" && !strings.HasPrefix(v, `"`):
			return "text must be in quotes"
		case seen[record.CanonicalData(rr)]:
			return "identical records"
		}

		for _, s := range append([]string{}, txtOf(rr)...) {
			if len(record.Unescape(s)) > 255 {
				return "a string of over 255 octets"
			}
		}

		seen[record.CanonicalData(rr)] = true
	}

	if set.Type == "CNAME" && len(values) > 1 {
		return "a name has one CNAME"
	}

	for _, s := range others {
		if len(values) > 0 && s.Name == set.Name && s.Type != set.Type &&
			(s.Type == "CNAME" || set.Type == "CNAME") {
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

func (z *FakeZone) All() []webapi.Set {
	z.Mu.Lock()
	defer z.Mu.Unlock()
	return slices.Clone(z.Sets)
}

// Dump shows the spelling and the order of everything.
func (z *FakeZone) Dump(*testing.T) (out []string) {
	for _, s := range z.All() {
		for i, v := range s.Values {
			out = append(out, fmt.Sprintf("%s %d %s #%d %s", s.Name, s.TTL, s.Type, i, v.Text))
		}
	}
	slices.Sort(out)
	return out
}

// Put writes as somebody in the provider's own pages would.
func (z *FakeZone) Put(t *testing.T, sets ...providertest.Set) {
	t.Helper()
	for _, s := range sets {
		set, ttl, values := Presented(t, s)
		z.Set(set, ttl, values...)
	}
}

// Presented returns a stranger's RRset in presentation format, with the capitals it came with.
func Presented(t *testing.T, s providertest.Set) (set record.RRset, ttl int, values []string) {
	t.Helper()
	f := strings.Fields(s.Key.Name)
	for _, l := range s.Lines {
		r := record.Record{RRset: record.RRset{Name: f[0], Type: f[1]}}
		r.Data, ttl = mail.SplitRecordLine(l)
		rr, err := r.RR()
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, strings.TrimPrefix(rr.String(), rr.Header().String()))
	}

	return record.RRset{Name: mail.FQDN(f[0]), Type: f[1]}, ttl, values
}

func Spelt(values []webapi.Value) []string {
	out := []string{}
	for _, v := range values {
		out = append(out, v.Text)
	}
	return out
}

// Answer sends JSON.
func Answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// WebHarness is the suite's harness for a provider with one token over a fake.
func WebHarness(t *testing.T, provider zone.Provider, z *FakeZone, h http.Handler) *providertest.Harness {
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
	}
}

func OpenWeb(t *testing.T, provider zone.Provider, name, token string, client *http.Client) *zone.Zone {
	t.Helper()
	nobody := &resolver.Resolver{
		Servers:  []string{"127.0.0.1:1"},
		Timeout:  100 * time.Millisecond,
		Attempts: 1,
	}

	z, err := zone.Open(provider, zone.Options{
		Zone:       name,
		HTTPClient: client,
		Settings:   SettingsWith(provider, token),
		Resolver:   nobody,
	})

	if err != nil {
		t.Fatal(err)
	}

	z.Pauses = nil
	return z
}

// SettingsWith gives every secret that a provider requires the same value, and every other
// setting its own name.
func SettingsWith(provider zone.Provider, token string) map[string]string {
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

// WrongAccess tries a token that is none and zones that are not there.
func WrongAccess(t *testing.T, provider zone.Provider, client *http.Client, tokenError string) {
	for _, test := range []struct{ name, zone, token, want string }{
		{"wrong token", zonetest.Zone, "wrong-token", tokenError},
		{"a zone below", "mail." + zonetest.Zone, "the-token", `give "nomeazienda.it", which holds it`},
		{"a slip of the pen", "nomeaziende.it", "the-token", `did you mean "nomeazienda.it"`},
		{"another zone", "example.org", "the-token", "has no "},
	} {
		t.Run(test.name, func(t *testing.T) {
			z := OpenWeb(t, provider, test.zone, test.token, client)
			_, err := z.Read(t.Context(), []plan.Key{mail.DNSKey("x."+test.zone, "A")})
			if err == nil || !strings.Contains(err.Error(), test.want) ||
				strings.Contains(err.Error(), "-token") {
				t.Errorf("got %v, want ... %s ...", err, test.want)
			}
		})
	}
}
