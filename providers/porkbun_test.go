package providers

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
)

// fakePorkbun answers as Porkbun's API is documented to: names in full when listed and
// relative when written, numbers in quotes, text bare and without spaces at its ends.
func fakePorkbun(z *fakeRecords) http.Handler {
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, message string) {
		answer(w, http.StatusBadRequest, map[string]string{"status": "ERROR", "message": message})
	}
	mux.HandleFunc("GET /api/json/v3/dns/retrieve/{domain}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("domain") != z.domain() {
			refuse(w, "Invalid domain.")
			return
		}
		list := []any{}
		for _, f := range z.all() {
			if f.rrtype == "NS" && f.name == z.name {
				continue
			}
			prio, text := apart(f.rrtype, withoutDot(f.text))
			if f.rrtype == "TXT" {
				text = bareText(f.text)
			}
			list = append(list, map[string]any{"id": strconv.Itoa(f.id), "name": strings.TrimSuffix(f.name, "."), "type": f.rrtype,
				"content": text, "ttl": strconv.Itoa(f.ttl), "prio": strconv.Itoa(prio), "notes": ""})
		}
		answer(w, http.StatusOK, map[string]any{"status": "SUCCESS", "cloudflare": "enabled", "records": list})
	})
	mux.HandleFunc("POST /api/json/v3/domain/listAll", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"status": "SUCCESS", "domains": []any{map[string]any{"domain": z.domain(), "status": "ACTIVE"}}})
	})
	write := func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		if _, ok := z.get(r.PathValue("id")); id != 0 && !ok {
			refuse(w, "Invalid record ID.")
			return
		}
		var body struct{ Name, Type, Content, TTL, Prio string }
		if !decode(w, r, &body) {
			return
		}
		ttl, err := strconv.Atoi(body.TTL)
		if err != nil || ttl < 600 {
			refuse(w, "Invalid TTL, the minimum is 600.")
			return
		}
		rec := fakeRecord{id: id, rrset: rrset{strings.TrimPrefix(body.Name+"."+z.name, "."), body.Type}, ttl: ttl, text: body.Content}
		switch rec.rrtype {
		case "TXT":
			rec.text = mail.TextData(strings.Trim(body.Content, " "))
			if text := strings.Trim(body.Content, " "); len(text) > 255 {
				rec.text = quoted(text)
			}
		case "MX", "SRV":
			rec.text = body.Prio + " " + mail.FQDN(body.Content)
		case "CNAME", "NS":
			rec.text = mail.FQDN(body.Content)
		}
		stored, why := z.store(rec)
		if why != "" {
			refuse(w, "We were unable to create the DNS record: "+why)
			return
		}
		answer(w, http.StatusOK, map[string]any{"status": "SUCCESS", "id": stored})
	}
	mux.HandleFunc("POST /api/json/v3/dns/create/{domain}", write)
	mux.HandleFunc("POST /api/json/v3/dns/edit/{domain}/{id}", write)
	mux.HandleFunc("POST /api/json/v3/dns/delete/{domain}/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !z.drop(r.PathValue("id")) {
			refuse(w, "Invalid record ID.")
			return
		}
		answer(w, http.StatusOK, map[string]string{"status": "SUCCESS"})
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "the-token" || r.Header.Get("X-Secret-API-Key") != "the-token" {
			refuse(w, "Invalid API key. (001)")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestPorkbun(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := newFakeRecords()
		h := recordHarness(t, porkbunProvider(), z, fakePorkbun(z))
		h.LowTTL, h.Without = 300, []string{"PTR"}
		h.Refused = func(text string) bool { return strings.Trim(text, " ") != text }
		h.Web.ReadOnly = func(r *http.Request) bool { return strings.HasSuffix(r.URL.Path, "/listAll") }
		return h
	})
	wrongAccess(t, porkbunProvider(), providertest.NewGate(t, fakePorkbun(newFakeRecords())).Client(), "HTTP 400: Invalid API key. (001); the keys must be a pair, and API access")
}
