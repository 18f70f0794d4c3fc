package providers

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/mail"
)

const porkbunURL = "https://api.porkbun.com/api/json/v3"

func porkbunProvider() Provider {
	return Provider{
		Name:        "porkbun",
		Summary:     "zones at Porkbun, through its API",
		NameServers: []string{"*.porkbun.com"},
		Settings: []Setting{
			{Name: "api_key", Required: true, Secret: true, Help: "API key (pk1_...)"},
			{Name: "secret_api_key", Required: true, Secret: true, Help: "secret API key (sk1_...)"},
		},
		Scopes: "an API key of the account, and API access switched on for the domain (Domain Management, Details, API Access)",
		Limits: Limits{MinTTL: 10 * time.Minute, Trims: true,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "SRV", "SSHFP", "SVCB", "TLSA", "TXT"}},
		open: openPorkbun,
	}
}

// openPorkbun speaks to the API itself: libdns/porkbun lists no MX, TLSA or NS records, sends
// no priority, deletes every record of a name and type, raises a short TTL without a
// word, and takes neither an http.Client nor a context.
func openPorkbun(o Options) (backend, error) {
	auth := keyIn("X-API-Key", o.setting("api_key"), "X-Secret-API-Key", o.setting("secret_api_key"))
	const wrongKey = "the keys must be a pair, and API access switched on for the domain"
	web := newWebAPI("porkbun", porkbunURL, o, auth, map[int]string{
		http.StatusBadRequest:   wrongKey,
		http.StatusUnauthorized: wrongKey,
		http.StatusForbidden:    wrongKey,
	})
	return recordBackend{&porkbunAPI{zone: o.Zone, web: web, spelling: spelling{priority: true, undotted: true, bare: true}}}, nil
}

// porkbunAPI is one domain at Porkbun.
type porkbunAPI struct {
	zone string // absolute
	web  webAPI
	spelling
}

// call makes one request. A refusal may come with status 200.
func (p *porkbunAPI) call(ctx context.Context, method, path string, body, result any) error {
	var reply struct {
		Status, Message string
		Records         []porkbunRecord
	}
	if _, err := p.web.call(ctx, method, path, body, &reply); err != nil {
		return err
	}
	if reply.Status != "SUCCESS" {
		return fmt.Errorf("porkbun: %s", oneLine(reply.Status+" "+reply.Message))
	}
	if out, ok := result.(*[]porkbunRecord); ok {
		*out = reply.Records
	}
	return nil
}

type porkbunRecord struct {
	ID, Name, Type, Content string
	TTL, Prio               number
}

func (p *porkbunAPI) domain() string { return url.PathEscape(strings.TrimSuffix(p.zone, ".")) }

// records lists the zone without its SOA and Porkbun's own NS records, which can't be
// edited.
func (p *porkbunAPI) records(ctx context.Context, _ []string) ([]record, error) {
	var list []porkbunRecord
	if err := p.call(ctx, http.MethodGet, "/dns/retrieve/"+p.domain(), nil, &list); err != nil {
		return nil, p.missing(ctx, err)
	}
	var out []record
	for _, l := range list {
		r := p.record(rrset{mail.FQDN(l.Name), l.Type}, int(l.TTL), int(l.Prio), l.Content)
		r.id = l.ID
		out = append(out, r)
	}
	return out, nil
}

// missing names the domain that was probably meant: the interface says of one that it does
// not know, as of one without API access, only that it is invalid.
func (p *porkbunAPI) missing(ctx context.Context, why error) error {
	if !refusedWith(why, http.StatusBadRequest) {
		return why
	}
	var reply struct{ Domains []struct{ Domain string } }
	if _, err := p.web.call(reading(ctx), http.MethodPost, "/domain/listAll", map[string]string{"start": "0"}, &reply); err != nil {
		return why
	}
	var known []string
	for _, d := range reply.Domains {
		if mail.FQDN(d.Domain) == p.zone {
			return why
		}
		known = append(known, d.Domain)
	}
	return noZone("porkbun", "the account of this key", p.zone, known)
}

// body is the request for a record. Notes that are left out stay as they are.
func (p *porkbunAPI) body(r record) (map[string]string, error) {
	data, priority, err := p.spell(r)
	if err != nil {
		return nil, err
	}
	name, err := relative(r.name, p.zone)
	return map[string]string{
		"name": strings.TrimPrefix(name, "@"), "type": r.rrtype, "content": data,
		"ttl": strconv.Itoa(r.ttl), "prio": strconv.Itoa(priority),
	}, err
}

func (p *porkbunAPI) create(ctx context.Context, r record) error { return p.send(ctx, "create", "", r) }

func (p *porkbunAPI) replace(ctx context.Context, from, to record) error {
	return p.send(ctx, "edit", "/"+url.PathEscape(from.id), to)
}

func (p *porkbunAPI) send(ctx context.Context, action, id string, r record) error {
	body, err := p.body(r)
	if err != nil {
		return err
	}
	return p.call(ctx, http.MethodPost, "/dns/"+action+"/"+p.domain()+id, body, nil)
}

func (p *porkbunAPI) remove(ctx context.Context, r record) error {
	return p.call(ctx, http.MethodPost, "/dns/delete/"+p.domain()+"/"+url.PathEscape(r.id), map[string]string{}, nil)
}
