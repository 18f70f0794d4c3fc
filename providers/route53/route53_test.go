package route53

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zone"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// fakeRoute53 answers as Route 53's API is documented to: XML, names and text with octal
// escapes, 300 sets a page, batches of which all is done or nothing, deletion only of what is
// named to the letter. Values are kept in its own spelling.
type fakeRoute53 struct {
	*webtest.FakeZone
	zones  []fakeHostedZone
	extra  string // further record sets in the list
	secret string
}

type fakeHostedZone struct {
	name, id string
	private  bool
}

func newFakeRoute53() *fakeRoute53 {
	f := &fakeRoute53{
		FakeZone: webtest.NewFakeZone(),
		secret:   "the-token",
		zones: []fakeHostedZone{
			{zonetest.Zone, "ZPRIVATE", true}, {zonetest.Zone, "Z1PA6795UKMFR9", false}},
	}

	for i := range f.Sets {
		for j, v := range f.Sets[i].Values {
			f.Sets[i].Values[j].Text = toOctal(v.Text)
		}
	}

	return f
}

// toOctal is how the API lists the octets of a text that are not printable.
func toOctal(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c < ' ' || c > '~' {
			fmt.Fprintf(&b, `\%03o`, c)
		} else {
			b.WriteByte(c)
		}
	}

	return b.String()
}

func fromOctal(text string) string { return octalToDecimal(text, nil) }

func (f *fakeRoute53) refusal(w http.ResponseWriter, status int, code, message string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0"?><ErrorResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><Error><Type>Sender</Type><Code>%s</Code><Message>%s</Message></Error><RequestId>1</RequestId></ErrorResponse>`,
		code, message)
}

// signed checks the signature by making it again.
func (f *fakeRoute53) signed(r *http.Request) bool {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	at, err := time.Parse("20060102T150405Z", r.Header.Get("X-Amz-Date"))
	if err != nil {
		return false
	}

	again, _ := http.NewRequest(r.Method, "https://route53.amazonaws.com"+r.URL.RequestURI(),
		bytes.NewReader(body))

	for _, h := range []string{"Accept", "Content-Type"} {
		if v := r.Header.Get(h); v != "" {
			again.Header.Set(h, v)
		}
	}

	key := aws.Credentials{AccessKeyID: "access_key_id", SecretAccessKey: f.secret}
	if err := v4.NewSigner().SignHTTP(r.Context(), key, again,
		fmt.Sprintf("%x", sha256.Sum256(body)), "route53", "us-east-1", at); err != nil {
		return false
	}

	return again.Header.Get("Authorization") == r.Header.Get("Authorization")
}

func (f *fakeRoute53) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	const base = "/2013-04-01/hostedzone"
	switch {
	case !f.signed(r):
		f.refusal(w, http.StatusForbidden, "SignatureDoesNotMatch",
			"The request signature we calculated does not match the signature you provided.")
	case r.URL.Path == base+"sbyname" || r.URL.Path == base:
		fmt.Fprint(w, `<?xml version="1.0"?><ListHostedZonesResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><HostedZones>`)
		for _, z := range f.zones {
			fmt.Fprintf(w, "<HostedZone><Id>/hostedzone/%s</Id><Name>%s</Name><Config><PrivateZone>%v</PrivateZone></Config></HostedZone>",
				z.id, z.name, z.private)
		}
		fmt.Fprint(w, "</HostedZones><IsTruncated>false</IsTruncated></ListHostedZonesResponse>")
	case r.URL.Path != base+"/Z1PA6795UKMFR9/rrset":
		f.refusal(w, http.StatusNotFound, "NoSuchHostedZone", "No hosted zone found")
	case r.Method == http.MethodGet:
		f.List(w, r)
	default:
		f.change(w, r)
	}
}

func (f *fakeRoute53) List(w http.ResponseWriter, r *http.Request) {
	all := f.All()
	slices.SortFunc(all, func(a, b webapi.Set) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Type, b.Type))
	})

	from := 0
	if name := r.URL.Query().Get("name"); name != "" {
		from = slices.IndexFunc(all, func(s webapi.Set) bool {
			return r53Name(s.Name) == name && s.Type == r.URL.Query().Get("type")
		})
	}

	to := min(from+300, len(all))
	fmt.Fprint(w, `<?xml version="1.0"?><ListResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets>`, f.extra)
	for _, s := range all[from:to] {
		fmt.Fprintf(w, "<ResourceRecordSet><Name>%s</Name><Type>%s</Type><TTL>%d</TTL><ResourceRecords>",
			r53Name(s.Name), s.Type, s.TTL)

		for _, v := range s.Values {
			fmt.Fprint(w, "<ResourceRecord><Value>")
			_ = xml.EscapeText(w, []byte(v.Text))
			fmt.Fprint(w, "</Value></ResourceRecord>")
		}

		fmt.Fprint(w, "</ResourceRecords></ResourceRecordSet>")
	}

	fmt.Fprintf(w, "</ResourceRecordSets><IsTruncated>%v</IsTruncated><MaxItems>300</MaxItems>",
		to < len(all))

	if to < len(all) {
		fmt.Fprintf(w, "<NextRecordName>%s</NextRecordName><NextRecordType>%s</NextRecordType>",
			r53Name(all[to].Name), all[to].Type)
	}

	fmt.Fprint(w, "</ListResourceRecordSetsResponse>")
}

