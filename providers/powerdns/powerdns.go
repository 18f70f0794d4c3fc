// Package powerdns writes zones at a PowerDNS authoritative server, through its HTTP API.
package powerdns

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

func Provider() zone.Provider {
	return zone.Provider{
		Name:    "powerdns",
		Summary: "PowerDNS, through the HTTP API of the authoritative server",
		Settings: []zone.Setting{
			{Name: "url", Default: "http://127.0.0.1:8081", Help: "where the API listens; with https where it is not this machine"},
			{Name: "key", Required: true, Secret: true, Help: "the server's api-key"},
			{Name: "server_id", Default: "localhost", Help: "the server's name in the API"},
		},
		Scopes: "the api-key, which may do everything on the server; webserver-allow-from must include this machine",
		Limits: zone.Limits{OneTTL: true},
		Check: func(s map[string]string) (errs []zone.SettingError) {
			if v := s["url"]; v != "" {
				if u, err := url.Parse(v); err != nil ||
					u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
					errs = append(errs, zone.SettingError{
						Setting: "url",
						Problem: fmt.Sprintf("%q is no address of an API", v),
						Want:    `such as "http://127.0.0.1:8081"`,
					})
				}
			}

			return errs
		},
		Connect: openPowerDNS,
	}
}

func openPowerDNS(o zone.Options) (zone.Backend, error) {
	base := strings.TrimSuffix(o.Setting("url"), "/")
	web := webapi.New("powerdns", base, o, webapi.KeyIn("X-API-Key", o.Setting("key")),
		map[int]string{
			http.StatusUnauthorized: `setting "key" must be the server's api-key`,
			http.StatusForbidden:    "the server's webserver-allow-from must include this machine",
		})

	zones := "/api/v1/servers/" + url.PathEscape(o.Setting("server_id")) + "/zones"
	return &webapi.RRsetBackend{API: &powerdnsAPI{
		name:  o.Zone,
		zones: zones,
		web:   web,
		log:   o.Logger,
	}}, nil
}

// powerdnsAPI is one zone at PowerDNS. Comments and disabled records are strangers', and
// a PATCH without comments leaves those that are there.
type powerdnsAPI struct {
	name  string // of the zone
	zones string // path of the list of zones
	web   webapi.API
	log   *slog.Logger
	told  bool // about the serial
}

type powerdnsSet struct {
	Name       string           `json:"name"`
	Type       string           `json:"type"`
	ChangeType string           `json:"changetype,omitempty"`
	TTL        int              `json:"ttl"`
	Records    []powerdnsRecord `json:"records"`
}

type powerdnsRecord struct {
	Content  string `json:"content"`
	Disabled bool   `json:"disabled"`
}

// path is the zone's. The API spells the slash of RFC 2317 zones "=2F".
func (p *powerdnsAPI) path() string {
	return p.zones + "/" + url.PathEscape(strings.ReplaceAll(p.name, "/", "=2F"))
}

func (p *powerdnsAPI) RRsets(ctx context.Context, _ []string) ([]webapi.Set, error) {
	var reply struct {
		Kind       string
		SOAEditAPI string `json:"soa_edit_api"`
		RRsets     []powerdnsSet
	}

	if _, err := p.web.Call(ctx, http.MethodGet, p.path(), nil, &reply); err != nil {
		if webapi.RefusedWith(err, http.StatusNotFound) {
			return nil, p.missing(ctx, err)
		}
		return nil, err
	}

	switch strings.ToLower(reply.Kind) {
	case "slave", "secondary", "consumer":
		return nil, fmt.Errorf("powerdns: zone %s is a secondary there, so what is written does not last: give its primary server", p.name)
	}

	if reply.SOAEditAPI == "" && !p.told {
		p.told = true
		p.log.Warn("the zone's SOA-EDIT-API is not set: its serial does not count changes made here, and secondaries miss them",
			"zone", p.name)
	}

	var sets []webapi.Set
	for _, s := range reply.RRsets {
		set := webapi.Set{
			RRset: record.RRset{
				Name: mail.FQDN(s.Name),
				Type: s.Type,
			},
			TTL: s.TTL,
		}

		for _, r := range s.Records {
			set.Values = append(set.Values, webapi.Value{Text: r.Content, Disabled: r.Disabled})
		}

		sets = append(sets, set)
	}

	return sets, nil
}

// missing names the zone that was probably meant.
func (p *powerdnsAPI) missing(ctx context.Context, why error) error {
	var zones []webapi.ZoneRef
	if _, err := p.web.Call(ctx, http.MethodGet, p.zones, nil, &zones); err != nil {
		return fmt.Errorf("%w; check url and server_id", why)
	}
	return webapi.NoZone("powerdns", "the server", p.name, webapi.ZoneNames(zones))
}

// Put sends one PATCH, which is carried out whole or not at all.
func (p *powerdnsAPI) Put(ctx context.Context, _, sets []webapi.Set) error {
	var body struct {
		RRsets []powerdnsSet `json:"rrsets"`
	}

	for _, s := range sets {
		out := powerdnsSet{
			Name:       s.Name,
			Type:       s.Type,
			ChangeType: "REPLACE",
			TTL:        s.TTL,
			Records:    []powerdnsRecord{},
		}

		if len(s.Values) == 0 {
			out.ChangeType = "DELETE"
		}

		for _, v := range s.Values {
			out.Records = append(out.Records, powerdnsRecord{v.Text, v.Disabled})
		}

		body.RRsets = append(body.RRsets, out)
	}

	_, err := p.web.Call(ctx, http.MethodPatch, p.path(), body, nil)
	return err
}
