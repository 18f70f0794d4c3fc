// Package digitalocean writes zones at DigitalOcean, through its SDK.
package digitalocean

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/digitalocean/godo"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

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

func openDigitalOcean(o zone.Options) (zone.Backend, error) {
	polite := webapi.NewClient("digitalocean", o)
	client := &http.Client{
		Transport: authTransport{polite,
			webapi.KeyIn("Authorization", "Bearer "+o.Setting("token"))},
		CheckRedirect: webapi.NoRedirect,
	}

	return webapi.RecordBackend{RecordAPI: &digitaloceanAPI{
		zone:    o.Zone,
		client:  godo.NewClient(client),
		timeout: 2 * time.Minute,
	}}, nil
}

// authTransport puts credentials into every request of an SDK's client.
type authTransport struct {
	next http.RoundTripper
	auth func(*http.Request, []byte) error
}

// RoundTrip implements http.RoundTripper.
func (k authTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	if err := k.auth(req, nil); err != nil {
		return nil, err
	}
	return k.next.RoundTrip(req)
}

// digitaloceanAPI is one domain at DigitalOcean.
type digitaloceanAPI struct {
	zone    string // absolute
	client  *godo.Client
	timeout time.Duration
}

func (d *digitaloceanAPI) Domain() string { return strings.TrimSuffix(d.zone, ".") }

// said turns an error of the SDK into one of this package: without the URL, and on one line.
func (d *digitaloceanAPI) said(err error) error {
	var refused *godo.ErrorResponse
	if !errors.As(err, &refused) {
		if err != nil {
			err = fmt.Errorf("digitalocean: %w", err)
		}
		return err
	}

	e := webapi.Error{
		API:    "digitalocean",
		Status: refused.Response.StatusCode,
		Text:   webapi.ReplyText([]byte(refused.Message)),
	}

	switch e.Status {
	case http.StatusUnauthorized:
		e.Hint = "the token must be valid"
	case http.StatusForbidden:
		e.Hint = "the token must have domain:read, domain:create, domain:update and domain:delete"
	}

	return e
}

func (d *digitaloceanAPI) Records(ctx context.Context, _ []string) ([]record.Record, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()

	var out []record.Record
	for page := 1; ; page++ {
		list, resp, err := d.client.Domains.Records(ctx, d.Domain(), &godo.ListOptions{
			Page:    page,
			PerPage: 200,
		})

		if err = d.said(err); webapi.RefusedWith(err, http.StatusNotFound) {
			return nil, d.missing(ctx, err)
		}
		if err != nil {
			return nil, err
		}

		for _, l := range list {
			out = append(out, d.listed(l))
		}

		if resp.Links == nil || resp.Links.IsLastPage() {
			return out, nil
		}
	}
}

// listed returns a record. Names come without their final dot, the zone's own as "@".
func (d *digitaloceanAPI) listed(l godo.DomainRecord) record.Record {
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

	r.ID = strconv.Itoa(l.ID)
	return r
}

// missing names the domain that was probably meant.
func (d *digitaloceanAPI) missing(ctx context.Context, why error) error {
	list, _, err := d.client.Domains.List(ctx, &godo.ListOptions{PerPage: 200})
	if err != nil {
		return why
	}

	var known []string
	for _, l := range list {
		known = append(known, l.Name)
	}

	return webapi.NoZone("digitalocean", "the account of this token", d.zone, known)
}

// body is the request for a record. The value of a CAA record is sent with a final dot,
// which it is then listed without.
func (d *digitaloceanAPI) body(r record.Record) (*godo.DomainRecordEditRequest, error) {
	name, err := record.Relative(r.Name, d.zone)
	if err != nil {
		return nil, err
	}

	out := &godo.DomainRecordEditRequest{
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
	return d.edit(ctx, r, func(ctx context.Context, body *godo.DomainRecordEditRequest) error {
		_, _, err := d.client.Domains.CreateRecord(ctx, d.Domain(), body)
		return err
	})
}

func (d *digitaloceanAPI) Replace(ctx context.Context, from, to record.Record) error {
	id, err := strconv.Atoi(from.ID)
	if err != nil {
		return err
	}

	return d.edit(ctx, to, func(ctx context.Context, body *godo.DomainRecordEditRequest) error {
		_, _, err := d.client.Domains.EditRecord(ctx, d.Domain(), id, body)
		return err
	})
}

func (d *digitaloceanAPI) edit(ctx context.Context, r record.Record, send func(context.Context, *godo.DomainRecordEditRequest) error) error {
	body, err := d.body(r)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	return d.said(send(ctx, body))
}

func (d *digitaloceanAPI) Remove(ctx context.Context, r record.Record) error {
	id, err := strconv.Atoi(r.ID)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()

	_, err = d.client.Domains.DeleteRecord(ctx, d.Domain(), id)
	if err = d.said(err); webapi.RefusedWith(err, http.StatusNotFound) {
		return nil
	}

	return err
}
