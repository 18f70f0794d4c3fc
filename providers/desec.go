package providers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const desecURL = "https://desec.io/api/v1"

func desecProvider() Provider {
	return Provider{
		Name:        "desec",
		Summary:     "zones at deSEC (desec.io), through its API",
		NameServers: []string{"*.desec.io", "*.desec.org"},
		Settings:    []Setting{{Name: "token", Required: true, Secret: true, Help: "API token"}},
		Scopes:      "a token that may write the zone's records; with token policies, one for the domain with write permission. No right to manage tokens",
		Limits:      Limits{MinTTL: time.Hour, MaxTTL: 24 * time.Hour, OneTTL: true},
		open:        openDesec,
	}
}

// openDesec speaks to the API itself: libdns/desec lists no zone of over 500 RRsets, raises
// a short TTL without a word, gives up on a zone with text escaped in another way than
// its own, and takes no http.Client, so no deadline either.
func openDesec(o Options) (backend, error) {
	web := newWebAPI("desec", desecURL, o, keyIn("Authorization", "Token "+o.setting("token")), map[int]string{
		http.StatusUnauthorized: "the token must be valid, and used from an address that it allows",
		http.StatusForbidden:    "the token's policies must let it write the records of this domain",
	})
	return &rrsetBackend{api: &desecAPI{name: o.Zone, web: web}}, nil
}

// desecAPI is one domain at deSEC.
type desecAPI struct {
	name string // absolute
	web  webAPI
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

// zone lists all RRsets. Over 500 there are pages, and then a request without a cursor is
// refused; with an empty one it begins with the first page.
func (d *desecAPI) zone(ctx context.Context, _ []string) ([]apiSet, error) {
	var out []apiSet
	for query := "?cursor="; query != ""; {
		var page []desecSet
		header, err := d.web.call(ctx, http.MethodGet, d.path()+query, nil, &page)
		if err != nil {
			if refusedWith(err, http.StatusNotFound) {
				return nil, d.missing(ctx, err)
			}
			return nil, err
		}
		for _, s := range page {
			set := apiSet{rrset: rrset{below(s.Subname, d.name), s.Type}, ttl: s.TTL}
			for _, r := range s.Records {
				set.values = append(set.values, apiValue{text: r})
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
	var domains []named
	if _, err := d.web.call(ctx, http.MethodGet, "/domains/?cursor=", nil, &domains); err != nil {
		return why
	}
	return noZone("desec", "the account of this token", d.name, zoneNames(domains))
}

// put is one bulk request, which is carried out whole or not at all. An RRset without
// records is one that is taken away.
func (d *desecAPI) put(ctx context.Context, _, sets []apiSet) error {
	var body []desecSet
	for _, s := range sets {
		name, err := relative(s.name, d.name)
		if err != nil {
			return err
		}
		out := desecSet{Subname: strings.TrimPrefix(name, "@"), Type: s.rrtype, TTL: s.ttl, Records: []string{}}
		for _, v := range s.values {
			out.Records = append(out.Records, v.text)
		}
		body = append(body, out)
	}
	_, err := d.web.call(ctx, http.MethodPatch, d.path(), body, nil)
	return err
}
