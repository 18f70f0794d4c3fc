// Package hetzner writes zones in the Hetzner Console, through the Cloud API.
package hetzner

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/webapi"
	"github.com/mailpub/mailpub/providers/zone"
)

const hetznerURL = "https://api.hetzner.cloud/v1"

func Provider() zone.Provider {
	return zone.Provider{
		Name:        "hetzner",
		Summary:     "zones in the Hetzner Console, through the Cloud API (not the old dns.hetzner.com)",
		NameServers: []string{"*.ns.hetzner.com", "*.ns.hetzner.de"},
		Settings:    []zone.Setting{{Name: "token", Required: true, Secret: true, Help: "API token of the project that holds the zone"}},
		Scopes:      "a token of the project, with Read & Write",
		Limits: zone.Limits{MinTTL: time.Minute, OneTTL: true,
			Types: []string{"A", "AAAA", "CAA", "CNAME", "HTTPS", "MX", "NS", "PTR", "SRV",
				"SVCB", "TLSA", "TXT"}},
		Connect: openHetzner,
	}
}

// openHetzner speaks to the API itself: the vendor's SDK brings a metrics library that costs
// every start of the program 2 to 3 ms.
func openHetzner(o zone.Options) (zone.Backend, error) {
	web := webapi.New("hetzner", hetznerURL, o,
		webapi.KeyIn("Authorization", "Bearer "+o.Setting("token")), map[int]string{
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
	web  webapi.API
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

	_, err := h.web.Call(ctx, http.MethodGet, h.path(), nil, &reply)
	if webapi.RefusedWith(err, http.StatusNotFound) {
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
	var reply struct{ Zones []webapi.ZoneRef }
	if _, err := h.web.Call(ctx, http.MethodGet, "/zones?per_page=50", nil,
		&reply); err != nil {
		return why
	}
	return webapi.NoZone("hetzner", "the project of this token", h.name,
		webapi.ZoneNames(reply.Zones))
}

// sets returns every RRset of the zone.
func (h *hetznerBackend) sets(ctx context.Context) ([]webapi.Set, error) {
	if err := h.defaults(ctx); err != nil {
		return nil, err
	}

	var out []webapi.Set
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

		if _, err := h.web.Call(ctx, http.MethodGet,
			fmt.Sprintf("%s/rrsets?per_page=50&page=%d", h.path(), page), nil,
			&reply); err != nil {
			return nil, err
		}
		if reply.Meta == nil {
			return nil, errors.New("hetzner: a list without the number of its next page: not the reply of this interface")
		}

		for _, s := range reply.RRsets {
			set := webapi.Set{
				RRset: record.RRset{
					Name: record.Below(s.Name, h.name),
					Type: s.Type,
				},
				TTL: h.ttl,
			}

			if s.TTL != nil {
				set.TTL = *s.TTL
			}

			for _, r := range s.Records {
				set.Values = append(set.Values, webapi.Value{Text: r.Value})
			}

			out = append(out, set)
		}

		page = reply.Meta.Pagination.Next
	}

	return out, nil
}

// List implements zone.Backend.
func (h *hetznerBackend) List(ctx context.Context, sets []record.RRset) (zone.Listing, error) {
	return h.ListAround(ctx, sets, nil)
}

// ListAround implements zone.AroundLister.
func (h *hetznerBackend) ListAround(ctx context.Context, sets []record.RRset, around []string) (zone.Listing, error) {
	found, err := h.sets(ctx)
	if err != nil {
		return zone.Listing{}, err
	}
	return webapi.Listed(found, sets, around...), nil
}

func (h *hetznerBackend) Write(ctx context.Context, edits []zone.Edit) error {
	now, err := h.sets(ctx)
	if err != nil {
		return err
	}

	changed := make([]webapi.Set, len(edits))
	for i, e := range edits {
		if changed[i], err = webapi.Find(now, e.RRset).Edited(e); err != nil {
			return err
		}
	}

	for i, e := range edits {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := h.one(ctx, webapi.Find(now, e.RRset), changed[i]); err != nil {
			return fmt.Errorf("%s: %w", e.RRset, err)
		}
	}

	return nil
}

// one turns an RRset into another. The TTL goes first, because a record that is added must
// have that of its RRset. A name has only one CNAME, so that is taken away before.
func (h *hetznerBackend) one(ctx context.Context, is, want webapi.Set) error {
	name, err := record.Relative(is.Name, h.name)
	if err != nil {
		return err
	}

	path := fmt.Sprintf("%s/rrsets/%s/%s/actions/", h.path(), url.PathEscape(name), is.Type)
	type step struct {
		action string
		body   map[string]any
	}

	var steps []step
	if fresh := missingFrom(is, want); len(fresh) > 0 {
		steps = append(steps, step{"add_records",
			map[string]any{"records": fresh, "ttl": want.TTL}})
	}

	if gone := missingFrom(want, is); len(gone) > 0 {
		steps = append(steps, step{"remove_records", map[string]any{"records": gone}})
	}

	switch {
	case len(is.Values) == 0 || len(want.Values) == 0:
	case is.Type == "CNAME" && len(steps) == 2:
		steps[0], steps[1] = steps[1], steps[0]
	case is.TTL != want.TTL:
		steps = append([]step{{"change_ttl", map[string]any{"ttl": want.TTL}}}, steps...)
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

	method := http.MethodPost
	pause := 50 * time.Millisecond
	for {
		if _, err := h.web.Call(ctx, method, path, body, &reply); err != nil {
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

		if err := zone.Sleep(ctx, pause); err != nil {
			return err
		}

		method = http.MethodGet
		path = fmt.Sprintf("/actions/%d", reply.Action.ID)
		body = nil
		pause = min(2*pause, 2*time.Second)
	}
}

// missingFrom returns the values of want that is lacks.
func missingFrom(is, want webapi.Set) (out []hetznerRecord) {
	for _, v := range want.Values {
		if !is.Has(v) {
			out = append(out, hetznerRecord{Value: v.Text})
		}
	}
	return out
}
