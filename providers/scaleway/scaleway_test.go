package scaleway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/providertest"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webtest"
	"github.com/mailpub/mailpub/providers/zonetest"
)

// fakeScaleway answers as Scaleway's Domains and DNS API is documented to: relative names, data
// as in a zone file, pages, and changes of which all are made or none.
func fakeScaleway(z *webtest.FakeRecords) http.Handler {
	mux := http.NewServeMux()
	const zones = "/domain/v2beta1/dns-zones"
	refuse := func(w http.ResponseWriter, status int, kind, message string) {
		webtest.Answer(w, status, map[string]string{"type": kind, "message": message})
	}

	mux.HandleFunc("GET "+zones, func(w http.ResponseWriter, _ *http.Request) {
		domain, sub, _ := strings.Cut(z.Domain(), "/")
		webtest.Answer(w, http.StatusOK, map[string]any{"total_count": 1,
			"dns_zones": []any{map[string]any{"domain": domain, "subdomain": sub}}})
	})

	mux.HandleFunc("GET "+zones+"/{zone}/records",
		func(w http.ResponseWriter, r *http.Request) {
			if r.PathValue("zone") != z.Domain() {
				refuse(w, http.StatusForbidden, "denied_authentication", "domain not found")
				return
			}

			size, _ := strconv.Atoi(r.URL.Query().Get("page_size"))
			page, _ := strconv.Atoi(r.URL.Query().Get("page"))
			all := z.All()
			list := []any{}
			from := min((page-1)*size, len(all))
			to := min(page*size, len(all))

			for _, f := range all[from:to] {
				prio, _ := webtest.Apart(f.Type, f.Text)
				list = append(list, map[string]any{"id": strconv.Itoa(f.ID),
					"name": strings.TrimSuffix(z.Relative(f.Name, ""), "."), "type": f.Type,
					"ttl": f.TTL, "priority": prio, "data": f.Text, "comment": nil})
			}

			webtest.Answer(w, http.StatusOK, map[string]any{"total_count": len(all),
				"records": list})
		})

	type change struct {
		Add *struct {
			Records []struct {
				Name, Type, Data string
				TTL, Priority    int
			}
		}
		Delete *struct{ ID string }
	}

	mux.HandleFunc("PATCH "+zones+"/{zone}/records",
		func(w http.ResponseWriter, r *http.Request) {
			var body struct {
				Changes  []change
				Disallow bool `json:"disallow_new_zone_creation"`
			}

			if !webtest.Decode(w, r, &body) {
				return
			}

			before := z.All()
			back := func(why string) {
				z.Mu.Lock()
				z.Recs = before
				z.Mu.Unlock()
				refuse(w, http.StatusBadRequest, "invalid_arguments", why)
			}

			if !body.Disallow {
				back("a zone could be made by this")
				return
			}

			for _, c := range body.Changes {
				if c.Delete != nil && !z.Drop(c.Delete.ID) {
					back("record not found")
					return
				}

				if c.Add == nil {
					continue
				}

				for _, b := range c.Add.Records {
					rec := webtest.FakeRecord{
						RRset: record.RRset{
							Name: mail.FQDN(strings.TrimPrefix(b.Name+"."+z.Name, ".")),
							Type: b.Type,
						},
						TTL:  b.TTL,
						Text: b.Data,
					}

					if b.TTL < 60 {
						back("ttl must be at least 60")
						return
					}

					if b.Type == "MX" && !strings.HasPrefix(b.Data,
						strconv.Itoa(b.Priority)+" ") {
						back("priority and data differ")
						return
					}

					if _, why := z.Store(rec); why != "" {
						back(why)
						return
					}
				}
			}

			webtest.Answer(w, http.StatusOK, map[string]any{"records": []any{}})
		})

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Auth-Token") != "the-token" {
			refuse(w, http.StatusUnauthorized, "denied_authentication",
				"authentication is denied")
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func TestScaleway(t *testing.T) {
	providertest.Run(t, func(t *testing.T) *providertest.Harness {
		z := webtest.NewFakeRecords()
		h := webtest.RecordHarness(t, Provider(), z, fakeScaleway(z))
		h.LowTTL = 30
		return h
	})

	webtest.WrongAccess(t, Provider(), providertest.NewGate(t,
		fakeScaleway(webtest.NewFakeRecords())).Client(),
		"HTTP 401: authentication is denied; the key must have DomainsDNSFullAccess")
}

// A record whose answer depends on who asks is neither compared nor written.
func TestScalewayGeoIP(t *testing.T) {
	gate := providertest.NewGate(t, fakeScaleway(webtest.NewFakeRecords()))
	gate.Intercept(func(w http.ResponseWriter, r *http.Request) bool {
		if gate.Reads(r) {
			webtest.Answer(w, http.StatusOK,
				map[string]any{"total_count": 1, "records": []any{map[string]any{"id": "1",
					"name": "mail", "type": "A", "ttl": 60,
					"data": "192.0.2.1", "geo_ip_config": map[string]any{"matches": []any{}}}}})
		}
		return gate.Reads(r)
	})

	d := webtest.OpenWeb(t, Provider(), zonetest.Zone, "the-token", gate.Client())
	items, err := d.Read(t.Context(), []plan.Key{mail.DNSKey("mail."+zonetest.Zone, "A")})
	if err != nil || len(items) != 1 || !strings.Contains(items[0].Unreadable,
		"depends on the client") {
		t.Errorf("%+v %v", items, err)
	}

	if err := zonetest.ApplyAll(t, d, zonetest.Change{
		Key:    mail.DNSKey("mail."+zonetest.Zone, "A"),
		Before: []string{"192.0.2.1 ttl 60"},
		After:  []string{"192.0.2.2 ttl 60"},
	}); err == nil {
		t.Error("it was written")
	}

	if slices.ContainsFunc(gate.Requests(), func(r string) bool {
		return strings.HasPrefix(r, "write: ")
	}) {
		t.Error("something was asked for")
	}
}
