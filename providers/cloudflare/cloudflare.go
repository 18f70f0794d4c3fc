// Package cloudflare writes zones at Cloudflare, through its API and in part through libdns. It is the
// only one that knows the proxy.
package cloudflare

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/libdns/cloudflare"
	"github.com/libdns/libdns"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "cloudflare",
		Summary:     "zones at Cloudflare, through its API",
		NameServers: []string{"*.ns.cloudflare.com"},
		Settings: []zone.Setting{
			{Name: "token", Required: true, Secret: true, Help: "API token (not the global API key)"},
			{Name: "zone_token", Secret: true, Help: "token to find the zone with, where token itself may not"},
		},
		Scopes: "Zone:Read and DNS:Edit for the zone; with zone_token, that one needs Zone:Read and token DNS:Edit",
		Limits: zone.Limits{
			MinTTL:  time.Minute,
			MaxTTL:  24 * time.Hour,
			AutoTTL: 1,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SRV", "TLSA",
				"TXT"},
		},
		Rate:    zone.Rate{Calls: 1200, Per: 5 * time.Minute}, // of a user
		Connect: openCloudflare,
	}
}

func openCloudflare(o zone.Options) (zone.Backend, error) {
	polite := webapi.NewClient("cloudflare", o)
	zone := strings.TrimSuffix(o.Zone, ".") // as the API spells it
	c := &cloudflareClient{
		http:      polite,
		token:     o.Setting("token"),
		zoneToken: o.Setting("zone_token"),
		lib: &cloudflare.Provider{
			APIToken:   o.Setting("token"),
			ZoneToken:  o.Setting("zone_token"),
			HTTPClient: jsonOnly{polite},
		},
	}

	if c.zoneToken == "" {
		c.zoneToken = c.token
	}

	return &webapi.LibdnsBackend{Zone: zone, Client: c, Timeout: 2 * time.Minute}, nil
}

// cloudflareClient has the shape of a libdns provider. libdns/cloudflare makes the
// records that it makes right; the rest goes to the API directly, because libdns/cloudflare
// loses what it takes to do it safely: the ids of records, so that deleting one SRV
// record deletes two, or an MX of any preference; the proxied flag; preferences and
// weights of 0; the data of TLSA records; the pieces of long text.
type cloudflareClient struct {
	lib       *cloudflare.Provider
	http      *webapi.Client
	token     string
	zoneToken string
	id        string // of the zone, once found
}

// GetRecords lists the zone's records, each as a cloudflareRecord.
func (c *cloudflareClient) GetRecords(ctx context.Context, zone string) ([]libdns.Record, error) {
	path, err := c.Records(ctx, zone)
	if err != nil {
		return nil, err
	}

	const size = 100
	var out []libdns.Record
	seen := map[string]bool{}

	for page := 1; ; page++ {
		var recs []cloudflareRecord
		q := url.Values{"page": {strconv.Itoa(page)}, "per_page": {strconv.Itoa(size)}}
		pages, err := c.Call(ctx, http.MethodGet, path+"?"+q.Encode(), c.token, nil, &recs)
		if err != nil {
			return nil, err
		}

		for _, r := range recs {
			if !seen[r.ID] {
				seen[r.ID] = true
				out = append(out, r)
			}
		}

		// Not every reply says how many pages there are; a short one is the last.
		if len(recs) == 0 || pages > 0 && page >= pages || pages == 0 && len(recs) < size {
			return out, nil
		}
	}
}

// AppendRecords creates records, through libdns/cloudflare where that sends them right.
func (c *cloudflareClient) AppendRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, rec := range recs {
		if sentRight(rec) {
			if _, err := c.lib.AppendRecords(ctx, zone, []libdns.Record{rec}); err != nil {
				return nil, fmt.Errorf("cloudflare: %w", err)
			}
			continue
		}

		body, err := cloudflareBody(rec, zone)
		if err != nil {
			return nil, err
		}

		path, err := c.Records(ctx, zone)
		if err != nil {
			return nil, err
		}
		if _, err := c.Call(ctx, http.MethodPost, path, c.token, body, nil); err != nil {
			return nil, err
		}
	}

	return recs, nil
}

// sentRight reports whether libdns/cloudflare v0.2.2 puts all of the record into its
// request.
func sentRight(rec libdns.Record) bool {
	switch r := rec.(type) {
	case libdns.Address:
		return r.ProviderData == nil
	case libdns.MX:
		return r.Preference > 0 && r.Target != "." // 0 is left out
	case libdns.TXT:
		plain := func(c rune) bool { return ' ' <= c && c <= '~' && c != '"' }
		return len(r.Text) <= 255 && strings.TrimFunc(r.Text, plain) == "" &&
			!strings.Contains(r.Text, `"`)
	}

	return false
}

// DeleteRecords deletes the very records that GetRecords listed. One that is gone
// already is no error.
func (c *cloudflareClient) DeleteRecords(ctx context.Context, zone string, recs []libdns.Record) ([]libdns.Record, error) {
	for _, rec := range recs {
		path, err := c.Record(ctx, zone, rec)
		if err != nil {
			return nil, err
		}

		_, err = c.Call(ctx, http.MethodDelete, path, c.token, nil, nil)
		if e := (apiError{}); errors.As(err, &e) && e.status == http.StatusNotFound {
			err = nil
		}

		if err != nil {
			return nil, err
		}
	}

	return recs, nil
}

// ReplaceRecord turns a listed record into another of its type, keeping its id, its
// comment and its tags. This is also how a proxied record becomes an ordinary one.
func (c *cloudflareClient) ReplaceRecord(ctx context.Context, zone string, from, to libdns.Record) error {
	path, err := c.Record(ctx, zone, from)
	if err != nil {
		return err
	}

	body, err := cloudflareBody(to, zone)
	if err != nil {
		return err
	}

	_, err = c.Call(ctx, http.MethodPatch, path, c.token, body, nil)
	return err
}

func (c *cloudflareClient) Record(ctx context.Context, zone string, rec libdns.Record) (string, error) {
	listed, ok := rec.(cloudflareRecord)
	if !ok || listed.ID == "" {
		return "", errors.New("cloudflare: a record without an id cannot be distinguished from its neighbours")
	}
	path, err := c.Records(ctx, zone)
	return path + "/" + url.PathEscape(listed.ID), err
}

// Records returns the path of the zone's records, looking up the zone the first time.
func (c *cloudflareClient) Records(ctx context.Context, zone string) (string, error) {
	if c.id == "" {
		var zones []struct{ ID, Name string }
		q := url.Values{"name": {zone}}
		if _, err := c.Call(ctx, http.MethodGet, "/zones?"+q.Encode(), c.zoneToken, nil,
			&zones); err != nil {
			return "", err
		}
		if len(zones) != 1 || mail.FQDN(zones[0].Name) != mail.FQDN(zone) {
			return "", fmt.Errorf("cloudflare: the token sees %d zones named %q, want 1: check the name, and that the token's zone resources include it",
				len(zones), zone)
		}

		c.id = zones[0].ID
	}

	return "/zones/" + url.PathEscape(c.id) + "/dns_records", nil
}
