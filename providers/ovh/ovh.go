// Package ovh writes zones at OVHcloud, through its API.
package ovh

import (
	"context"
	"crypto/sha1"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

func Provider() zone.Provider {
	endpoints := slices.Sorted(maps.Keys(ovhURLs()))
	return zone.Provider{
		Name:        "ovh",
		Summary:     "zones at OVHcloud, through its API",
		NameServers: []string{"*.ovh.net", "*.ovh.ca", "*.anycast.me"},
		Settings: []zone.Setting{
			{Name: "endpoint", Default: "ovh-eu", Help: "where the account is: " + strings.Join(endpoints, ", ")},
			{Name: "application_key", Required: true, Help: "application key"},
			{Name: "application_secret", Required: true, Secret: true, Help: "application secret"},
			{Name: "consumer_key", Required: true, Secret: true, Help: "consumer key"},
		},
		Scopes: "a consumer key with GET on /domain/zone and /domain/zone/*, GET, POST, PUT and DELETE on /domain/zone/ZONE/record*, and POST on /domain/zone/ZONE/refresh",
		Limits: zone.Limits{MinTTL: time.Minute,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SRV",
				"SSHFP", "SVCB", "TLSA", "TXT"}},
		Check: func(s map[string]string) (errs []zone.SettingError) {
			if e := s["endpoint"]; e != "" && !slices.Contains(endpoints, e) {
				errs = append(errs, zone.SettingError{
					Setting: "endpoint",
					Problem: fmt.Sprintf("unknown endpoint %q%s", e,
						zone.DidYouMean(e, endpoints)),
					Want: "one of " + strings.Join(endpoints, ", "),
				})
			}

			return errs
		},
		Connect: openOVH,
	}
}

func ovhURLs() map[string]string {
	return map[string]string{
		"ovh-eu": "https://eu.api.ovh.com/1.0",
		"ovh-ca": "https://ca.api.ovh.com/1.0",
		"ovh-us": "https://api.us.ovhcloud.com/1.0",
	}
}

// openOVH speaks to the API itself: libdns/ovh drops the quotes in text, raises a short TTL
// without a word, fetches every record of the zone in a request of its own, and takes no
// http.Client; the vendor's SDK reads settings from files that the config does not name.
func openOVH(o zone.Options) (zone.Backend, error) {
	base := ovhURLs()[o.Setting("endpoint")]
	v := &ovhAPI{zone: o.Zone, now: time.Now}
	auth := func(req *http.Request, payload []byte) error {
		at := strconv.FormatInt(v.now().Add(v.ahead).Unix(), 10)
		secret := o.Setting("application_secret")
		consumer := o.Setting("consumer_key")
		sum := sha1.Sum([]byte(strings.Join([]string{secret, consumer, req.Method,
			req.URL.String(), string(payload), at}, "+")))

		return webapi.KeyIn("X-Ovh-Application", o.Setting("application_key"),
			"X-Ovh-Consumer", consumer,
			"X-Ovh-Timestamp", at, "X-Ovh-Signature", fmt.Sprintf("$1$%x", sum))(req, payload)
	}

	const wrongKey = "the three keys must belong together, and the consumer key have the rights that mailpub providers ovh lists"
	v.web = webapi.New("ovh", base, o, auth, map[int]string{
		http.StatusUnauthorized: wrongKey,
		http.StatusForbidden:    wrongKey,
		http.StatusBadRequest:   "the three keys must belong together and to this endpoint",
	})

	return &ovhBackend{RecordBackend: webapi.RecordBackend{RecordAPI: v, PerName: true}}, nil
}

// ovhBackend puts what was written into service, with one call for all of it.
type ovhBackend struct{ webapi.RecordBackend }

func (b *ovhBackend) Write(ctx context.Context, edits []zone.Edit) error {
	v := b.RecordAPI.(*ovhAPI)
	err := b.RecordBackend.Write(ctx, edits)
	_, refreshed := v.web.Call(ctx, http.MethodPost, v.path()+"/refresh", nil, nil)
	if err == nil && refreshed != nil {
		err = fmt.Errorf("written, but not put into service: %w", refreshed)
	}
	return err
}

// ovhAPI is one zone at OVH.
type ovhAPI struct {
	zone  string // absolute
	web   webapi.API
	now   func() time.Time
	ahead time.Duration // of the API's clock, once known
	known bool
	record.Spelling
}

type ovhRecord struct {
	ID        int64  `json:"id,omitempty"`
	FieldType string `json:"fieldType,omitempty"`
	SubDomain string `json:"subDomain"`
	TTL       int    `json:"ttl"`
	Target    string `json:"target"`
}

func (v *ovhAPI) path() string {
	return "/domain/zone/" + url.PathEscape(strings.TrimSuffix(v.zone, "."))
}

