// Package desec writes zones at deSEC, through its API of RRsets.
package desec

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const desecURL = "https://desec.io/api/v1"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "desec",
		Summary:     "zones at deSEC (desec.io), through its API",
		NameServers: []string{"*.desec.io", "*.desec.org"},
		Settings:    []zone.Setting{{Name: "token", Required: true, Secret: true, Help: "API token"}},
		Scopes:      "a token that may write the zone's records; with token policies, one for the domain with write permission. No right to manage tokens",
		Limits:      zone.Limits{MinTTL: time.Hour, MaxTTL: 24 * time.Hour, OneTTL: true},
		Rate:        zone.Rate{Calls: 2000, Per: 24 * time.Hour}, // of a user
		Connect:     openDesec,
	}
}

// openDesec speaks to the API itself: libdns/desec lists no zone of over 500 RRsets, raises
// a short TTL without a word, gives up on a zone with text escaped in another way than
// its own, and takes no http.Client, so no deadline either.
func openDesec(o zone.Options) (zone.Backend, error) {
	web := webapi.New("desec", desecURL, o, webapi.KeyIn("Authorization",
		"Token "+o.Setting("token")), map[int]string{
		http.StatusUnauthorized: "the token must be valid, and used from an address that it allows",
		http.StatusForbidden:    "the token's policies must let it write the records of this domain",
	})
	return &webapi.RRsetBackend{API: &desecAPI{name: o.Zone, web: web}}, nil
}

// desecAPI is one domain at deSEC.
type desecAPI struct {
	name string // absolute
	web  webapi.API
}

type desecSet struct {
	Subname string   `json:"subname"`
	Type    string   `json:"type"`
	TTL     int      `json:"ttl"`
	Records []string `json:"records"`
}

func (d *desecAPI) path() string {
	return "/domains/" + url.PathEscape(strings.TrimSuffix(d.name, ".")) + "/rrsets/"
}

// RRsets lists all RRsets. Over 500 there are pages, and then a request without a cursor is
// refused; with an empty one it begins with the first page.
func (d *desecAPI) RRsets(ctx context.Context, _ []string) ([]webapi.Set, error) {
	var out []webapi.Set
	for query := "?cursor="; query != ""; {
		var page []desecSet
		header, err := d.web.Call(ctx, http.MethodGet, d.path()+query, nil, &page)
		if err != nil {
			if webapi.RefusedWith(err, http.StatusNotFound) {
				return nil, d.missing(ctx, err)
			}
			return nil, err
		}

		for _, s := range page {
			set := webapi.Set{
				RRset: record.RRset{
					Name: record.Below(s.Subname, d.name),
					Type: s.Type,
				},
				TTL: s.TTL,
			}

			for _, r := range s.Records {
				set.Values = append(set.Values, webapi.Value{Text: r})
			}

			out = append(out, set)
		}

		query, err = nextQuery(header)
		if err != nil {
			return nil, fmt.Errorf("desec: %w", err)
		}
	}

	return out, nil
}

// nextQuery returns the query of the next page, "" after the last (RFC 8288 section 3).
// Only the query is taken from the link: a token goes nowhere else.
func nextQuery(h http.Header) (string, error) {
	for _, line := range h.Values("Link") {
		for link := range strings.SplitSeq(line, ",") {
			target, params, ok := strings.Cut(strings.TrimSpace(link), ">")
			if !ok || !strings.Contains(params, `rel="next"`) {
				continue
			}

			u, err := url.Parse(strings.TrimPrefix(target, "<"))
			if err != nil || u.RawQuery == "" {
				return "", fmt.Errorf("the link to the next page makes no sense: %q", link)
			}

			return "?" + u.RawQuery, nil
		}
	}

	return "", nil
}

// missing names the domain that was probably meant.
func (d *desecAPI) missing(ctx context.Context, why error) error {
	var domains []webapi.ZoneRef
	if _, err := d.web.Call(ctx, http.MethodGet, "/domains/?cursor=", nil,
		&domains); err != nil {
		return why
	}
	return webapi.NoZone("desec", "the account of this token", d.name,
		webapi.ZoneNames(domains))
}

// Put is one bulk request, which is carried out whole or not at all. An RRset without
// records is one that is taken away.
func (d *desecAPI) Put(ctx context.Context, _, sets []webapi.Set) error {
	var body []desecSet
	for _, s := range sets {
		name, err := record.Relative(s.Name, d.name)
		if err != nil {
			return err
		}

		out := desecSet{
			Subname: strings.TrimPrefix(name, "@"),
			Type:    s.Type,
			TTL:     s.TTL,
			Records: []string{},
		}

		for _, v := range s.Values {
			out.Records = append(out.Records, v.Text)
		}

		body = append(body, out)
	}

	_, err := d.web.Call(ctx, http.MethodPatch, d.path(), body, nil)
	return err
}
