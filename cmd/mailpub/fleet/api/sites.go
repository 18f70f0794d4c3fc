package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/guard"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/cmd/mailpub/history"
	"github.com/mailpub/mailpub/cmd/mailpub/page"
)

// stateNames are the states of sites, by history.State.
func stateNames() []string { return []string{"unknown", "good", "warning", "bad"} }

func stateName(s history.State) string {
	if names := stateNames(); int(s) >= 0 && int(s) < len(names) {
		return names[s]
	}
	return "unknown"
}

// number reads a number of the query, from least to most; missing is what it is without.
func (c *call) number(name string, missing, least, most int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return missing, nil
	}

	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, inputError{fmt.Sprintf("%s is %q, want a number from %d to %d", name, text,
			least, most)}
	}

	return n, nil
}

// id reads the number in the path. What is no number is of nothing that there is.
func (c *call) id() (int64, error) {
	n, err := strconv.ParseInt(c.r.PathValue("id"), 10, 64)
	if err != nil || n < 1 {
		return 0, store.ErrNotFound
	}
	return n, nil
}

// tenant is the one that the query names: by default the only one where the caller has a role.
func (c *call) tenant() string {
	if c.r.URL.Query().Has("tenant") {
		return c.r.URL.Query().Get("tenant")
	}

	if len(c.who.Grants) == 1 {
		for only := range c.who.Grants {
			return only
		}
	}

	return ""
}

// scopeOf is the tenant of a list: whoever sees a part of it gets that part.
func (c *call) scopeOf() (string, error) {
	tenant := c.r.URL.Query().Get("tenant")
	if tenant == "" {
		return "", nil
	}
	return tenant, c.enter(tenant)
}

// enter fails where the caller's role at a tenant is too low, or there is no such tenant for it.
func (c *call) enter(tenant string) error {
	if err := c.at(tenant); err != nil {
		return err
	}
	return store.VisibleTenant(c.r.Context(), c.tx, tenant)
}

// site returns the site of the path, where the caller has the role that the route needs.
func (c *call) site() (store.Site, error) {
	id, err := c.id()
	if err != nil {
		return store.Site{}, err
	}

	s, err := store.SiteByID(c.r.Context(), c.tx, id)
	if err != nil {
		return store.Site{}, err
	}

	return s, c.at(s.Tenant)
}

func siteDocument(s store.SiteState) Site {
	return Site{
		ID:      s.ID,
		Path:    store.SitePath(s.Tenant, s.Name),
		Tenant:  s.Tenant,
		Name:    s.Name,
		Host:    s.Host,
		Domains: append([]string{}, s.Domains...),
		Rev:     s.Rev,
		State:   stateName(s.State),
		Wrong:   s.Wrong,
		At:      s.At,
		Since:   s.Since,
	}
}

func whoami(c *call) (any, error) {
	out := Whoami{Name: c.who.Name, Means: c.who.Means, Roles: map[string]string{}}
	for tenant, role := range c.who.Grants {
		out.Roles[tenant] = role.String()
	}
	return out, nil
}

// filter reads which sites are asked for.
func (c *call) filter() (f store.SiteFilter, err error) {
	if f.Tenant, err = c.scopeOf(); err != nil {
		return f, err
	}

	f.Search = c.r.URL.Query().Get("search")
	f.State = -1
	if name := c.r.URL.Query().Get("state"); name != "" {
		for i, known := range stateNames() {
			if known == name {
				f.State = i
			}
		}

		if f.State < 0 {
			return f, inputError{fmt.Sprintf("state is %q, want one of %s", name,
				strings.Join(stateNames(), ", "))}
		}
	}

	if f.Offset, err = c.number("offset", 0, 0, 10_000_000); err != nil {
		return f, err
	}

	f.Limit, err = c.number("limit", 100, 1, 1000)
	return f, err
}

func listSites(c *call) (any, error) {
	f, err := c.filter()
	if err != nil {
		return nil, err
	}
	return c.find(f)
}

// find returns a page of sites with the counts of all that were found.
func (c *call) find(f store.SiteFilter) (SiteList, error) {
	list, err := store.FindSites(c.r.Context(), c.tx, f)
	if err != nil {
		return SiteList{}, err
	}

	counts, err := store.CountSites(c.r.Context(), c.tx, f)
	if err != nil {
		return SiteList{}, err
	}

	out := SiteList{Sites: []Site{}, Counts: map[string]int{}}
	for _, s := range list {
		out.Sites = append(out.Sites, siteDocument(s))
	}

	for state, n := range counts {
		out.Counts[stateName(state)] += n
		if f.State < 0 || int(state) == f.State {
			out.Total += n
		}
	}

	if next := f.Offset + len(list); len(list) > 0 && next < out.Total {
		out.Next = &next
	}

	return out, nil
}

func getSite(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}
	return c.one(s)
}

// one is a site with its state.
func (c *call) one(s store.Site) (Site, error) {
	is := store.SiteState{
		ID:      s.ID,
		Tenant:  s.Tenant,
		Name:    s.Name,
		Host:    s.Host,
		Domains: s.Domains,
		Rev:     s.Rev,
		Wrong:   s.Wrong,
	}

	seen, err := store.SeenOf(c.r.Context(), c.tx, s.ID)
	switch {
	case errors.Is(err, store.ErrNotFound):
	case err != nil:
		return Site{}, err
	default:
		is.State = seen.State
		is.At = &seen.Snapshot.At
		is.Since = &seen.Since
	}

	return siteDocument(is), nil
}

