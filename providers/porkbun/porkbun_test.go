package porkbun

import (
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webtest"
)

// fakePorkbun answers as Porkbun's API is documented to: names in full when listed and
// relative when written, numbers in quotes, text bare and without spaces at its ends.
func fakePorkbun(z *webtest.FakeRecords) http.Handler {
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, message string) {
		webtest.Answer(w, http.StatusBadRequest,
			map[string]string{"status": "ERROR", "message": message})
	}

	mux.HandleFunc("GET /api/json/v3/dns/retrieve/{domain}",
		func(w http.ResponseWriter, r *http.Request) {
			if r.PathValue("domain") != z.Domain() {
				refuse(w, "Invalid domain.")
				return
			}

			list := []any{}
			for _, f := range z.All() {
				if f.Type == "NS" && f.Name == z.Name {
					continue
				}

				prio, text := webtest.Apart(f.Type, webtest.WithoutDot(f.Text))
				if f.Type == "TXT" {
					text = webtest.BareText(f.Text)
				}

				list = append(list, map[string]any{"id": strconv.Itoa(f.ID),
					"name": strings.TrimSuffix(f.Name, "."), "type": f.Type,
					"content": text, "ttl": strconv.Itoa(f.TTL), "prio": strconv.Itoa(prio),
					"notes": ""})
			}

			webtest.Answer(w, http.StatusOK, map[string]any{"status": "SUCCESS",
				"cloudflare": "enabled", "records": list})
		})

	mux.HandleFunc("POST /api/json/v3/domain/listAll",
		func(w http.ResponseWriter, _ *http.Request) {
			webtest.Answer(w, http.StatusOK, map[string]any{"status": "SUCCESS",
				"domains": []any{map[string]any{"domain": z.Domain(), "status": "ACTIVE"}}})
		})

	write := func(w http.ResponseWriter, r *http.Request) {
		id, _ := strconv.Atoi(r.PathValue("id"))
		if _, ok := z.Get(r.PathValue("id")); id != 0 && !ok {
			refuse(w, "Invalid record ID.")
			return
		}

		var body struct{ Name, Type, Content, TTL, Prio string }
		if !webtest.Decode(w, r, &body) {
			return
		}

		ttl, err := strconv.Atoi(body.TTL)
		if err != nil || ttl < 600 {
			refuse(w, "Invalid TTL, the minimum is 600.")
			return
		}

		rec := webtest.FakeRecord{
			ID: id,
			RRset: record.RRset{
				Name: strings.TrimPrefix(body.Name+"."+z.Name, "."),
				Type: body.Type,
			},
			TTL:  ttl,
			Text: body.Content,
		}

		switch rec.Type {
		case "TXT":
			rec.Text = mail.TextData(strings.Trim(body.Content, " "))
			if text := strings.Trim(body.Content, " "); len(text) > 255 {
				rec.Text = record.Quoted(text)
			}
		case "MX", "SRV":
			rec.Text = body.Prio + " " + mail.FQDN(body.Content)
		case "CNAME", "NS":
			rec.Text = mail.FQDN(body.Content)
		}

		stored, why := z.Store(rec)
		if why != "" {
			refuse(w, "We were unable to create the DNS record: "+why)
			return
		}

		webtest.Answer(w, http.StatusOK, map[string]any{"status": "SUCCESS", "id": stored})
	}

	mux.HandleFunc("POST /api/json/v3/dns/create/{domain}", write)
	mux.HandleFunc("POST /api/json/v3/dns/edit/{domain}/{id}", write)
	mux.HandleFunc("POST /api/json/v3/dns/delete/{domain}/{id}",
		func(w http.ResponseWriter, r *http.Request) {
			if !z.Drop(r.PathValue("id")) {
				refuse(w, "Invalid record ID.")
				return
			}
			webtest.Answer(w, http.StatusOK, map[string]string{"status": "SUCCESS"})
		})

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-API-Key") != "the-token" ||
			r.Header.Get("X-Secret-API-Key") != "the-token" {
			refuse(w, "Invalid API key. (001)")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestPorkbun(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeRecords()
		h := webtest.RecordHarness(t, Provider(), z, fakePorkbun(z))
		h.LowTTL = 300
		h.Without = []string{"PTR"}
		h.Refused = func(text string) bool { return strings.Trim(text, " ") != text }
		h.Web.ReadOnly = func(r *http.Request) bool {
			return strings.HasSuffix(r.URL.Path, "/listAll")
		}

		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		fakePorkbun(webtest.NewFakeRecords())).Client(),
		"HTTP 400: Invalid API key. (001); the keys must be a pair, and API access")
}
