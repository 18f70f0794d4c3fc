// Package ionos writes zones at IONOS, through its hosting API.
package ionos

import (
	"context"
	"net/http"
	"net/url"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const ionosURL = "https://api.hosting.ionos.com/dns/v1"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "ionos",
		Summary:     "zones of IONOS web hosting, through its DNS API (not the Cloud DNS)",
		NameServers: []string{"*.ui-dns.com", "*.ui-dns.org", "*.ui-dns.de", "*.ui-dns.biz"},
		Settings: []zone.Setting{
			{Name: "api_key", Required: true, Secret: true, Help: "API key, as PREFIX.SECRET"},
		},
		Scopes: "an API key of the contract that holds the domain (developer.hosting.ionos.com)",
		Limits: zone.Limits{MinTTL: time.Minute,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NS", "SRV",
				"SSHFP", "SVCB", "TLSA", "TXT"}},
		Connect: openIONOS,
	}
}

// openIONOS speaks to the API itself: libdns/ionos sends no priority, deletes every record of a
// name and type, gives up on a zone with text quoted in another way than Go's, takes no
// http.Client, and says of a refusal only its status.
func openIONOS(o zone.Options) (zone.Backend, error) {
	const wrongKey = "the key must be PREFIX.SECRET, of the contract that holds the domain"
	web := webapi.New("ionos", ionosURL, o, webapi.KeyIn("X-API-Key", o.Setting("api_key")),
		map[int]string{
			http.StatusUnauthorized: wrongKey,
			http.StatusForbidden:    wrongKey,
		})

	return webapi.RecordBackend{RecordAPI: &ionosAPI{
		zone: o.Zone,
		web:  web,
		Spelling: record.Spelling{
			Priority: true,
			Undotted: true,
		},
	}}, nil
}

// ionosAPI is one zone at IONOS.
type ionosAPI struct {
	zone string // absolute
	web  webapi.API
	id   string // of the zone, once found
	record.Spelling
}

type ionosRecord struct {
	ID       string `json:"id,omitempty"`
	Name     string `json:"name,omitempty"`
	Type     string `json:"type,omitempty"`
	Content  string `json:"content"`
	TTL      int    `json:"ttl"`
	Prio     int    `json:"prio"`
	Disabled bool   `json:"disabled"`
}

// path returns the zone's, looking it up the first time.
func (i *ionosAPI) path(ctx context.Context) (string, error) {
	if i.id == "" {
		var zones []struct{ ID, Name string }
		if _, err := i.web.Call(ctx, http.MethodGet, "/zones", nil, &zones); err != nil {
			return "", err
		}

		var known []string
		for _, z := range zones {
			known = append(known, z.Name)
			if mail.FQDN(z.Name) == i.zone {
				i.id = z.ID
			}
		}

		if i.id == "" {
			return "", webapi.NoZone("ionos", "the contract of this key", i.zone, known)
		}
	}

	return "/zones/" + url.PathEscape(i.id), nil
}

// Records lists the zone. Records that are switched off are not served: they are left out,
// and stay.
func (i *ionosAPI) Records(ctx context.Context, _ []string) ([]record.Record, error) {
	path, err := i.path(ctx)
	if err != nil {
		return nil, err
	}

	var reply struct{ Records []ionosRecord }
	if _, err := i.web.Call(ctx, http.MethodGet, path, nil, &reply); err != nil {
		return nil, err
	}

	var out []record.Record
	for _, l := range reply.Records {
		if l.Disabled {
			continue
		}

		r := i.Record(record.RRset{
			Name: mail.FQDN(l.Name),
			Type: l.Type,
		}, l.TTL, l.Prio, l.Content)

		r.ID = l.ID
		out = append(out, r)
	}

	return out, nil
}

func (i *ionosAPI) Create(ctx context.Context, r record.Record) error {
	data, priority, err := i.Spell(r)
	if err != nil {
		return err
	}
	body := []ionosRecord{{Name: record.Undotted(r.Name), Type: r.Type, Content: data, TTL: r.TTL, Prio: priority}}
	return i.send(ctx, http.MethodPost, "/records", body)
}

func (i *ionosAPI) Replace(ctx context.Context, from, to record.Record) error {
	data, priority, err := i.Spell(to)
	if err != nil {
		return err
	}

	return i.send(ctx, http.MethodPut, "/records/"+url.PathEscape(from.ID), ionosRecord{
		Content: data,
		TTL:     to.TTL,
		Prio:    priority,
	})
}

func (i *ionosAPI) Remove(ctx context.Context, r record.Record) error {
	err := i.send(ctx, http.MethodDelete, "/records/"+url.PathEscape(r.ID), nil)
	if webapi.RefusedWith(err, http.StatusNotFound) {
		return nil
	}
	return err
}

func (i *ionosAPI) send(ctx context.Context, method, path string, body any) error {
	zone, err := i.path(ctx)
	if err == nil {
		_, err = i.web.Call(ctx, method, zone+path, body, nil)
	}
	return err
}
