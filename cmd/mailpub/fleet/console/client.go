package console

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/api"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

// Status shows the sites that the caller may see, those with problems first, or one site.
func Status(ctx context.Context, u *term.UI, c *api.Client, query url.Values) (well bool, err error) {
	var list api.SiteList
	if err := c.Call(ctx, http.MethodGet, "/sites?"+query.Encode(), nil, &list); err != nil {
		return false, err
	}

	well = list.Counts["bad"]+list.Counts["warning"]+list.Counts["unknown"] == 0
	if u.JSON {
		return well, u.PrintJSON(list)
	}

	t := term.NewTable(u.Out)
	for _, s := range list.Sites {
		at := "not checked yet"
		if s.At != nil {
			at = s.At.Local().Format(time.DateTime)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\n", s.State, s.Path, s.Host, at)
	}
	if err := t.Flush(); err != nil {
		return false, err
	}

	_, err = fmt.Fprintf(u.Out, "%d bad, %d warning, %d unknown, %d good.\n", list.Counts["bad"], list.Counts["warning"],
		list.Counts["unknown"], list.Counts["good"])
	return well, err
}

// MakePlan asks for a plan of a site, waits for it and shows it.
func MakePlan(ctx context.Context, u *term.UI, c *api.Client, path, kind string) error {
	s, err := c.SiteAt(ctx, path)
	if err != nil {
		return err
	}

	var p api.PlanStatus
	if err := c.Call(ctx, http.MethodPost, fmt.Sprintf("/sites/%d/plans", s.ID), api.NewPlan{Kind: kind}, &p); err != nil {
		return err
	}
	if p, err = c.WaitPlan(ctx, p.ID, "wanted"); err != nil {
		return err
	}

	return showPlan(u, p)
}

// ChangePlan approves or withdraws a plan.
func ChangePlan(ctx context.Context, u *term.UI, c *api.Client, id, act string) error {
	var p api.PlanStatus
	if err := c.Call(ctx, http.MethodPost, "/plans/"+url.PathEscape(id)+"/"+act, nil, &p); err != nil {
		return err
	}
	return showPlan(u, p)
}

// ApplyPlan has a plan applied, and waits for its end.
func ApplyPlan(ctx context.Context, u *term.UI, c *api.Client, id string) error {
	var p api.PlanStatus
	if err := c.Call(ctx, http.MethodPost, "/plans/"+url.PathEscape(id)+"/apply", nil, &p); err != nil {
		return err
	}

	p, err := c.WaitPlan(ctx, p.ID, "approved", "applying")
	if err != nil {
		return err
	}
	if err := showPlan(u, p); err != nil {
		return err
	}
	if p.State != "applied" {
		return fmt.Errorf("plan %d is %s", p.ID, p.State)
	}

	return nil
}

func showPlan(u *term.UI, p api.PlanStatus) error {
	if u.JSON {
		return u.PrintJSON(p)
	}

	if p.State == "planned" && len(p.Document) > 0 {
		saved, err := plan.DecodeSaved(p.Document)
		if err != nil {
			return err
		}
		term.ShowSaved(u, saved)
	}

	text := fmt.Sprintf("plan %d of %s (%s): %s", p.ID, p.Path, p.Kind, p.State)
	if p.State == "planned" {
		next := "mailpub fleet approve"
		if len(p.Approvals) >= p.Needs {
			next = "mailpub fleet apply"
		}
		text += fmt.Sprintf(", %d of %d approvals, until %s; next: %s %d", len(p.Approvals), p.Needs,
			p.Expires.Local().Format(time.DateTime), next, p.ID)
	}
	if p.Error != "" {
		text += ": " + p.Error
	}

	_, err := fmt.Fprintln(u.Out, text)
	return err
}

// Log shows the audit, newest first.
func Log(ctx context.Context, u *term.UI, c *api.Client, site string) error {
	var list api.AuditList
	if err := c.Call(ctx, http.MethodGet, "/audit?"+url.Values{"site": {site}}.Encode(), nil, &list); err != nil {
		return err
	}
	if u.JSON {
		return u.PrintJSON(list)
	}

	t := term.NewTable(u.Out)
	for _, e := range list.Entries {
		details := make([]string, 0, len(e.Detail))
		for name, value := range e.Detail {
			details = append(details, name+"="+value)
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", e.At.Local().Format(time.DateTime), e.By, e.Act, e.Tenant+" "+e.Site, strings.Join(details, " "))
	}
	return t.Flush()
}

// Pause pauses a tenant or an account for some time; zero: it goes on.
func Pause(ctx context.Context, c *api.Client, tenant, account string, d time.Duration) error {
	var body api.PauseRequest
	if d > 0 {
		until := time.Now().Add(d)
		body.Until = &until
	}

	path := "/pause?" + url.Values{"tenant": {tenant}}.Encode()
	if account != "" {
		path = "/accounts/" + url.PathEscape(account) + "/pause"
	}
	return c.Call(ctx, http.MethodPost, path, body, nil)
}
