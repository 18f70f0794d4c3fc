// Package scaleway writes zones at Scaleway, through its API.
package scaleway

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const scalewayURL = "https://api.scaleway.com/domain/v2beta1"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "scaleway",
		Summary:     "zones at Scaleway Domains and DNS, through its API",
		NameServers: []string{"*.dom.scw.cloud"},
		Settings:    []zone.Setting{{Name: "secret_key", Required: true, Secret: true, Help: "secret key of an API key"}},
		Scopes:      "an API key with DomainsDNSFullAccess in the project that holds the zone",
		Limits: zone.Limits{MinTTL: time.Minute,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NS", "PTR",
				"SRV", "SSHFP", "SVCB", "TLSA", "TXT"}},
		Connect: openScaleway,
	}
}

// openScaleway speaks to the API itself: libdns/scaleway lists the first 20 records of a
// zone, does not look at its context, and asks for a zone to be made where there is none.
func openScaleway(o zone.Options) (zone.Backend, error) {
	const wrongKey = "the key must have DomainsDNSFullAccess in the project that holds the zone"
	web := webapi.New("scaleway", scalewayURL, o,
		webapi.KeyIn("X-Auth-Token", o.Setting("secret_key")), map[int]string{
			http.StatusUnauthorized: wrongKey,
			http.StatusForbidden:    wrongKey,
		})
	return &scalewayBackend{zone: o.Zone, web: web}, nil
}

// scalewayBackend removes and adds single records, all of a batch in one request. Its data
// is as in a zone file, the priority of MX and SRV in it and beside it.
type scalewayBackend struct {
	zone string // absolute
	web  webapi.API
	record.Spelling
}

type scalewayRecord struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name"` // relative; "" is the apex
	Type     string `json:"type"`
	TTL      int    `json:"ttl"`
	Priority int    `json:"priority"`
	Data     string `json:"data"`

	// Answers that depend on who asks. They can't be compared with what is wanted.
	GeoIP    any `json:"geo_ip_config,omitempty"`
	HTTP     any `json:"http_service_config,omitempty"`
	Weighted any `json:"weighted_config,omitempty"`
	View     any `json:"view_config,omitempty"`
}

func (s *scalewayBackend) path() string {
	return "/dns-zones/" + url.PathEscape(strings.TrimSuffix(s.zone, "."))
}

// List implements zone.Backend.
func (s *scalewayBackend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return s.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister.
func (s *scalewayBackend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	const size = 1000
	l := zone.NewListing()
	wanted := zone.Owners(sets, around...)

	for page, seen := 1, 0; ; page++ {
		var reply struct {
			Total   *int `json:"total_count"`
			Records []scalewayRecord
		}

		_, err := s.web.Call(ctx, http.MethodGet,
			fmt.Sprintf("%s/records?page=%d&page_size=%d", s.path(), page, size), nil, &reply)

		if webapi.RefusedWith(err, http.StatusNotFound) ||
			webapi.RefusedWith(err, http.StatusForbidden) {
			return zone.Listing{}, s.missing(ctx, err)
		}

		if err == nil && reply.Total == nil {
			err = errors.New("scaleway: a list that does not say how long it is: not the reply of this interface")
		}

		if err != nil {
			return zone.Listing{}, err
		}

		for _, r := range reply.Records {
			if set := (record.RRset{
				Name: record.Below(r.Name, s.zone),
				Type: r.Type,
			}); wanted[set.Name] {
				l.Add(s.listed(set, r))
			}
		}

		if seen += len(reply.Records); seen >= *reply.Total || len(reply.Records) == 0 {
			return l, nil
		}
	}
}

func (s *scalewayBackend) listed(set record.RRset, l scalewayRecord) record.Record {
	if set.Type == "MX" && !strings.Contains(l.Data, " ") {
		l.Data = fmt.Sprintf("%d %s", l.Priority, l.Data)
	}

	r := s.Record(set, l.TTL, 0, l.Data)
	r.ID = l.ID
	if l.GeoIP != nil || l.HTTP != nil || l.Weighted != nil || l.View != nil {
		r.Bad = errors.New("its answer depends on the client, as configured at Scaleway")
	}

	return r
}

// missing names the zone that was probably meant. The interface says of a zone of nobody's
// that it is forbidden.
func (s *scalewayBackend) missing(ctx context.Context, why error) error {
	var reply struct {
		Zones []struct{ Domain, Subdomain string } `json:"dns_zones"`
	}

	if _, err := s.web.Call(ctx, http.MethodGet, "/dns-zones?page_size=1000", nil,
		&reply); err != nil {
		return why
	}

	var known []string
	for _, z := range reply.Zones {
		name := record.Below(z.Subdomain, z.Domain)
		if name == s.zone {
			return why
		}
		known = append(known, name)
	}

	return webapi.NoZone("scaleway", "the project of this key", s.zone, known)
}

// Write sends one request. What goes is named by its id, so strangers' records stay.
func (s *scalewayBackend) Write(ctx context.Context, edits []zone.Edit) error {
	type ids struct {
		ID string `json:"id"`
	}

	var changes []map[string]any
	for _, e := range edits {
		gone, fresh := e.Split()
		for _, r := range gone {
			if r.ID == "" {
				return webapi.ErrNoID
			}
			changes = append(changes, map[string]any{"delete": ids{r.ID}})
		}

		var add []scalewayRecord
		for _, r := range fresh {
			body, err := s.body(r)
			if err != nil {
				return err
			}
			add = append(add, body)
		}

		if add != nil {
			changes = append(changes, map[string]any{"add": map[string]any{"records": add}})
		}
	}

	_, err := s.web.Call(ctx, http.MethodPatch, s.path()+"/records", map[string]any{
		"changes": changes, "return_all_records": false, "disallow_new_zone_creation": true,
	}, nil)

	return err
}

func (s *scalewayBackend) body(r record.Record) (scalewayRecord, error) {
	data, _, err := s.Spell(r)
	if err != nil {
		return scalewayRecord{}, err
	}

	name, err := record.Relative(r.Name, s.zone)
	out := scalewayRecord{
		Name: strings.TrimPrefix(name, "@"),
		Type: r.Type,
		TTL:  r.TTL,
		Data: data,
	}

	if r.Type == "MX" {
		_, err = fmt.Sscan(data, &out.Priority)
	}

	return out, err
}
