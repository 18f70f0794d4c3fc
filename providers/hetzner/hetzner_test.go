package hetzner

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// fakeHetzner answers as Hetzner's Cloud API is documented to. A change of an MX is under way at
// first and done when it is asked after.
func fakeHetzner(z *webtest.FakeZone) http.Handler {
	domain := strings.TrimSuffix(z.Name, ".")
	zone := map[string]any{"id": 42, "name": domain, "mode": "primary", "ttl": 3600}
	mux := http.NewServeMux()
	refuse := func(w http.ResponseWriter, status int, code, message string) {
		webtest.Answer(w, status, map[string]any{"error": map[string]any{"code": code,
			"message": message}})
	}

	mux.HandleFunc("GET /v1/zones", func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, map[string]any{"zones": []any{zone}, "meta": nil})
	})

	mux.HandleFunc("GET /v1/zones/"+domain, func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, map[string]any{"zone": zone})
	})

	mux.HandleFunc("GET /v1/zones/"+domain+"/rrsets",
		func(w http.ResponseWriter, r *http.Request) {
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			size, _ := strconv.Atoi(r.URL.Query().Get("per_page"))
			all := z.All()
			next := any(page + 1)
			from := min((page-1)*size, len(all))
			to := min(page*size, len(all))

			if to == len(all) {
				next = nil
			}

			sets := []any{}
			for _, s := range all[from:to] {
				name, _ := record.Relative(s.Name, z.Name)
				records := []any{}
				for _, v := range s.Values {
					records = append(records, map[string]any{"value": v.Text, "comment": ""})
				}

				ttl := any(s.TTL)
				if s.Type == "NS" {
					ttl = nil // the zone's
				}

				sets = append(sets, map[string]any{"id": name + "/" + s.Type, "name": name,
					"type": s.Type, "ttl": ttl, "records": records, "zone": 42})
			}

			webtest.Answer(w, http.StatusOK, map[string]any{"rrsets": sets,
				"meta": map[string]any{"pagination": map[string]any{"page": page,
					"next_page": next}}})
		})

	mux.HandleFunc("GET /v1/actions/{id}", func(w http.ResponseWriter, _ *http.Request) {
		webtest.Answer(w, http.StatusOK, map[string]any{"action": map[string]any{"id": 7,
			"status": "success", "error": nil}})
	})

	mux.HandleFunc("POST /v1/zones/"+domain+"/rrsets/{name}/{type}/actions/{action}",
		func(w http.ResponseWriter, r *http.Request) {
			var body struct {
				Records []hetznerRecord
				TTL     *int
			}

			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				refuse(w, http.StatusBadRequest, "json_error", "invalid JSON")
				return
			}

			set := record.RRset{Name: z.Name, Type: r.PathValue("type")}
			if n := r.PathValue("name"); n != "@" {
				set.Name = mail.FQDN(n + "." + z.Name)
			}

			z.Mu.Lock()
			defer z.Mu.Unlock()

			is := webapi.Find(z.Sets, set)
			values := webtest.Spelt(is.Values)
			ttl := is.TTL

			switch r.PathValue("action") {
			case "add_records":
				if len(values) > 0 && body.TTL != nil && *body.TTL != ttl {
					refuse(w, http.StatusUnprocessableEntity, "invalid_input",
						"TTL does not match the RRSet's")
					return
				}

				if body.TTL != nil {
					ttl = *body.TTL
				}

				for _, rec := range body.Records {
					values = append(values, rec.Value)
				}
			case "remove_records":
				for _, rec := range body.Records {
					i := slices.Index(values, rec.Value)
					if i < 0 {
						refuse(w, http.StatusNotFound, "not_found", "record not found")
						return
					}
					values = slices.Delete(values, i, i+1)
				}
			case "change_ttl":
				ttl = *body.TTL
			}

			if ttl < 60 && len(values) > 0 {
				refuse(w, http.StatusUnprocessableEntity, "invalid_input",
					"ttl: must be at least 60")
				return
			}

			if why := z.Refuse(set, values); why != "" {
				refuse(w, http.StatusUnprocessableEntity, "invalid_input", why)
				return
			}

			z.Locked(set, ttl, values...)
			status := "success"
			if set.Type == "MX" {
				status = "running"
			}

			webtest.Answer(w, http.StatusCreated,
				map[string]any{"action": map[string]any{"id": 7, "status": status,
					"error": nil}})
		})

	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		refuse(w, http.StatusNotFound, "not_found", "not found")
	})

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer the-token" {
			refuse(w, http.StatusUnauthorized, "unauthorized", "unable to authenticate")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestHetzner(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeZone()
		h := webtest.WebHarness(t, Provider(), z, fakeHetzner(z))
		h.LowTTL = 30
		h.Between = func(_ *testing.T, intrude func()) {
			h.Web.BeforeNth(1, h.Web.Writes, intrude)
		}
		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		fakeHetzner(webtest.NewFakeZone())).Client(),
		"HTTP 401: unable to authenticate; the token must be one of")
}

// A change that fails after it was accepted is told with its reason.
func TestHetznerActionFails(t *testing.T) {
	z := webtest.NewFakeZone()
	gate := providertest.NewGate(t, fakeHetzner(z))
	var once sync.Once
	gate.Intercept(func(w http.ResponseWriter, r *http.Request) (answered bool) {
		if gate.Writes(r) {
			once.Do(func() {
				answered = true
				webtest.Answer(w, http.StatusCreated,
					map[string]any{"action": map[string]any{"id": 7, "status": "error",
						"error": map[string]any{"message": "zone is broken"}}})
			})
		}

		return answered
	})

	err := zonetest.ApplyAll(t, webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token",
		gate.Client()),
		zonetest.Change{
			Key:    mail.DNSKey("x."+zonetest.Zone, "A"),
			Before: nil,
			After:  []string{"192.0.2.1 ttl 300"},
		})

	if err == nil || !strings.Contains(err.Error(), "zone is broken") {
		t.Error(err)
	}
}
