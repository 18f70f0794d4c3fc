package ionos

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// fakeIONOS answers as the DNS API of IONOS' web hosting is documented to: names in full,
// priorities apart, text in quotes, errors in a list.
func fakeIONOS(z *webtest.FakeRecords) http.Handler {
	const zoneID = "11af3414-ebba-11e9-8df5-66fbe8a334b4"
	zone := map[string]any{"id": zoneID, "name": z.Domain(), "type": "NATIVE"}
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, status int, code, message string) {
		webtest.Answer(w, status, []any{map[string]string{"code": code, "message": message}})
	}

	shown := func(f webtest.FakeRecord) map[string]any {
		prio, text := webtest.Apart(f.Type, webtest.WithoutDot(f.Text))
		return map[string]any{"id": strconv.Itoa(f.ID),
			"name": strings.TrimSuffix(f.Name, "."), "rootName": z.Domain(), "type": f.Type,
			"content": text, "ttl": f.TTL, "prio": prio, "disabled": false,
			"changeDate": "2026-11-24T10:00:00.000Z"}
	}

	mux.HandleFunc("GET /dns/v1/zones", func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, []any{zone})
	})

	mux.HandleFunc("GET /dns/v1/zones/"+zoneID, func(w http.ResponseWriter, _ *http.Request) {
		off := map[string]any{"id": "7", "name": "off." + z.Domain(), "type": "A",
			"content": "192.0.2.7", "ttl": 60, "disabled": true}

		list := []any{off}
		for _, f := range z.All() {
			list = append(list, shown(f))
		}

		webtest.Answer(w, http.StatusOK, map[string]any{"id": zoneID, "name": z.Domain(),
			"type": "NATIVE", "records": list})
	})

	type body struct {
		Name, Type, Content string
		TTL, Prio           int
		Disabled            bool
	}

	store := func(w http.ResponseWriter, rec webtest.FakeRecord, b body) bool {
		rec.TTL = b.TTL
		rec.Text = b.Content
		switch rec.Type {
		case "MX", "SRV":
			rec.Text = strconv.Itoa(b.Prio) + " " + mail.FQDN(b.Content)
		case "CNAME", "NS":
			rec.Text = mail.FQDN(b.Content)
		}

		if b.TTL < 60 {
			refuse(w, http.StatusBadRequest, "INVALID_DATA", "The ttl is invalid: minimum 60")
			return false
		}

		if _, why := z.Store(rec); why != "" {
			refuse(w, http.StatusBadRequest, "INVALID_RECORD", why)
			return false
		}

		return true
	}

	mux.HandleFunc("POST /dns/v1/zones/"+zoneID+"/records",
		func(w http.ResponseWriter, r *http.Request) {
			var list []body
			if !webtest.Decode(w, r, &list) {
				return
			}

			for _, b := range list {
				if !store(w, webtest.FakeRecord{RRset: record.RRset{
					Name: b.Name + ".",
					Type: b.Type,
				}}, b) {
					return
				}
			}

			webtest.Answer(w, http.StatusCreated, []any{})
		})

	mux.HandleFunc("PUT /dns/v1/zones/"+zoneID+"/records/{id}",
		func(w http.ResponseWriter, r *http.Request) {
			var b body
			rec, ok := z.Get(r.PathValue("id"))
			if !ok {
				refuse(w, http.StatusNotFound, "RECORD_NOT_FOUND", "Record does not exist.")
			} else if webtest.Decode(w, r, &b) && store(w, rec, b) {
				webtest.Answer(w, http.StatusOK, nil)
			}
		})

	mux.HandleFunc("DELETE /dns/v1/zones/"+zoneID+"/records/{id}",
		func(w http.ResponseWriter, r *http.Request) {
			if !z.Drop(r.PathValue("id")) {
				refuse(w, http.StatusNotFound, "RECORD_NOT_FOUND", "Record does not exist.")
			}
		})

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "the-token" {
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED",
				"The customer is not authorized to do this operation.")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestIONOS(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeRecords()
		h := webtest.RecordHarness(t, Provider(), z, fakeIONOS(z))
		h.LowTTL = 30
		h.Without = []string{"PTR"}
		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		fakeIONOS(webtest.NewFakeRecords())).Client(),
		"HTTP 401: The customer is not authorized to do this operation.; the key must be PREFIX.SECRET")
}

// A record that is switched off does not stand in the way of one that is served.
func TestIONOSDisabled(t *testing.T) {
	z := webtest.NewFakeRecords()
	d := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		providertest.NewGate(t, fakeIONOS(z)).Client())

	if err := zonetest.ApplyAll(t, d, zonetest.Change{
		Key:    mail.DNSKey("off."+zonetest.Zone, "A"),
		Before: nil,
		After:  []string{"192.0.2.1 ttl 300"},
	}); err != nil {
		t.Error(err)
	}
}
