package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/api"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
)

// ShowSite shows what was last found of a site, and reports whether it is well; with look it is checked first.
func ShowSite(ctx context.Context, u *term.UI, c *api.Client, path string, look bool) (well bool, err error) {
	s, err := c.SiteAt(ctx, path)
	if err != nil {
		return false, err
	}

	if look {
		if err := checkNow(ctx, c, s.ID); err != nil {
			return false, err
		}
	}

	r, err := lastReport(ctx, c, s.ID)
	if err != nil {
		return false, err
	}

	well = r.State == "good" || r.State == "warning"
	if u.JSON {
		return well, u.PrintJSON(r)
	}

	return well, showReport(u, path, r)
}

func lastReport(ctx context.Context, c *api.Client, site int64) (r api.Report, err error) {
	err = c.Call(ctx, http.MethodGet, fmt.Sprintf("/sites/%d/report", site), nil, &r)
	return r, err
}

// checkNow has a site checked, and waits for that.
func checkNow(ctx context.Context, c *api.Client, site int64) error {
	before, err := lastReport(ctx, c, site)
	if err != nil && !isNotFound(err) {
		return err
	}
	if err := c.Call(ctx, http.MethodPost, fmt.Sprintf("/sites/%d/look", site), nil, nil); err != nil {
		return err
	}

	for {
		now, err := lastReport(ctx, c, site)
		if err != nil && !isNotFound(err) {
			return err
		}
		if err == nil && now.At.After(before.At) {
			return nil
		}

		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// isNotFound reports whether the server has no such thing: a site that was not checked yet has no report.
func isNotFound(err error) bool {
	var p *api.Problem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// showReport shows the findings of a report that are not well.
func showReport(u *term.UI, path string, r api.Report) error {
	var report struct {
		Checks []struct {
			ID      string `json:"id"`
			Subject string `json:"subject"`
			Status  string `json:"status"`
			Want    string `json:"want"`
			Got     string `json:"got"`
			Hint    string `json:"hint"`
		} `json:"checks"`
		Summary struct {
			Pass int `json:"pass"`
		} `json:"summary"`
	}
	if err := json.Unmarshal(r.Report, &report); err != nil {
		return err
	}

	fmt.Fprintf(u.Out, "%s: %s since %s, checked at %s\n", path, r.State, r.Since.Local().Format(time.DateTime),
		r.At.Local().Format(time.DateTime))
	if r.Error != "" {
		fmt.Fprintf(u.Out, "  not everything could be checked: %s\n", r.Error)
	}

	for _, check := range report.Checks {
		if check.Status != "fail" && check.Status != "warn" {
			continue
		}
		fmt.Fprintf(u.Out, "  %s %s %s: %s; want %s\n", check.Status, check.ID, check.Subject, check.Got, check.Want)
		if check.Hint != "" {
			fmt.Fprintf(u.Out, "       %s\n", check.Hint)
		}
	}

	_, err := fmt.Fprintf(u.Out, "  %d passed\n", report.Summary.Pass)
	return err
}
