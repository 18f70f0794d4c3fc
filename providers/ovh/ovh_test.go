package ovh

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// fakeOVH answers as OVH's API is documented to: signed requests, lists of ids, types of its
// own for mail's text, and nothing in service until the zone is refreshed.
type fakeOVH struct {
	z         *webtest.FakeRecords
	ahead     time.Duration
	refreshed atomic.Int32
	mux       *http.ServeMux
}

func newFakeOVH(z *webtest.FakeRecords) *fakeOVH {
	f := &fakeOVH{z: z, mux: http.NewServeMux(), ahead: -time.Hour}
	const zones = "/1.0/domain/zone"
	zone := zones + "/" + z.Domain()
	f.mux.HandleFunc("GET "+zones, func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, []string{z.Domain()})
	})

	f.mux.HandleFunc("GET "+zone+"/record", func(w http.ResponseWriter, r *http.Request) {
		ids := []int{}
		for _, rec := range z.All() {
			q := r.URL.Query()
			sub := strings.TrimSuffix(z.Relative(rec.Name, ""), ".")
			if (!q.Has("subDomain") || strings.EqualFold(sub, q.Get("subDomain"))) &&
				(!q.Has("fieldType") || rec.Type == q.Get("fieldType")) {
				ids = append(ids, rec.ID)
			}
		}

		webtest.Answer(w, http.StatusOK, ids)
	})

	f.mux.HandleFunc("GET "+zone+"/record/{id}", func(w http.ResponseWriter, r *http.Request) {
		rec, ok := z.Get(r.PathValue("id"))
		if !ok {
			ovhRefuse(w, http.StatusNotFound, "This service does not exist")
			return
		}

		fieldType := rec.Type
		target := rec.Text
		ttl := rec.TTL

		if fieldType == "TXT" && strings.HasPrefix(webtest.BareText(target), "v=DMARC1") {
			fieldType = "DMARC"
			target = webtest.BareText(target)
		}

		if ttl == 3600 {
			ttl = 0 // the zone's
		}

		webtest.Answer(w, http.StatusOK, map[string]any{"id": rec.ID, "zone": z.Domain(),
			"subDomain": strings.TrimSuffix(z.Relative(rec.Name, ""), "."),
			"fieldType": fieldType, "target": target, "ttl": ttl})
	})

	f.mux.HandleFunc("POST "+zone+"/record", func(w http.ResponseWriter, r *http.Request) {
		f.Store(w, r, webtest.FakeRecord{})
	})

	f.mux.HandleFunc("PUT "+zone+"/record/{id}", func(w http.ResponseWriter, r *http.Request) {
		if rec, ok := z.Get(r.PathValue("id")); ok {
			f.Store(w, r, rec)
		} else {
			ovhRefuse(w, http.StatusNotFound, "This service does not exist")
		}
	})

	f.mux.HandleFunc("DELETE "+zone+"/record/{id}",
		func(w http.ResponseWriter, r *http.Request) {
			if !z.Drop(r.PathValue("id")) {
				ovhRefuse(w, http.StatusNotFound, "This service does not exist")
			}
		})

	f.mux.HandleFunc("POST "+zone+"/refresh", func(http.ResponseWriter, *http.Request) {
		f.refreshed.Add(1)
	})

	f.mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		ovhRefuse(w, http.StatusNotFound, "This service does not exist")
	})

	return f
}

func ovhRefuse(w http.ResponseWriter, status int, message string) {
	webtest.Answer(w, status, map[string]string{"class": "Client::Error", "message": message})
}

func (f *fakeOVH) Store(w http.ResponseWriter, r *http.Request, rec webtest.FakeRecord) {
	var body struct {
		FieldType, SubDomain, Target string
		TTL                          int
	}

	if !webtest.Decode(w, r, &body) {
		return
	}

	switch {
	case rec.ID != 0 && body.FieldType != "":
		ovhRefuse(w, http.StatusBadRequest, "Try to alter read-only properties: fieldType")
		return
	case body.TTL < 60:
		ovhRefuse(w, http.StatusBadRequest, "Invalid ttl, minimum is 60")
		return
	case rec.ID == 0:
		rec.Type = body.FieldType
	}

	rec.Name = mail.FQDN(strings.TrimPrefix(body.SubDomain+"."+f.z.Name, "."))
	rec.TTL = body.TTL
	rec.Text = body.Target
	id, why := f.z.Store(rec)

	if why != "" {
		ovhRefuse(w, http.StatusBadRequest, why)
		return
	}

	webtest.Answer(w, http.StatusOK, map[string]any{"id": id, "fieldType": rec.Type})
}

