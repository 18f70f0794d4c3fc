// Package route53 writes hosted zones of Amazon Route 53, through its XML API.
package route53

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const route53URL = "https://route53.amazonaws.com/2013-04-01"

func Provider() zone.Provider {
	return zone.Provider{
		Name:    "route53",
		Summary: "hosted zones of Amazon Route 53",
		NameServers: []string{"*.awsdns-*.com", "*.awsdns-*.net", "*.awsdns-*.org",
			"*.awsdns-*.co.uk"},
		Settings: []zone.Setting{
			{Name: "access_key_id", Required: true, Help: "access key id (AKIA...)"},
			{Name: "secret_access_key", Required: true, Secret: true, Help: "its secret access key"},
			{Name: "session_token", Secret: true, Help: "session token, where the key is a temporary one"},
			{Name: "zone_id", Help: "id of the hosted zone, where several have its name"},
		},
		Scopes: "route53:ListHostedZonesByName and route53:ListHostedZones; route53:ListResourceRecordSets and route53:ChangeResourceRecordSets on the hosted zone",
		Limits: zone.Limits{OneTTL: true, MaxText: 4000,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS",
				"PTR", "SRV", "SSHFP", "SVCB", "TLSA", "TXT"}},
		Rate:    zone.Rate{Calls: 5, Per: time.Second}, // of an account
		Connect: openRoute53,
	}
}

// openRoute53 speaks to the API itself, with the signature of the vendor's SDK: libdns/route53
// overwrites aliases and weighted records, which it does not list, mistakes wildcards and text
// with quotes at its ends, gives up on a zone with one record that libdns can't parse, ends
// the program where the SDK's own config is broken, and brings all of the SDK along.
func openRoute53(o zone.Options) (zone.Backend, error) {
	signer := v4.NewSigner()
	key := aws.Credentials{
		AccessKeyID:     o.Setting("access_key_id"),
		SecretAccessKey: o.Setting("secret_access_key"),
		SessionToken:    o.Setting("session_token"),
	}

	auth := func(req *http.Request, payload []byte) error {
		sum := sha256.Sum256(payload)
		return signer.SignHTTP(req.Context(), key, req, fmt.Sprintf("%x", sum), "route53",
			"us-east-1", time.Now())
	}

	web := webapi.New("route53", route53URL, o, auth, map[int]string{
		http.StatusForbidden: "the key must be valid, the clock right, and its policy have the actions that mailpub providers route53 lists",
	})

	web.Codec = &route53Codec
	return &webapi.RRsetBackend{API: &route53API{
		name: o.Zone,
		id:   o.Setting("zone_id"),
		web:  web,
	}}, nil
}

// route53API is one hosted zone.
type route53API struct {
	name string // absolute
	id   string // once found
	web  webapi.API
}

// Call makes a request again where the interface asks for that: it says so with status 400.
func (r *route53API) Call(ctx context.Context, method, path string, body, result any) error {
	for try := 0; ; try++ {
		_, err := r.web.Call(ctx, method, path, body, result)
		if err == nil || try == 3 || !errContains(err, "Throttling",
			"PriorRequestNotComplete") {
			return err
		}
		if err := zone.Sleep(ctx, time.Second<<try); err != nil {
			return err
		}
	}
}

// errContains reports whether err is a refusal that has one of words in it.
func errContains(err error, words ...string) bool {
	if !webapi.RefusedWith(err, http.StatusBadRequest) {
		return false
	}

	for _, w := range words {
		if strings.Contains(err.Error(), w) {
			return true
		}
	}

	return false
}

// path finds the zone the first time. Of private zones, which the Internet does not see, there
// may be others of the same name.
func (r *route53API) path(ctx context.Context) (string, error) {
	if r.id == "" {
		var reply route53Zones
		if err := r.Call(ctx, http.MethodGet,
			"/hostedzonesbyname?dnsname="+url.QueryEscape(r.name), nil, &reply); err != nil {
			return "", err
		}

		var ids []string
		for _, z := range reply.Zones {
			if mail.FQDN(z.Name) == r.name && !z.Private {
				ids = append(ids, strings.TrimPrefix(z.ID, "/hostedzone/"))
			}
		}

		switch len(ids) {
		case 0:
			return "", r.missing(ctx)
		case 1:
			r.id = ids[0]
		default:
			return "", fmt.Errorf("route53: the account has %d public zones %s: give the one that the domain is delegated to as zone_id, of %s",
				len(ids), strings.TrimSuffix(r.name, "."), strings.Join(ids, ", "))
		}
	}

	return "/hostedzone/" + url.PathEscape(r.id) + "/rrset", nil
}

// missing names the zone that was probably meant.
func (r *route53API) missing(ctx context.Context) error {
	var reply route53Zones
	_ = r.Call(ctx, http.MethodGet, "/hostedzone", nil, &reply) // only to suggest one
	var known []string

	for _, z := range reply.Zones {
		if !z.Private {
			known = append(known, z.Name)
		}
	}

	return webapi.NoZone("route53", "the account of this key", r.name, known)
}

func (r *route53API) RRsets(ctx context.Context, _ []string) ([]webapi.Set, error) {
	path, err := r.path(ctx)
	if err != nil {
		return nil, err
	}

	var out []webapi.Set
	for from := (url.Values{}); ; {
		var reply route53List
		if err := r.Call(ctx, http.MethodGet, path+"?"+from.Encode(), nil, &reply); err != nil {
			return nil, err
		}

		for _, s := range reply.Sets {
			out = append(out, s.apiSet())
		}

		if !reply.Truncated {
			return out, nil
		}

		from = url.Values{"name": {reply.NextName}, "type": {reply.NextType}}
		if reply.NextID != "" {
			from.Set("identifier", reply.NextID)
		}
	}
}

// Of one request (Route 53's quotas): resource records, and octets of their values. Half of
// each, since that is counted in more than one way.
const (
	route53Records = 500
	route53Octets  = 16_000
)

// Put sends one batch, which is carried out whole or not at all, or a few where one would be
// too large. What was there is deleted to the letter and the new set created, so that the
// server itself refuses where somebody was faster; replacing it (UPSERT) would not.
func (r *route53API) Put(ctx context.Context, was, sets []webapi.Set) error {
	path, err := r.path(ctx)
	if err != nil {
		return err
	}

	var batch route53Batch
	records, octets := 0, 0
	send := func() error {
		if len(batch.Changes) == 0 {
			return nil
		}

		err := r.Call(ctx, http.MethodPost, path, batch, nil)
		if errContains(err, "but it already exists", "but it was not found",
			"do not match the current values") {
			err = fmt.Errorf("%w: a record was changed between reading and writing (%w)",
				plan.ErrStale, err)
		}

		batch.Changes = nil
		records = 0
		octets = 0

		return err
	}

	for i := range sets {
		var changes []route53Change
		for action, s := range map[string]webapi.Set{"DELETE": was[i], "CREATE": sets[i]} {
			if len(s.Values) > 0 {
				changes = append(changes, route53Change{action, newRoute53Set(s)})
			}
		}

		if len(changes) == 2 && changes[0].Action == "CREATE" {
			changes[0], changes[1] = changes[1], changes[0]
		}

		n, size := 0, 0
		for _, c := range changes {
			n += len(c.Set.Values)
			for _, v := range c.Set.Values {
				size += len(v.Value)
			}
		}

		if records+n > route53Records || octets+size > route53Octets {
			if err := send(); err != nil {
				return err
			}
		}

		batch.Changes = append(batch.Changes, changes...)
		records = records + n
		octets = octets + size
	}

	return send()
}