func r53Name(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "*",
		`\052`)
}

func (f *fakeRoute53) change(w http.ResponseWriter, r *http.Request) {
	var batch struct {
		XMLName xml.Name `xml:"https://route53.amazonaws.com/doc/2013-04-01/ ChangeResourceRecordSetsRequest"`
		Changes []struct {
			Action string
			Set    struct {
				Name, Type string
				TTL        int
				Values     []string `xml:"ResourceRecords>ResourceRecord>Value"`
			} `xml:"ResourceRecordSet"`
		} `xml:"ChangeBatch>Changes>Change"`
	}

	if err := xml.NewDecoder(r.Body).Decode(&batch); err != nil {
		f.refusal(w, http.StatusBadRequest, "InvalidInput", "Invalid XML")
		return
	}

	f.Mu.Lock()
	defer f.Mu.Unlock()

	before := slices.Clone(f.Sets)
	for _, c := range batch.Changes {
		if why := f.one(c.Action, record.RRset{
			Name: c.Set.Name,
			Type: c.Set.Type,
		}, c.Set.TTL, c.Set.Values); why != "" {
			f.Sets = before
			f.refusal(w, http.StatusBadRequest, "InvalidChangeBatch", "["+why+"]")
			return
		}
	}

	fmt.Fprint(w, `<?xml version="1.0"?><ChangeResourceRecordSetsResponse xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status></ChangeInfo></ChangeResourceRecordSetsResponse>`)
}

func (f *fakeRoute53) one(action string, set record.RRset, ttl int, values []string) string {
	there := webapi.Set{}
	for _, s := range f.Sets {
		if mail.FQDN(s.Name) == set.Name && s.Type == set.Type {
			there = s
		}
	}

	is := []string{}
	for _, v := range there.Values {
		is = append(is, v.Text)
	}

	switch {
	case action == "DELETE" && len(is) == 0:
		return fmt.Sprintf("Tried to delete resource record set [name='%s', type='%s'] but it was not found",
			set.Name, set.Type)
	case action == "DELETE" && (!slices.Equal(is, values) || there.TTL != ttl):
		return fmt.Sprintf("Tried to delete resource record set [name='%s', type='%s'] but the values provided do not match the current values",
			set.Name, set.Type)
	case action == "DELETE":
		f.Locked(there.RRset, 0)
		return ""
	case len(is) > 0:
		return fmt.Sprintf("Tried to create resource record set [name='%s', type='%s'] but it already exists",
			set.Name, set.Type)
	}

	var decimal []string
	for _, v := range values {
		if i := strings.IndexFunc(v, func(c rune) bool {
			return c < ' ' || c > '~'
		}); i >= 0 {
			return "Invalid Resource Record: unprintable characters"
		}
		decimal = append(decimal, fromOctal(v))
	}

	if why := f.Refuse(set, decimal); why != "" {
		return why
	}

	f.Locked(set, ttl, values...)
	return ""
}

func (f *fakeRoute53) Put(t *testing.T, sets ...providertest.Set) {
	for _, s := range sets {
		set, ttl, values := webtest.Presented(t, s)
		f.Mu.Lock()
		f.Sets = slices.DeleteFunc(f.Sets, func(o webapi.Set) bool {
			return mail.FQDN(o.Name) == set.Name && o.Type == set.Type
		})

		f.Mu.Unlock()
		for i, v := range values {
			values[i] = recoded(v, 10, func(c byte) string {
				return fmt.Sprintf(`\%03o`, c)
			})
		}

		f.Set(set, ttl, values...)
	}
}

func route53Harness(t *testing.T) *providertest.Harness {
	f := newFakeRoute53()
	h := webtest.WebHarness(t, Provider(), f.FakeZone, f)
	h.Put = f.Put
	h.Between = func(_ *testing.T, intrude func()) {
		h.Web.BeforeNth(1, h.Web.Writes, intrude)
	}
	return h
}

func TestRoute53(t *testing.T) {
	providertest.Run(t, route53Harness)
	f := newFakeRoute53()
	webtest.WrongAccess(t, Provider(), providertest.NewGate(t, f).Client(),
		"HTTP 403: SignatureDoesNotMatch")
}

