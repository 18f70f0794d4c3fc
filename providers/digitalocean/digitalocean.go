// Package digitalocean writes zones at DigitalOcean, through its API.
package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const digitaloceanURL = "https://api.digitalocean.com/v2"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "digitalocean",
		Summary:     "zones at DigitalOcean, through its API",
		NameServers: []string{"*.digitalocean.com"},
		Settings:    []zone.Setting{{Name: "token", Required: true, Secret: true, Help: "personal access token"}},
		Scopes:      "a token with domain:read, domain:create, domain:update and domain:delete",
		Limits: zone.Limits{
			MinTTL:     30 * time.Second,
			NoText:     `\`,
			MaxText:    509,
			NoNullMX:   true,
			NamesInCAA: true,
			Types:      []string{"A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"},
		},
		Connect: openDigitalOcean,
	}
}

// openDigitalOcean speaks to the API itself: the vendor's SDK has a client for every product, which made
// mailpub a megabyte larger.
func openDigitalOcean(o zone.Options) (zone.Backend, error) {
	web := webapi.New("digitalocean", digitaloceanURL, o,
		webapi.KeyIn("Authorization", "Bearer "+o.Setting("token")), map[int]string{
			http.StatusUnauthorized: "the token must be valid",
			http.StatusForbidden:    "the token must have domain:read, domain:create, domain:update and domain:delete",
		})
	return webapi.RecordBackend{RecordAPI: &digitaloceanAPI{zone: o.Zone, web: web}}, nil
}

// digitaloceanAPI is one domain at DigitalOcean.
type digitaloceanAPI struct {
	zone string // absolute
	web  webapi.API
}

// digitaloceanRecord is a record as the API lists and takes it. Numbers that a type does not have are null.
type digitaloceanRecord struct {
	ID       int64  `json:"id,omitempty"`
	Type     string `json:"type"`
	Name     string `json:"name"`
	Data     string `json:"data"`
	TTL      int    `json:"ttl"`
	Priority int    `json:"priority"`
	Weight   int    `json:"weight"`
	Port     int    `json:"port,omitempty"`
	Flags    int    `json:"flags"`
	Tag      string `json:"tag,omitempty"`
}

func (d *digitaloceanAPI) Domain() string { return strings.TrimSuffix(d.zone, ".") }

func (d *digitaloceanAPI) path() string {
	return "/domains/" + url.PathEscape(d.Domain()) + "/records"
}

func (d *digitaloceanAPI) Records(ctx context.Context, _ []string) ([]record.Record, error) {
	const size = 200
	var out []record.Record
	for page := 1; ; page++ {
		var reply struct {
			Records []digitaloceanRecord `json:"domain_records"`
			Meta    *struct{ Total int }
		}

		_, err := d.web.Call(ctx, http.MethodGet,
			fmt.Sprintf("%s?page=%d&per_page=%d", d.path(), page, size), nil, &reply)

		if webapi.RefusedWith(err, http.StatusNotFound) {
			return nil, d.missing(ctx, err)
		}

		if err == nil && reply.Meta == nil {
			err = errors.New("digitalocean: a list that does not say how long it is: not the reply of this interface")
		}

		if err != nil {
			return nil, err
		}

		for _, l := range reply.Records {
			out = append(out, d.listed(l))
		}

		if len(out) >= reply.Meta.Total || len(reply.Records) == 0 {
			return out, nil
		}
	}
}

// listed returns a record. Names come without their final dot, the zone's own as "@".
func (d *digitaloceanAPI) listed(l digitaloceanRecord) record.Record {
	data := l.Data
	target := mail.FQDN(l.Data)
	if l.Data == "@" {
		target = mail.FQDN(d.zone)
	}

	switch l.Type {
	case "TXT":
		data = record.Quoted(l.Data)
	case "CNAME", "NS":
		data = target
	case "MX":
		data = fmt.Sprintf("%d %s", l.Priority, target)
	case "SRV":
		data = fmt.Sprintf("%d %d %d %s", l.Priority, l.Weight, l.Port, target)
	case "CAA":
		data = fmt.Sprintf("%d %s %s", l.Flags, l.Tag, record.Quoted(l.Data))
	}

	r := record.Parse(record.RRset{
		Name: record.Below(l.Name, d.zone),
		Type: l.Type,
	}, l.TTL, data)

	r.ID = strconv.FormatInt(l.ID, 10)
	return r
}

// missing names the domain that was probably meant.
func (d *digitaloceanAPI) missing(ctx context.Context, why error) error {
	var reply struct{ Domains []struct{ Name string } }
	if _, err := d.web.Call(ctx, http.MethodGet, "/domains?per_page=200", nil,
		&reply); err != nil {
		return why
	}

	var known []string
	for _, l := range reply.Domains {
		known = append(known, l.Name)
	}

	return webapi.NoZone("digitalocean", "the account of this token", d.zone, known)
}

// body is the request for a record. The value of a CAA record is sent with a final dot,
// which it is then listed without.
func (d *digitaloceanAPI) body(r record.Record) (digitaloceanRecord, error) {
	name, err := record.Relative(r.Name, d.zone)
	if err != nil {
		return digitaloceanRecord{}, err
	}

	out := digitaloceanRecord{
		Type: r.Type,
		Name: name,
		TTL:  r.TTL,
		Data: r.Data,
	}

	switch r.Type {
	case "TXT":
		out.Data, err = mail.Text(r.Data)
	case "MX":
		_, err = fmt.Sscan(r.Data, &out.Priority, &out.Data)
	case "SRV":
		_, err = fmt.Sscan(r.Data, &out.Priority, &out.Weight, &out.Port, &out.Data)
	case "CAA":
		if _, err = fmt.Sscan(r.Data, &out.Flags, &out.Tag, &out.Data); err == nil {
			out.Data = strings.Trim(out.Data, `"`) + "."
		}
	}

	return out, err
}

func (d *digitaloceanAPI) Create(ctx context.Context, r record.Record) error {
	return d.send(ctx, http.MethodPost, d.path(), r)
}

func (d *digitaloceanAPI) Replace(ctx context.Context, from, to record.Record) error {
	return d.send(ctx, http.MethodPut, d.path()+"/"+url.PathEscape(from.ID), to)
}

func (d *digitaloceanAPI) send(ctx context.Context, method, path string, r record.Record) error {
	body, err := d.body(r)
	if err != nil {
		return err
	}
	_, err = d.web.Call(ctx, method, path, body, nil)
	return err
}

func (d *digitaloceanAPI) Remove(ctx context.Context, r record.Record) error {
	_, err := d.web.Call(ctx, http.MethodDelete, d.path()+"/"+url.PathEscape(r.ID), nil, nil)
	if webapi.RefusedWith(err, http.StatusNotFound) {
		return nil
	}

	return err
}