// ServeHTTP checks the signature.
func (f *fakeOVH) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now().Add(f.ahead)
	if r.URL.Path == "/1.0/auth/time" {
		webtest.Answer(w, http.StatusOK, now.Unix())
		return
	}

	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	at := r.Header.Get("X-Ovh-Timestamp")
	n, _ := strconv.ParseInt(at, 10, 64)
	url := "https://eu.api.ovh.com" + r.URL.RequestURI()
	sum := sha1.Sum([]byte(strings.Join([]string{"the-token", "the-token", r.Method, url,
		string(body), at}, "+")))

	switch {
	case r.Header.Get("X-Ovh-Application") != "application_key":
		ovhRefuse(w, http.StatusForbidden, "This application key is invalid")
	case r.Header.Get("X-Ovh-Consumer") != "the-token":
		ovhRefuse(w, http.StatusForbidden, "This credential does not exist")
	case now.Sub(time.Unix(n, 0)).Abs() > 30*time.Second:
		ovhRefuse(w, http.StatusBadRequest, "Query out of time")
	case r.Header.Get("X-Ovh-Signature") != fmt.Sprintf("$1$%x", sum):
		ovhRefuse(w, http.StatusBadRequest, "Invalid signature")
	default:
		f.mux.ServeHTTP(w, r)
	}
}

func TestOVH(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeRecords()
		h := webtest.RecordHarness(t, Provider(), z, newFakeOVH(z))
		h.LowTTL = 30
		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		newFakeOVH(webtest.NewFakeRecords())).Client(),
		"HTTP 403: This credential does not exist; the three keys must belong together")
}

// What is written is put into service once, whatever the number of records.
func TestOVHRefreshes(t *testing.T) {
	f := newFakeOVH(webtest.NewFakeRecords())
	z := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		providertest.NewGate(t, f).Client())

	if err := zonetest.ApplyAll(t, z, zonetest.Change{
		Key:    mail.DNSKey("a."+zonetest.Zone, "A"),
		Before: nil,
		After:  []string{"192.0.2.1 ttl 300", "192.0.2.2 ttl 300"},
	},
		zonetest.Change{
			Key:    mail.DNSKey("b."+zonetest.Zone, "A"),
			Before: nil,
			After:  []string{"192.0.2.1 ttl 300"},
		}); err != nil {
		t.Fatal(err)
	}

	if n := f.refreshed.Load(); n != 1 {
		t.Errorf("%d refreshes, want 1", n)
	}
}

// Delegations and wildcards are seen, though every name costs a request.
func TestOVHElsewhere(t *testing.T) {
	records := webtest.NewFakeRecords()
	records.Add(webtest.FakeRecord{
		RRset: record.RRset{
			Name: "child." + zonetest.Zone,
			Type: "NS",
		},
		Text: "ns1.provb.example.",
		TTL:  300,
	})

	records.Add(webtest.FakeRecord{
		RRset: record.RRset{
			Name: "*." + zonetest.Zone,
			Type: "A",
		},
		Text: "192.0.2.80",
		TTL:  300,
	})

	z := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		providertest.NewGate(t, newFakeOVH(records)).Client())

	wanted := []plan.Item{
		{Key: mail.DNSKey("www."+zonetest.Zone, "MX"), Lines: []string{"0 . ttl 300"}},
		{Key: mail.DNSKey("mail.child."+zonetest.Zone, "A"), Lines: []string{"192.0.2.1 ttl 300"}},
	}

	p, err := plan.Make(t.Context(), []plan.Party{{Target: mail.ZoneTarget(zonetest.Zone), Driver: z, Wanted: wanted}},
		plan.NewLedger("s"), time.Now())

	if err != nil {
		t.Fatal(err)
	}

	got := map[string]string{}
	for _, c := range p.Changes {
		got[c.Key.Name] = string(c.Action) + " " + strings.Join(c.After, ",")
		if c.Key == wanted[1].Key && c.Action == plan.Unreadable { // nobody answers for the child here
			got[c.Key.Name] = c.Reason[:strings.Index(c.Reason, ":")]
		}
	}

	want := map[string]string{
		"www.nomeazienda.it. A":        "create 192.0.2.80 ttl 300",
		"www.nomeazienda.it. MX":       "create 0 . ttl 300",
		"mail.child.nomeazienda.it. A": "mail.child.nomeazienda.it is in zone child.nomeazienda.it, which is delegated to ns1.provb.example",
	}

	if !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
