package providers

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
)

// fakeIONOS answers as the DNS API of IONOS' web hosting is documented to: names in full,
// priorities apart, text in quotes, errors in a list.
func fakeIONOS(z *fakeRecords) http.Handler {
	const zoneID = "11af3414-ebba-11e9-8df5-66fbe8a334b4"
	zone := map[string]any{"id": zoneID, "name": z.domain(), "type": "NATIVE"}
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, status int, code, message string) {
		answer(w, status, []any{map[string]string{"code": code, "message": message}})
	}
	shown := func(f fakeRecord) map[string]any {
		prio, text := apart(f.rrtype, withoutDot(f.text))
		return map[string]any{"id": strconv.Itoa(f.id), "name": strings.TrimSuffix(f.name, "."), "rootName": z.domain(), "type": f.rrtype,
			"content": text, "ttl": f.ttl, "prio": prio, "disabled": false, "changeDate": "2026-11-24T10:00:00.000Z"}
	}
	mux.HandleFunc("GET /dns/v1/zones", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, []any{zone}) })
	mux.HandleFunc("GET /dns/v1/zones/"+zoneID, func(w http.ResponseWriter, _ *http.Request) {
		off := map[string]any{"id": "7", "name": "off." + z.domain(), "type": "A", "content": "192.0.2.7", "ttl": 60, "disabled": true}
		list := []any{off}
		for _, f := range z.all() {
			list = append(list, shown(f))
		}
		answer(w, http.StatusOK, map[string]any{"id": zoneID, "name": z.domain(), "type": "NATIVE", "records": list})
	})
	type body struct {
		Name, Type, Content string
		TTL, Prio           int
		Disabled            bool
	}
	store := func(w http.ResponseWriter, rec fakeRecord, b body) bool {
		rec.ttl, rec.text = b.TTL, b.Content
		switch rec.rrtype {
		case "MX", "SRV":
			rec.text = strconv.Itoa(b.Prio) + " " + mail.FQDN(b.Content)
		case "CNAME", "NS":
			rec.text = mail.FQDN(b.Content)
		}
		if b.TTL < 60 {
			refuse(w, http.StatusBadRequest, "INVALID_DATA", "The ttl is invalid: minimum 60")
			return false
		}
		if _, why := z.store(rec); why != "" {
			refuse(w, http.StatusBadRequest, "INVALID_RECORD", why)
			return false
		}
		return true
	}
	mux.HandleFunc("POST /dns/v1/zones/"+zoneID+"/records", func(w http.ResponseWriter, r *http.Request) {
		var list []body
		if !decode(w, r, &list) {
			return
		}
		for _, b := range list {
			if !store(w, fakeRecord{rrset: rrset{b.Name + ".", b.Type}}, b) {
				return
			}
		}
		answer(w, http.StatusCreated, []any{})
	})
	mux.HandleFunc("PUT /dns/v1/zones/"+zoneID+"/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		var b body
		rec, ok := z.get(r.PathValue("id"))
		if !ok {
			refuse(w, http.StatusNotFound, "RECORD_NOT_FOUND", "Record does not exist.")
		} else if decode(w, r, &b) && store(w, rec, b) {
			answer(w, http.StatusOK, nil)
		}
	})
	mux.HandleFunc("DELETE /dns/v1/zones/"+zoneID+"/records/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !z.drop(r.PathValue("id")) {
			refuse(w, http.StatusNotFound, "RECORD_NOT_FOUND", "Record does not exist.")
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "the-token" {
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "The customer is not authorized to do this operation.")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestIONOS(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := newFakeRecords()
		h := recordHarness(t, ionosProvider(), z, fakeIONOS(z))
		h.LowTTL, h.Without = 30, []string{"PTR"}
		return h
	})
	wrongAccess(t, ionosProvider(), providertest.NewGate(t, fakeIONOS(newFakeRecords())).Client(),
		"HTTP 401: The customer is not authorized to do this operation.; the key must be PREFIX.SECRET")
}

// A record that is switched off does not stand in the way of one that is served.
func TestIONOSDisabled(t *testing.T) {
	z := newFakeRecords()
	d := openWeb(t, ionosProvider(), testZone, "the-token", providertest.NewGate(t, fakeIONOS(z)).Client())
	if err := applyAll(t, d, change{mail.DNSKey("off."+testZone, "A"), nil, []string{"192.0.2.1 ttl 300"}}); err != nil {
		t.Error(err)
	}
}
