package providers

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
)

// fakeDigitalOcean answers as DigitalOcean's API is documented to: fields apart, targets with
// a final dot when written and without when listed, the zone's own name as "@", pages.
func fakeDigitalOcean(z *fakeRecords) http.Handler {
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, status int, id, message string) {
		answer(w, status, map[string]string{"id": id, "message": message, "request_id": "4d9d8375"})
	}
	target := func(name string) string {
		if strings.EqualFold(name, z.name) {
			return "@"
		}
		return withoutDot(name)
	}
	shown := func(f fakeRecord) map[string]any {
		w := strings.Fields(f.text)
		number := func(i int) int { n, _ := strconv.Atoi(w[i]); return n }
		out := map[string]any{"id": f.id, "type": f.rrtype, "name": strings.TrimSuffix(z.relative(f.name, "@"), "."), "ttl": f.ttl, "data": f.text,
			"priority": nil, "port": nil, "weight": nil, "flags": nil, "tag": nil}
		switch f.rrtype {
		case "CNAME", "NS":
			out["data"] = target(f.text)
		case "MX":
			out["priority"], out["data"] = number(0), target(w[1])
		case "SRV":
			out["priority"], out["weight"], out["port"], out["data"] = number(0), number(1), number(2), target(w[3])
		case "CAA":
			out["flags"], out["tag"], out["data"] = number(0), w[1], strings.Trim(w[2], `"`)
		case "TXT":
			out["data"] = bareText(f.text)
		}
		return out
	}
	const domains = "/v2/domains"
	mux.HandleFunc("GET "+domains, func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"domains": []any{map[string]any{"name": z.domain(), "ttl": 1800}}, "links": map[string]any{}, "meta": map[string]int{"total": 1}})
	})
	records := domains + "/" + z.domain() + "/records"
	mux.HandleFunc("GET "+records, func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		size, page = min(max(size, 20), 200), max(page, 1)
		all, list, links := z.all(), []any{}, map[string]any{}
		from, to := min((page-1)*size, len(all)), min(page*size, len(all))
		for _, f := range all[from:to] {
			list = append(list, shown(f))
		}
		if to < len(all) {
			links["pages"] = map[string]string{"next": "https://api.digitalocean.com" + records + "?page=" + strconv.Itoa(page+1), "last": "https://api.digitalocean.com" + records + "?page=99"}
		}
		answer(w, http.StatusOK, map[string]any{"domain_records": list, "links": links, "meta": map[string]int{"total": len(all)}})
	})
	store := func(w http.ResponseWriter, r *http.Request, status int, rec fakeRecord) {
		var b struct {
			Type, Name, Data, Tag              string
			Priority, Port, Weight, Flags, TTL int
		}
		if !decode(w, r, &b) {
			return
		}
		rec.rrset, rec.ttl, rec.text = rrset{mail.FQDN(strings.TrimPrefix(b.Name+"."+z.name, "@.")), b.Type}, b.TTL, b.Data
		dotted := strings.HasSuffix(b.Data, ".")
		why := ""
		switch b.Type {
		case "MX":
			rec.text = strconv.Itoa(b.Priority) + " " + b.Data
			if b.Data == "." {
				why = "Data needs to be a valid hostname"
			}
		case "SRV":
			rec.text = strings.Join([]string{strconv.Itoa(b.Priority), strconv.Itoa(b.Weight), strconv.Itoa(b.Port), b.Data}, " ")
		case "CAA":
			rec.text = strconv.Itoa(b.Flags) + " " + b.Tag + ` "` + strings.TrimSuffix(b.Data, ".") + `"`
		case "TXT":
			rec.text, dotted = quoted(b.Data), true
			if len(rec.text) > 512 || strings.Contains(b.Data, `\`) {
				why = "Data is invalid"
			}
		case "A", "AAAA":
			dotted = true
		}
		switch {
		case !dotted:
			why = "Data needs to end with a dot (.)"
		case b.TTL < 30:
			why = "TTL must be at least 30"
		}
		if why == "" {
			rec.id, why = z.store(rec)
		}
		if why != "" {
			refuse(w, http.StatusUnprocessableEntity, "unprocessable_entity", why)
			return
		}
		answer(w, status, map[string]any{"domain_record": shown(rec)})
	}
	mux.HandleFunc("POST "+records, func(w http.ResponseWriter, r *http.Request) { store(w, r, http.StatusCreated, fakeRecord{}) })
	mux.HandleFunc("PUT "+records+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if rec, ok := z.get(r.PathValue("id")); ok {
			store(w, r, http.StatusOK, rec)
		} else {
			refuse(w, http.StatusNotFound, "not_found", "The resource you requested could not be found.")
		}
	})
	mux.HandleFunc("DELETE "+records+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !z.drop(r.PathValue("id")) {
			refuse(w, http.StatusNotFound, "not_found", "The resource you requested could not be found.")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not_found", "The resource you requested could not be found.")
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-token" {
			refuse(w, http.StatusUnauthorized, "unauthorized", "Unable to authenticate you")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestDigitalOcean(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := newFakeRecords()
		h := recordHarness(t, digitaloceanProvider(), z, fakeDigitalOcean(z))
		h.LowTTL, h.Without = 20, []string{"PTR", "TLSA"}
		h.Refused = func(text string) bool { return strings.Contains(text, `\`) || len(quoted(text)) > 509 }
		h.RefusedData = func(rrtype, data string) bool {
			return rrtype == "MX" && data == "0 ." || rrtype == "CAA" && strings.ContainsAny(data, ";:")
		}
		return h
	})
	wrongAccess(t, digitaloceanProvider(), providertest.NewGate(t, fakeDigitalOcean(newFakeRecords())).Client(),
		"HTTP 401: Unable to authenticate you; the token must be valid")
}

// Mail's own target is the zone itself, which is listed as "@".
func TestDigitalOceanApexTarget(t *testing.T) {
	z := openWeb(t, digitaloceanProvider(), testZone, "the-token", providertest.NewGate(t, fakeDigitalOcean(newFakeRecords())).Client())
	lines := []string{"10 nomeazienda.it. ttl 300"}
	if err := applyAll(t, z, change{mail.DNSKey(testZone, "MX"), nil, lines}); err != nil {
		t.Error(err)
	}
}
