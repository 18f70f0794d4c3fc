package digitalocean

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

// fakeDigitalOcean answers as DigitalOcean's API is documented to: fields apart, targets with
// a final dot when written and without when listed, the zone's own name as "@", pages.
func fakeDigitalOcean(z *webtest.FakeRecords) http.Handler {
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, status int, id, message string) {
		webtest.Answer(w, status, map[string]string{"id": id, "message": message,
			"request_id": "4d9d8375"})
	}

	target := func(name string) string {
		if strings.EqualFold(name, z.Name) {
			return "@"
		}
		return webtest.WithoutDot(name)
	}

	shown := func(f webtest.FakeRecord) map[string]any {
		w := strings.Fields(f.Text)
		number := func(i int) int { n, _ := strconv.Atoi(w[i]); return n }
		out := map[string]any{"id": f.ID, "type": f.Type,
			"name": strings.TrimSuffix(z.Relative(f.Name, "@"), "."), "ttl": f.TTL,
			"data":     f.Text,
			"priority": nil, "port": nil, "weight": nil, "flags": nil, "tag": nil}

		switch f.Type {
		case "CNAME", "NS":
			out["data"] = target(f.Text)
		case "MX":
			out["priority"], out["data"] = number(0), target(w[1])
		case "SRV":
			out["priority"], out["weight"], out["port"], out["data"] = number(0), number(1), number(2), target(w[3])
		case "CAA":
			out["flags"], out["tag"], out["data"] = number(0), w[1], strings.Trim(w[2], `"`)
		case "TXT":
			out["data"] = webtest.BareText(f.Text)
		}

		return out
	}

	const domains = "/v2/domains"
	mux.HandleFunc("GET "+domains, func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, map[string]any{"domains": []any{map[string]any{"name": z.Domain(),
			"ttl": 1800}}, "links": map[string]any{}, "meta": map[string]int{"total": 1}})
	})

	records := domains + "/" + z.Domain() + "/records"
	mux.HandleFunc("GET "+records, func(w http.ResponseWriter, r *http.Request) {
		size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		size = min(max(size, 20), 200)
		page = max(page, 1)
		all := z.All()
		list := []any{}
		links := map[string]any{}
		from := min((page-1)*size, len(all))
		to := min(page*size, len(all))

		for _, f := range all[from:to] {
			list = append(list, shown(f))
		}

		if to < len(all) {
			links["pages"] = map[string]string{"next": "https://api.digitalocean.com" +
				records + "?page=" + strconv.Itoa(page+1),
				"last": "https://api.digitalocean.com" + records + "?page=99"}
		}

		webtest.Answer(w, http.StatusOK, map[string]any{"domain_records": list, "links": links,
			"meta": map[string]int{"total": len(all)}})
	})

	store := func(w http.ResponseWriter, r *http.Request, status int, rec webtest.FakeRecord) {
		var b struct {
			Type, Name, Data, Tag              string
			Priority, Port, Weight, Flags, TTL int
		}

		if !webtest.Decode(w, r, &b) {
			return
		}

		rec.RRset = record.RRset{
			Name: mail.FQDN(strings.TrimPrefix(b.Name+"."+z.Name, "@.")),
			Type: b.Type,
		}

		rec.TTL = b.TTL
		rec.Text = b.Data
		dotted := strings.HasSuffix(b.Data, ".")
		why := ""

		switch b.Type {
		case "MX":
			rec.Text = strconv.Itoa(b.Priority) + " " + b.Data
			if b.Data == "." {
				why = "Data needs to be a valid hostname"
			}
		case "SRV":
			rec.Text = strings.Join([]string{strconv.Itoa(b.Priority), strconv.Itoa(b.Weight),
				strconv.Itoa(b.Port), b.Data}, " ")
		case "CAA":
			rec.Text = strconv.Itoa(b.Flags) + " " + b.Tag + ` "` +
				strings.TrimSuffix(b.Data, ".") + `"`
		case "TXT":
			rec.Text = record.Quoted(b.Data)
			dotted = true
			if len(rec.Text) > 512 || strings.Contains(b.Data, `\`) {
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
			rec.ID, why = z.Store(rec)
		}

		if why != "" {
			refuse(w, http.StatusUnprocessableEntity, "unprocessable_entity", why)
			return
		}

		webtest.Answer(w, status, map[string]any{"domain_record": shown(rec)})
	}

	mux.HandleFunc("POST "+records, func(w http.ResponseWriter, r *http.Request) {
		store(w, r, http.StatusCreated, webtest.FakeRecord{})
	})

	mux.HandleFunc("PUT "+records+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if rec, ok := z.Get(r.PathValue("id")); ok {
			store(w, r, http.StatusOK, rec)
		} else {
			refuse(w, http.StatusNotFound, "not_found",
				"The resource you requested could not be found.")
		}
	})

	mux.HandleFunc("DELETE "+records+"/{id}", func(w http.ResponseWriter, r *http.Request) {
		if !z.Drop(r.PathValue("id")) {
			refuse(w, http.StatusNotFound, "not_found",
				"The resource you requested could not be found.")
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})

	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not_found",
			"The resource you requested could not be found.")
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
		z := webtest.NewFakeRecords()
		h := webtest.RecordHarness(t, Provider(), z, fakeDigitalOcean(z))
		h.LowTTL = 20
		h.Without = []string{"PTR", "TLSA"}
		h.Refused = func(text string) bool {
			return strings.Contains(text, `\`) || len(record.Quoted(text)) > 509
		}

		h.RefusedData = func(rrtype, data string) bool {
			return rrtype == "MX" && data == "0 ." ||
				rrtype == "CAA" && strings.ContainsAny(data, ";:")
		}

		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		fakeDigitalOcean(webtest.NewFakeRecords())).Client(),
		"HTTP 401: Unable to authenticate you; the token must be valid")
}

// Mail's own target is the zone itself, which is listed as "@".
func TestDigitalOceanApexTarget(t *testing.T) {
	z := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		providertest.NewGate(t, fakeDigitalOcean(webtest.NewFakeRecords())).Client())

	lines := []string{"10 nomeazienda.it. ttl 300"}
	if err := zonetest.ApplyAll(t, z, zonetest.Change{
		Key:    mail.DNSKey(zonetest.Zone, "MX"),
		Before: nil,
		After:  lines,
	}); err != nil {
		t.Error(err)
	}
}