// clock finds out how far the API's clock is from this one: it refuses what is signed at another
// time.
func (v *ovhAPI) clock(ctx context.Context) error {
	if v.known {
		return nil
	}

	open := v.web
	open.Auth = nil
	var at int64
	if _, err := open.Call(ctx, http.MethodGet, "/auth/time", nil, &at); err != nil {
		return err
	}

	v.ahead = time.Unix(at, 0).Sub(v.now()).Round(time.Second)
	v.known = true
	return nil
}

// ovhAtOnce is how many requests are under way at a time.
const ovhAtOnce = 5

// Records fetches the records of the given names, each in a request of its own: the
// interface has no other way.
func (v *ovhAPI) Records(ctx context.Context, names []string) ([]record.Record, error) {
	var queries []string
	for _, name := range names {
		sub, err := record.Relative(name, v.zone)
		if err != nil {
			return nil, err
		}
		queries = append(queries, "subDomain="+url.QueryEscape(strings.TrimPrefix(sub, "@")))
	}

	return v.found(ctx, queries)
}

// Cuts implements webapi.CutLister.
func (v *ovhAPI) Cuts(ctx context.Context) ([]record.Record, error) {
	return v.found(ctx, []string{"fieldType=NS", "fieldType=DNAME"})
}

// found fetches the records that some queries find.
func (v *ovhAPI) found(ctx context.Context, queries []string) ([]record.Record, error) {
	if err := v.clock(ctx); err != nil {
		return nil, err
	}

	paths, err := v.paths(ctx, queries)
	if webapi.RefusedWith(err, http.StatusNotFound) {
		return nil, v.missing(ctx, err)
	}
	if err != nil {
		return nil, err
	}

	var mu sync.Mutex
	var out []record.Record
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ovhAtOnce)

	for _, path := range paths {
		group.Go(func() error {
			var l ovhRecord
			_, err := v.web.Call(ctx, http.MethodGet, path, nil, &l)
			if webapi.RefusedWith(err, http.StatusNotFound) { // gone meanwhile
				return nil
			}
			if err != nil {
				return err
			}

			mu.Lock()
			defer mu.Unlock()

			out = append(out, v.listed(l))
			return nil
		})
	}

	err = group.Wait()
	return out, err
}

// paths asks for the ids of the records that some queries find, and returns the records' paths.
func (v *ovhAPI) paths(ctx context.Context, queries []string) ([]string, error) {
	var mu sync.Mutex
	var paths []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ovhAtOnce)

	for _, query := range queries {
		group.Go(func() error {
			var ids []int64
			if _, err := v.web.Call(ctx, http.MethodGet, v.path()+"/record?"+query, nil,
				&ids); err != nil {
				return err
			}

			mu.Lock()
			defer mu.Unlock()

			for _, id := range ids {
				paths = append(paths, fmt.Sprintf("%s/record/%d", v.path(), id))
			}

			return nil
		})
	}

	err := group.Wait()
	return paths, err
}

// listed returns a record. Mail's own text has types of its own here, that are TXT in DNS; a TTL of 0
// stands for the zone's, which is an hour.
func (v *ovhAPI) listed(l ovhRecord) record.Record {
	switch l.FieldType {
	case "SPF", "DKIM", "DMARC":
		l.FieldType = "TXT"
	}

	if l.TTL == 0 {
		l.TTL = 3600
	}

	r := v.Record(record.RRset{
		Name: record.Below(l.SubDomain, v.zone),
		Type: l.FieldType,
	}, l.TTL, 0, l.Target)

	r.ID = strconv.FormatInt(l.ID, 10)
	return r
}

// missing names the zone that was probably meant.
func (v *ovhAPI) missing(ctx context.Context, why error) error {
	var known []string
	if _, err := v.web.Call(ctx, http.MethodGet, "/domain/zone", nil, &known); err != nil {
		return why
	}
	return webapi.NoZone("ovh", "the account of these keys", v.zone, known)
}

func (v *ovhAPI) body(r record.Record) (ovhRecord, error) {
	data, _, err := v.Spell(r)
	if err != nil {
		return ovhRecord{}, err
	}
	name, err := record.Relative(r.Name, v.zone)
	return ovhRecord{SubDomain: strings.TrimPrefix(name, "@"), TTL: r.TTL, Target: data}, err
}

func (v *ovhAPI) Create(ctx context.Context, r record.Record) error {
	body, err := v.body(r)
	if err != nil {
		return err
	}
	body.FieldType = r.Type
	_, err = v.web.Call(ctx, http.MethodPost, v.path()+"/record", body, nil)
	return err
}

// Replace leaves out the type, which can't be changed and may be one of mail's own.
func (v *ovhAPI) Replace(ctx context.Context, from, to record.Record) error {
	body, err := v.body(to)
	if err != nil {
		return err
	}
	_, err = v.web.Call(ctx, http.MethodPut, v.path()+"/record/"+from.ID, body, nil)
	return err
}

func (v *ovhAPI) Remove(ctx context.Context, r record.Record) error {
	_, err := v.web.Call(ctx, http.MethodDelete, v.path()+"/record/"+r.ID, nil, nil)
	if webapi.RefusedWith(err, http.StatusNotFound) {
		return nil
	}
	return err
}
