package providers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

const hetznerURL = "https://api.hetzner.cloud/v1"

func hetznerProvider() Provider {
	return Provider{
		Name:        "hetzner",
		Summary:     "zones in the Hetzner Console, through the Cloud API (not the old dns.hetzner.com)",
		NameServers: []string{"*.ns.hetzner.com", "*.ns.hetzner.de"},
		Settings:    []Setting{{Name: "token", Required: true, Secret: true, Help: "API token of the project that holds the zone"}},
		Scopes:      "a token of the project, with Read & Write",
		Limits: Limits{MinTTL: time.Minute, OneTTL: true,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SRV", "SVCB", "TLSA", "TXT"}},
		open: openHetzner,
	}
}

// openHetzner speaks to the API itself: the vendor's SDK brings a metrics library that costs
// every start of the program 2 to 3 ms.
func openHetzner(o Options) (backend, error) {
	web := newWebAPI("hetzner", hetznerURL, o, keyIn("Authorization", "Bearer "+o.setting("token")), map[int]string{
		http.StatusUnauthorized: "the token must be one of the Hetzner Console, not of the old DNS Console",
		http.StatusForbidden:    "the token must have Read & Write",
		http.StatusLocked:       "another change of the zone is under way: run this again",
	})
	return &hetznerBackend{name: o.Zone, web: web}, nil
}

// hetznerBackend adds and removes single records of an RRset, so that others' stay whatever
// happens in between. Several RRsets are written one after the other.
type hetznerBackend struct {
	name string // absolute
	web  webAPI
	ttl  int // of RRsets without one of their own; 0 while unknown
}

type hetznerRecord struct {
	Value   string `json:"value"`
	Comment string `json:"comment,omitempty"`
}

func (h *hetznerBackend) path() string {
	return "/zones/" + url.PathEscape(strings.TrimSuffix(h.name, "."))
}

// defaults looks at the zone itself, once.
func (h *hetznerBackend) defaults(ctx context.Context) error {
	if h.ttl != 0 {
		return nil
	}
	var reply struct {
		Zone struct {
			Mode string
			TTL  int
		}
	}
	_, err := h.web.call(ctx, http.MethodGet, h.path(), nil, &reply)
	if refusedWith(err, http.StatusNotFound) {
		return h.missing(ctx, err)
	}
	if err != nil {
		return err
	}
	if reply.Zone.TTL == 0 {
		return fmt.Errorf("hetzner: the answer about zone %s has no TTL in it: not the reply of this interface", h.name)
	}
	if reply.Zone.Mode == "secondary" {
		return fmt.Errorf("hetzner: zone %s is a secondary there, so it can't be written: give its primary server", h.name)
	}
	h.ttl = reply.Zone.TTL
	return nil
}

func (h *hetznerBackend) missing(ctx context.Context, why error) error {
	var reply struct{ Zones []named }
	if _, err := h.web.call(ctx, http.MethodGet, "/zones?per_page=50", nil, &reply); err != nil {
		return why
	}
	return noZone("hetzner", "the project of this token", h.name, zoneNames(reply.Zones))
}

// sets returns every RRset of the zone.
func (h *hetznerBackend) sets(ctx context.Context) ([]apiSet, error) {
	if err := h.defaults(ctx); err != nil {
		return nil, err
	}
	var out []apiSet
	for page := 1; page != 0; {
		var reply struct {
			RRsets []struct {
				Name, Type string
				TTL        *int
				Records    []hetznerRecord
			}
			Meta *struct {
				Pagination struct {
					Next int `json:"next_page"`
				}
			}
		}
		if _, err := h.web.call(ctx, http.MethodGet, fmt.Sprintf("%s/rrsets?per_page=50&page=%d", h.path(), page), nil, &reply); err != nil {
			return nil, err
		}
		if reply.Meta == nil {
			return nil, errors.New("hetzner: a list without the number of its next page: not the reply of this interface")
		}
		for _, s := range reply.RRsets {
			set := apiSet{rrset: rrset{below(s.Name, h.name), s.Type}, ttl: h.ttl}
			if s.TTL != nil {
				set.ttl = *s.TTL
			}
			for _, r := range s.Records {
				set.values = append(set.values, apiValue{text: r.Value})
			}
			out = append(out, set)
		}
		page = reply.Meta.Pagination.Next
	}
	return out, nil
}

func (h *hetznerBackend) list(ctx context.Context, sets []rrset) (listing, error) {
	found, err := h.sets(ctx)
	if err != nil {
		return listing{}, err
	}
	return listed(found, sets), nil
}

func (h *hetznerBackend) write(ctx context.Context, edits []edit) error {
	now, err := h.sets(ctx)
	if err != nil {
		return err
	}
	changed := make([]apiSet, len(edits))
	for i, e := range edits {
		if changed[i], err = find(now, e.rrset).edited(e); err != nil {
			return err
		}
	}
	for i, e := range edits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.one(ctx, find(now, e.rrset), changed[i]); err != nil {
			return fmt.Errorf("%s: %w", e.rrset, err)
		}
	}
	return nil
}

// one turns an RRset into another. The TTL goes first, because a record that is added must
// have that of its RRset. A name has only one CNAME, so that is taken away before.
func (h *hetznerBackend) one(ctx context.Context, is, want apiSet) error {
	name, err := relative(is.name, h.name)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/rrsets/%s/%s/actions/", h.path(), url.PathEscape(name), is.rrtype)
	type step struct {
		action string
		body   map[string]any
	}
	var steps []step
	if fresh := missingFrom(is, want); len(fresh) > 0 {
		steps = append(steps, step{"add_records", map[string]any{"records": fresh, "ttl": want.ttl}})
	}
	if gone := missingFrom(want, is); len(gone) > 0 {
		steps = append(steps, step{"remove_records", map[string]any{"records": gone}})
	}
	switch {
	case len(is.values) == 0 || len(want.values) == 0:
	case is.rrtype == "CNAME" && len(steps) == 2:
		steps[0], steps[1] = steps[1], steps[0]
	case is.ttl != want.ttl:
		steps = append([]step{{"change_ttl", map[string]any{"ttl": want.ttl}}}, steps...)
	}
	for _, s := range steps {
		if err := h.act(ctx, path+s.action, s.body); err != nil {
			return err
		}
	}
	return nil
}

// act starts an action and waits until it has been carried out.
func (h *hetznerBackend) act(ctx context.Context, path string, body any) error {
	var reply struct {
		Action struct {
			ID     int64
			Status string
			Error  *struct{ Message string }
		}
	}
	method, pause := http.MethodPost, 50*time.Millisecond
	for {
		if _, err := h.web.call(ctx, method, path, body, &reply); err != nil {
			return err
		}
		switch {
		case reply.Action.Status == "success":
			return nil
		case reply.Action.Status != "running":
			why := "without a reason"
			if reply.Action.Error != nil {
				why = reply.Action.Error.Message
			}
			return fmt.Errorf("hetzner: the change failed (%q): %s", reply.Action.Status, why)
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		method, path, body = http.MethodGet, fmt.Sprintf("/actions/%d", reply.Action.ID), nil
		pause = min(2*pause, 2*time.Second)
	}
}

// missingFrom returns the values of want that is lacks.
func missingFrom(is, want apiSet) (out []hetznerRecord) {
	for _, v := range want.values {
		if !is.has(v) {
			out = append(out, hetznerRecord{Value: v.text})
		}
	}
	return out
}