// Several public zones may have one name: only a person knows which one is in use.
func TestRoute53Ambiguous(t *testing.T) {
	f := newFakeRoute53()
	f.zones = append(f.zones, fakeHostedZone{zonetest.Zone, "ZOTHER", false})
	client := providertest.NewGate(t, f).Client()
	keys := []plan.Key{mail.DNSKey(zonetest.Zone, "MX")}
	_, err := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		client).Read(t.Context(), keys)

	if err == nil || !strings.Contains(err.Error(), "as zone_id, of Z1PA6795UKMFR9, ZOTHER") {
		t.Errorf("two zones: %v", err)
	}

	settings := webtest.SettingsWith(Provider(), "the-token")
	settings["zone_id"] = "Z1PA6795UKMFR9"
	d, err := zone.Open(Provider(), zone.Options{
		Zone:       zonetest.Zone,
		HTTPClient: client,
		Settings:   settings,
	})

	if err == nil {
		_, err = d.Read(t.Context(), keys)
	}

	if err != nil {
		t.Errorf("with zone_id: %v", err)
	}
}

// An alias, and sets of which a rule chooses, are told and left alone.
func TestRoute53Odd(t *testing.T) {
	f := newFakeRoute53()
	f.extra = `<ResourceRecordSet><Name>mail.nomeazienda.it.</Name><Type>A</Type><AliasTarget><HostedZoneId>Z2</HostedZoneId><DNSName>lb.example.net.</DNSName></AliasTarget></ResourceRecordSet>` +
		`<ResourceRecordSet><Name>w.nomeazienda.it.</Name><Type>A</Type><SetIdentifier>one</SetIdentifier><Weight>1</Weight><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet>`

	gate := providertest.NewGate(t, f)
	d := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token", gate.Client())
	for name, want := range map[string]string{"mail.": "an alias record of Route 53, to lb.example.net.",
		"w.": "by a routing policy"} {
		key := mail.DNSKey(name+zonetest.Zone, "A")
		items, err := d.Read(t.Context(), []plan.Key{key})
		if err != nil || len(items) != 1 || !strings.Contains(items[0].Unreadable, want) {
			t.Errorf("%s: %+v %v", name, items, err)
		}

		if err := zonetest.ApplyAll(t, d, zonetest.Change{
			Key:    key,
			Before: nil,
			After:  []string{"192.0.2.2 ttl 60"},
		}); err == nil {
			t.Errorf("%s was written over", name)
		}
	}

	if slices.ContainsFunc(gate.Requests(), func(r string) bool {
		return strings.HasPrefix(r, "write: ")
	}) {
		t.Error("something was asked for")
	}
}

// The API asks for patience with status 400.
func TestRoute53Throttled(t *testing.T) {
	f := newFakeRoute53()
	gate := providertest.NewGate(t, f)
	n := 0
	gate.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if n++; n == 1 {
			f.refusal(w, http.StatusBadRequest, "Throttling", "Rate exceeded")
			return true
		}
		return false
	})

	if _, err := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		gate.Client()).Read(t.Context(), []plan.Key{mail.DNSKey(zonetest.Zone,
		"MX")}); err != nil {
		t.Error(err)
	}
}

// Changes beyond what one request may hold go in several.
func TestRoute53LargeBatch(t *testing.T) {
	f := newFakeRoute53()
	gate := providertest.NewGate(t, f)
	var changes []zonetest.Change

	for i := range 1200 {
		changes = append(changes, zonetest.Change{
			Key:    mail.DNSKey(fmt.Sprintf("n%d.%s", i, zonetest.Zone), "A"),
			Before: nil,
			After:  []string{"192.0.2.1 ttl 60"},
		})
	}

	if err := zonetest.ApplyAll(t, webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		gate.Client()), changes...); err != nil {
		t.Fatal(err)
	}

	writes := slices.DeleteFunc(gate.Requests(), func(r string) bool {
		return !strings.HasPrefix(r, "write: ")
	})

	if len(writes) != 3 {
		t.Errorf("%d requests, want 3", len(writes))
	}
}

func TestRoute53Stale(t *testing.T) {
	f := newFakeRoute53()
	gate := providertest.NewGate(t, f)
	key := mail.DNSKey("x."+zonetest.Zone, "A")
	gate.BeforeNth(1, gate.Writes, func() {
		f.Set(record.RRset{
			Name: "x." + zonetest.Zone,
			Type: "A",
		}, 60, "192.0.2.9")
	})

	err := zonetest.ApplyAll(t, webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		gate.Client()), zonetest.Change{
		Key:    key,
		Before: nil,
		After:  []string{"192.0.2.1 ttl 60"},
	})

	if !errors.Is(err, plan.ErrStale) {
		t.Errorf("got %v", err)
	}
}
