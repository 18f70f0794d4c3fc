package desec

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webtest"
)

// fakeDesec answers as deSEC's API is documented to.
func fakeDesec(z *webtest.FakeZone) http.Handler {
	domain := strings.TrimSuffix(z.Name, ".")
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/v1/domains/{$}", func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, []any{map[string]any{"name": domain,
			"minimum_ttl": 3600}})
	})

	mux.HandleFunc("GET /api/v1/domains/"+domain+"/rrsets/{$}",
		func(w http.ResponseWriter, r *http.Request) {
			const size = 500
			all := z.All()
			if len(all) > size && !r.URL.Query().Has("cursor") {
				webtest.Answer(w, http.StatusBadRequest,
					map[string]string{"detail": "Pagination required."})
				return
			}

			from, _ := strconv.Atoi(r.URL.Query().Get("cursor"))
			to := min(from+size, len(all))
			if to < len(all) {
				here := "https://desec.io" + r.URL.Path
				w.Header().Set("Link", fmt.Sprintf(`<%s?cursor=>; rel="first", <%s?cursor=%d>; rel="next"`,
					here, here, to))
			}

			page := []desecSet{}
			for _, s := range all[from:to] {
				sub := strings.TrimSuffix(strings.TrimSuffix(s.Name, z.Name), ".")
				page = append(page, desecSet{sub, s.Type, s.TTL, webtest.Spelt(s.Values)})
			}

			webtest.Answer(w, http.StatusOK, page)
		})

	mux.HandleFunc("PATCH /api/v1/domains/"+domain+"/rrsets/{$}",
		func(w http.ResponseWriter, r *http.Request) {
			var sets []desecSet
			if err := json.NewDecoder(r.Body).Decode(&sets); err != nil {
				webtest.Answer(w, http.StatusBadRequest,
					map[string]string{"detail": "JSON parse error"})
				return
			}

			z.Mu.Lock()
			defer z.Mu.Unlock()

			for _, s := range sets {
				if s.TTL < 3600 && len(s.Records) > 0 {
					webtest.Answer(w, http.StatusBadRequest,
						[]any{map[string]any{"ttl": []string{"Ensure this value is greater than or equal to 3600."}}})
					return
				}

				if why := z.Refuse(desecName(z, s), s.Records); why != "" {
					webtest.Answer(w, http.StatusBadRequest,
						[]any{map[string]any{"non_field_errors": []string{why}}})
					return
				}
			}

			for _, s := range sets {
				z.Locked(desecName(z, s), s.TTL, s.Records...)
			}

			webtest.Answer(w, http.StatusOK, sets)
		})

	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusNotFound, map[string]string{"detail": "Not found."})
	})

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Token the-token" {
			webtest.Answer(w, http.StatusUnauthorized,
				map[string]string{"detail": "Invalid token."})
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func desecName(z *webtest.FakeZone, s desecSet) record.RRset {
	return record.RRset{
		Name: mail.FQDN(strings.TrimPrefix(s.Subname+"."+z.Name, ".")),
		Type: s.Type,
	}
}

func TestDesec(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeZone()
		h := webtest.WebHarness(t, Provider(), z, fakeDesec(z))
		h.LowTTL = 300
		h.Between = func(_ *testing.T, intrude func()) {
			h.Web.BeforeNth(2, h.Web.Reads, intrude)
		}
		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		fakeDesec(webtest.NewFakeZone())).Client(),
		"HTTP 401: Invalid token.; the token must be valid")
}

func TestNextQuery(t *testing.T) {
	tests := []struct{ link, want string }{
		{"", ""},
		{`<https://desec.io/api/v1/x/?cursor=>; rel="first"`, ""},
		{`<https://desec.io/api/v1/x/?cursor=>; rel="first", <https://desec.io/api/v1/x/?cursor=a%3D>; rel="next"`, "?cursor=a%3D"},
		{`<https://elsewhere.example/steal?cursor=2>; rel="next"`, "?cursor=2"},
		{`<https://desec.io/api/v1/x/>; rel="next"`, "error"},
	}

	for _, test := range tests {
		got, err := nextQuery(http.Header{"Link": {test.link}})
		if err != nil {
			got = "error"
		}
		if got != test.want {
			t.Errorf("%s: %q (%v), want %q", test.link, got, err, test.want)
		}
	}
}