func addSite(c *call) (any, error) {
	var in NewSite
	if err := c.decode(&in); err != nil {
		return nil, err
	}
	if err := c.enter(in.Tenant); err != nil {
		return nil, err
	}

	s := store.Site{Tenant: in.Tenant, File: in.File, Config: []byte(in.Config)}
	if s.File == "" {
		s.File = "site.yaml"
	}

	if err := c.read(&s); err != nil {
		return nil, err
	}

	if in.File == "" {
		s.File = s.Name + ".yaml"
	}

	if _, err := store.SiteIn(c.r.Context(), c.tx, s.Tenant, s.Name); !errors.Is(err,
		store.ErrNotFound) {
		return nil, errors.Join(err, errExists)
	}

	return c.put(&s, 0)
}

// read checks a config as that of a tenant who is not trusted, whoever writes it: a token that was stolen
// must not reach into a worker. It fills in what the database knows of a config.
func (c *call) read(s *store.Site) error {
	if path.Base(s.File) != s.File {
		return inputError{fmt.Sprintf("file is %q, want a name without directories", s.File)}
	}

	cfg, err := guard.Parse(s.File, s.Config, s.Body, guard.Rules{Allow: c.Allow})
	if err != nil {
		return err
	}

	if s.Name != "" && cfg.Site != s.Name {
		return config.Errors{{
			File:  s.File,
			Line:  cfg.Lines.At("site"),
			Field: "site",
			Text:  fmt.Sprintf("is %q, but this is the config of %q: a site is renamed by adding a new one", cfg.Site, s.Name),
		}}
	}

	s.Name = cfg.Site
	s.Host = cfg.Server.Hostname
	s.Every = cfg.Watch.Every
	s.Wrong = ""
	s.Domains = nil

	for _, d := range cfg.Domains {
		s.Domains = append(s.Domains, d.Name)
	}

	return nil
}

func (c *call) put(s *store.Site, ifRev int64) (any, error) {
	before := s.Digest
	changed, err := store.PutSite(c.r.Context(), c.tx, s, ifRev)
	if err != nil {
		return nil, err
	}

	if changed {
		if err := c.audit(s.Tenant, s.Path(), "site.put", before, s.Digest, nil); err != nil {
			return nil, err
		}
	}

	return SiteChange{
		ID:      s.ID,
		Path:    s.Path(),
		Rev:     s.Rev,
		Digest:  s.Digest,
		Changed: changed,
	}, nil
}

func etag(rev int64) string { return fmt.Sprintf(`"%d"`, rev) }

func getConfig(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}
	return rawText{kind: "text/plain; charset=utf-8", etag: etag(s.Rev), body: s.Config}, nil
}

func putConfig(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}

	ifRev := s.Rev
	switch match := c.r.Header.Get("If-Match"); match {
	case "":
		return nil, errNoMatch
	case "*":
	case etag(s.Rev):
	default:
		return nil, fmt.Errorf("%w: it has version %d, not %s", store.ErrRev, s.Rev, match)
	}

	if s.Config, err = io.ReadAll(c.r.Body); err != nil {
		return nil, err
	}
	if err := c.read(&s); err != nil {
		return nil, err
	}

	return c.put(&s, ifRev)
}

func deleteSite(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}
	if err := store.DeleteSite(c.r.Context(), c.tx, s.ID); err != nil {
		return nil, err
	}

	return nil, c.audit(s.Tenant, s.Path(), "site.delete", s.Digest, "", nil)
}

func askLook(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}
	if err := store.Ask(c.r.Context(), c.tx, s.ID, store.PriorityAsked,
		c.who.Name+" asked"); err != nil {
		return nil, err
	}
	if err := c.audit(s.Tenant, s.Path(), "site.look", "", "", nil); err != nil {
		return nil, err
	}

	return c.one(s)
}

func getReport(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}

	seen, err := store.SeenOf(c.r.Context(), c.tx, s.ID)
	if err != nil {
		return nil, err
	}

	report, err := json.Marshal(seen.Snapshot.Report)
	if err != nil {
		return nil, err
	}

	out := Report{
		Site:   s.Path(),
		State:  stateName(seen.State),
		At:     seen.Snapshot.At,
		Since:  seen.Since,
		Next:   seen.Snapshot.Next,
		Report: report,
	}

	if err := errors.Join(seen.Snapshot.Config, seen.Snapshot.Err); err != nil {
		out.Error = err.Error()
	}

	return out, nil
}

func getPage(c *call) (any, error) {
	s, err := c.site()
	if err != nil {
		return nil, err
	}

	body, err := c.page(s)
	return rawText{kind: "text/html; charset=utf-8", body: body}, err
}

// page draws the page of a site, as watch serves it.
func (c *call) page(s store.Site) ([]byte, error) {
	seen, err := store.SeenOf(c.r.Context(), c.tx, s.ID)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}

	if err != nil { // it was not looked at yet
		seen.Snapshot.Site = s.Name
		seen.Snapshot.File = s.File
		seen.Snapshot.Host = s.Host
	}

	lines, err := store.PastOf(c.r.Context(), c.tx, s.ID)
	if err != nil {
		return nil, err
	}

	past, err := history.ReadPast(strings.NewReader(strings.Join(lines, "\n") + "\n"))
	if err != nil {
		return nil, err
	}

	now := time.Now()
	var body bytes.Buffer
	err = page.Write(&body, page.Site{
		Snapshot: seen.Snapshot,
		Events:   past.Events(s.Name, 20),
		Days:     past.Days(now, 30),
	}, now, c.Version)

	return body.Bytes(), err
}

// audit notes what the caller does, in the transaction that does it.
func (c *call) audit(tenant, site, act, before, after string, detail map[string]string) error {
	return store.Audit(c.r.Context(), c.tx, store.AuditEntry{
		By:     c.who.Actor,
		Tenant: tenant,
		Site:   site,
		Act:    act,
		Before: before,
		After:  after,
		Detail: detail,
	})
}
