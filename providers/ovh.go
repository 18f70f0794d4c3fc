package providers

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
)

func ovhProvider() Provider {
	endpoints := slices.Sorted(maps.Keys(ovhURLs()))
	return Provider{
		Name:        "ovh",
		Summary:     "zones at OVHcloud, through its API",
		NameServers: []string{"*.ovh.net", "*.ovh.ca", "*.anycast.me"},
		Settings: []Setting{
			{Name: "endpoint", Default: "ovh-eu", Help: "where the account is: " + strings.Join(endpoints, ", ")},
			{Name: "application_key", Required: true, Help: "application key"},
			{Name: "application_secret", Required: true, Secret: true, Help: "application secret"},
			{Name: "consumer_key", Required: true, Secret: true, Help: "consumer key"},
		},
		Scopes: "a consumer key with GET on /domain/zone and /domain/zone/*, GET, POST, PUT and DELETE on /domain/zone/ZONE/record*, and POST on /domain/zone/ZONE/refresh",
		Limits: Limits{MinTTL: time.Minute,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SRV", "SSHFP", "SVCB", "TLSA", "TXT"}},
		check: func(s map[string]string) (errs []SettingError) {
			if e := s["endpoint"]; e != "" && !slices.Contains(endpoints, e) {
				errs = append(errs, SettingError{"endpoint", fmt.Sprintf("unknown endpoint %q%s", e, didYouMean(e, endpoints)),
					"one of " + strings.Join(endpoints, ", ")})
			}
			return errs
		},
		open: openOVH,
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
func openOVH(o Options) (backend, error) {
	base := ovhURLs()[o.setting("endpoint")]
	v := &ovhAPI{zone: o.Zone, now: time.Now}
	auth := func(req *http.Request, payload []byte) error {
		at := strconv.FormatInt(v.now().Add(v.ahead).Unix(), 10)
		secret, consumer := o.setting("application_secret"), o.setting("consumer_key")
		sum := sha1.Sum([]byte(strings.Join([]string{secret, consumer, req.Method, req.URL.String(), string(payload), at}, "+")))
		return keyIn("X-Ovh-Application", o.setting("application_key"), "X-Ovh-Consumer", consumer,
			"X-Ovh-Timestamp", at, "X-Ovh-Signature", fmt.Sprintf("$1$%x", sum))(req, payload)
	}
	const wrongKey = "the three keys must belong together, and the consumer key have the rights that mailpub providers ovh lists"
	v.web = newWebAPI("ovh", base, o, auth, map[int]string{
		http.StatusUnauthorized: wrongKey,
		http.StatusForbidden:    wrongKey,
		http.StatusBadRequest:   "the three keys must belong together and to this endpoint",
	})
	return &ovhBackend{recordBackend{v}}, nil
}

// ovhBackend puts what was written into service, with one call for all of it.
type ovhBackend struct{ recordBackend }

func (b *ovhBackend) write(ctx context.Context, edits []edit) error {
	v := b.recordAPI.(*ovhAPI)
	err := b.recordBackend.write(ctx, edits)
	_, refreshed := v.web.call(ctx, http.MethodPost, v.path()+"/refresh", nil, nil)
	if err == nil && refreshed != nil {
		err = fmt.Errorf("written, but not put into service: %w", refreshed)
	}
	return err
}

// ovhAPI is one zone at OVH.
type ovhAPI struct {
	zone  string // absolute
	web   webAPI
	now   func() time.Time
	ahead time.Duration // of the API's clock, once known
	known bool
	spelling
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
	open.auth = nil
	var at int64
	if _, err := open.call(ctx, http.MethodGet, "/auth/time", nil, &at); err != nil {
		return err
	}
	v.ahead, v.known = time.Unix(at, 0).Sub(v.now()).Round(time.Second), true
	return nil
}

// ovhAtOnce is how many requests are under way at a time.
const ovhAtOnce = 5

// records fetches the records of the given names, each in a request of its own: the
// interface has no other way.
func (v *ovhAPI) records(ctx context.Context, names []string) ([]record, error) {
	if err := v.clock(ctx); err != nil {
		return nil, err
	}
	paths, err := v.paths(ctx, names)
	if refusedWith(err, http.StatusNotFound) {
		return nil, v.missing(ctx, err)
	}
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var out []record
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ovhAtOnce)
	for _, path := range paths {
		group.Go(func() error {
			var l ovhRecord
			_, err := v.web.call(ctx, http.MethodGet, path, nil, &l)
			if refusedWith(err, http.StatusNotFound) { // gone meanwhile
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

// paths asks for the ids of the records at names, and returns the records' paths.
func (v *ovhAPI) paths(ctx context.Context, names []string) ([]string, error) {
	var mu sync.Mutex
	var paths []string
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(ovhAtOnce)
	for _, name := range names {
		group.Go(func() error {
			sub, err := relative(name, v.zone)
			if err != nil {
				return err
			}
			var ids []int64
			query := "/record?subDomain=" + url.QueryEscape(strings.TrimPrefix(sub, "@"))
			if _, err := v.web.call(ctx, http.MethodGet, v.path()+query, nil, &ids); err != nil {
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
func (v *ovhAPI) listed(l ovhRecord) record {
	switch l.FieldType {
	case "SPF", "DKIM", "DMARC":
		l.FieldType = "TXT"
	}
	if l.TTL == 0 {
		l.TTL = 3600
	}
	r := v.record(rrset{below(l.SubDomain, v.zone), l.FieldType}, l.TTL, 0, l.Target)
	r.id = strconv.FormatInt(l.ID, 10)
	return r
}

// missing names the zone that was probably meant.
func (v *ovhAPI) missing(ctx context.Context, why error) error {
	var known []string
	if _, err := v.web.call(ctx, http.MethodGet, "/domain/zone", nil, &known); err != nil {
		return why
	}
	return noZone("ovh", "the account of these keys", v.zone, known)
}

func (v *ovhAPI) body(r record) (ovhRecord, error) {
	data, _, err := v.spell(r)
	if err != nil {
		return ovhRecord{}, err
	}
	name, err := relative(r.name, v.zone)
	return ovhRecord{SubDomain: strings.TrimPrefix(name, "@"), TTL: r.ttl, Target: data}, err
}

func (v *ovhAPI) create(ctx context.Context, r record) error {
	body, err := v.body(r)
	if err != nil {
		return err
	}
	body.FieldType = r.rrtype
	_, err = v.web.call(ctx, http.MethodPost, v.path()+"/record", body, nil)
	return err
}

// replace leaves out the type, which can't be changed and may be one of mail's own.
func (v *ovhAPI) replace(ctx context.Context, from, to record) error {
	body, err := v.body(to)
	if err != nil {
		return err
	}
	_, err = v.web.call(ctx, http.MethodPut, v.path()+"/record/"+from.id, body, nil)
	return err
}

func (v *ovhAPI) remove(ctx context.Context, r record) error {
	_, err := v.web.call(ctx, http.MethodDelete, v.path()+"/record/"+r.id, nil, nil)
	if refusedWith(err, http.StatusNotFound) {
		return nil
	}
	return err
}
