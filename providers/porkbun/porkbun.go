// Package porkbun writes zones at Porkbun, through its API.
package porkbun

import (
	"context"
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

const porkbunURL = "https://api.porkbun.com/api/json/v3"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "porkbun",
		Summary:     "zones at Porkbun, through its API",
		NameServers: []string{"*.porkbun.com"},
		Settings: []zone.Setting{
			{Name: "api_key", Required: true, Secret: true, Help: "API key (pk1_...)"},
			{Name: "secret_api_key", Required: true, Secret: true, Help: "secret API key (sk1_...)"},
		},
		Scopes: "an API key of the account, and API access switched on for the domain (Domain Management, Details, API Access)",
		Limits: zone.Limits{MinTTL: 10 * time.Minute, Trims: true,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "SRV", "SSHFP",
				"SVCB", "TLSA", "TXT"}},
		Connect: openPorkbun,
	}
}

// openPorkbun speaks to the API itself: libdns/porkbun lists no MX, TLSA or NS records, sends
// no priority, deletes every record of a name and type, raises a short TTL without a
// word, and takes neither an http.Client nor a context.
func openPorkbun(o zone.Options) (zone.Backend, error) {
	auth := webapi.KeyIn("X-API-Key", o.Setting("api_key"), "X-Secret-API-Key",
		o.Setting("secret_api_key"))

	const wrongKey = "the keys must be a pair, and API access switched on for the domain"
	web := webapi.New("porkbun", porkbunURL, o, auth, map[int]string{
		http.StatusBadRequest:   wrongKey,
		http.StatusUnauthorized: wrongKey,
		http.StatusForbidden:    wrongKey,
	})

	return webapi.RecordBackend{RecordAPI: &porkbunAPI{
		zone: o.Zone,
		web:  web,
		Spelling: record.Spelling{
			Priority: true,
			Undotted: true,
			Bare:     true,
		},
	}}, nil
}

// porkbunAPI is one domain at Porkbun.
type porkbunAPI struct {
	zone string // absolute
	web  webapi.API
	record.Spelling
}

// Call makes one request. A refusal may come with status 200.
func (p *porkbunAPI) Call(ctx context.Context, method, path string, body, result any) error {
	var reply struct {
		Status, Message string
		Records         []porkbunRecord
	}

	if _, err := p.web.Call(ctx, method, path, body, &reply); err != nil {
		return err
	}
	if reply.Status != "SUCCESS" {
		return fmt.Errorf("porkbun: %s", webapi.OneLine(reply.Status+" "+reply.Message))
	}

	if out, ok := result.(*[]porkbunRecord); ok {
		*out = reply.Records
	}

	return nil
}

type porkbunRecord struct {
	ID, Name, Type, Content string
	TTL, Prio               webapi.JSONInt
}

func (p *porkbunAPI) Domain() string { return url.PathEscape(strings.TrimSuffix(p.zone, ".")) }

// Records lists the zone without its SOA and Porkbun's own NS records, which can't be
// edited.
func (p *porkbunAPI) Records(ctx context.Context, _ []string) ([]record.Record, error) {
	var list []porkbunRecord
	if err := p.Call(ctx, http.MethodGet, "/dns/retrieve/"+p.Domain(), nil, &list); err != nil {
		return nil, p.missing(ctx, err)
	}

	var out []record.Record
	for _, l := range list {
		r := p.Record(record.RRset{
			Name: mail.FQDN(l.Name),
			Type: l.Type,
		}, int(l.TTL), int(l.Prio), l.Content)
		r.ID = l.ID
		out = append(out, r)
	}

	return out, nil
}

// missing names the domain that was probably meant: the interface says of one that it does
// not know, as of one without API access, only that it is invalid.
func (p *porkbunAPI) missing(ctx context.Context, why error) error {
	if !webapi.RefusedWith(why, http.StatusBadRequest) {
		return why
	}

	var reply struct{ Domains []struct{ Domain string } }
	if _, err := p.web.Call(webapi.Reading(ctx), http.MethodPost, "/domain/listAll",
		map[string]string{"start": "0"}, &reply); err != nil {
		return why
	}

	var known []string
	for _, d := range reply.Domains {
		if mail.FQDN(d.Domain) == p.zone {
			return why
		}
		known = append(known, d.Domain)
	}

	return webapi.NoZone("porkbun", "the account of this key", p.zone, known)
}

// body is the request for a record. Notes that are left out stay as they are.
func (p *porkbunAPI) body(r record.Record) (map[string]string, error) {
	data, priority, err := p.Spell(r)
	if err != nil {
		return nil, err
	}

	name, err := record.Relative(r.Name, p.zone)
	return map[string]string{
		"name": strings.TrimPrefix(name, "@"), "type": r.Type, "content": data,
		"ttl": strconv.Itoa(r.TTL), "prio": strconv.Itoa(priority),
	}, err
}

func (p *porkbunAPI) Create(ctx context.Context, r record.Record) error {
	return p.send(ctx, "create", "", r)
}

func (p *porkbunAPI) Replace(ctx context.Context, from, to record.Record) error {
	return p.send(ctx, "edit", "/"+url.PathEscape(from.ID), to)
}

func (p *porkbunAPI) send(ctx context.Context, action, id string, r record.Record) error {
	body, err := p.body(r)
	if err != nil {
		return err
	}
	return p.Call(ctx, http.MethodPost, "/dns/"+action+"/"+p.Domain()+id, body, nil)
}

func (p *porkbunAPI) Remove(ctx context.Context, r record.Record) error {
	return p.Call(ctx, http.MethodPost, "/dns/delete/"+p.Domain()+"/"+url.PathEscape(r.ID),
		map[string]string{}, nil)
}
