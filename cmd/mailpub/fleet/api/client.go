package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/egress"
)

// Client calls the API of a fleet, for the command line and for programs in Go.
type Client struct {
	URL   string // "https://fleet.example.net"
	Token string
	HTTP  *http.Client // nil: one with a deadline
}

// ErrClear means that a token would be sent without TLS.
var ErrClear = errors.New("the server's URL is not https://, and mailpub sends no token unencrypted to another machine")

// Call makes one request. in is the body, nil for none; out is filled from the answer unless it is nil. The error is a
// *Problem where the server refused.
func (c *Client) Call(ctx context.Context, method, path string, in, out any) error {
	base, err := url.Parse(c.URL)
	if err != nil || base.Host == "" {
		return fmt.Errorf("%q is not the URL of a fleet, want https://HOST", c.URL)
	}
	if local := base.Hostname(); base.Scheme != "https" && local != "localhost" && local != "127.0.0.1" && local != "::1" {
		return ErrClear
	}

	var body []byte
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}

	req, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.URL, "/")+prefix+path, bytes.NewReader(body))
	if err != nil {
		return err
	}

	req.Header.Set("Authorization", "Bearer "+c.Token)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}

	resp, err := c.client().Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()

	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= 300 {
		return problemOf(resp.StatusCode, text)
	}
	if out == nil {
		return nil
	}

	return json.Unmarshal(text, out)
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return &http.Client{
		Timeout:   time.Minute,
		Transport: egress.HTTP(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse // the token goes nowhere else
		},
	}
}

func problemOf(status int, text []byte) error {
	p := &Problem{}
	if json.Unmarshal(text, p) != nil || p.Status != status {
		return fmt.Errorf("the server answers HTTP %d, and is not a fleet's", status)
	}
	return p
}

// Error says what the server refused, with each mistake of a config on a line of its own.
func (p *Problem) Error() string {
	text := p.Detail
	for _, m := range p.Problems {
		text += fmt.Sprintf("\n%s:%d: %s: %s", m.File, m.Line, m.Field, m.Text)
	}
	return text
}

// SiteAt finds a site by its path.
func (c *Client) SiteAt(ctx context.Context, path string) (Site, error) {
	name := path[strings.LastIndex(path, "/")+1:]
	for offset := 0; ; {
		var list SiteList
		query := url.Values{"search": {name}, "limit": {"1000"}, "offset": {fmt.Sprint(offset)}}
		if err := c.Call(ctx, http.MethodGet, "/sites?"+query.Encode(), nil, &list); err != nil {
			return Site{}, err
		}
		for _, s := range list.Sites {
			if s.Path == path {
				return s, nil
			}
		}
		if list.Next == nil {
			return Site{}, fmt.Errorf("there is no site %q that you may see", path)
		}
		offset = *list.Next
	}
}

// WaitPlan waits until a plan is in none of some states.
func (c *Client) WaitPlan(ctx context.Context, id int64, states ...string) (p PlanStatus, err error) {
	for {
		if err := c.Call(ctx, http.MethodGet, fmt.Sprintf("/plans/%d", id), nil, &p); err != nil {
			return p, err
		}

		waiting := false
		for _, s := range states {
			waiting = waiting || p.State == s
		}
		if !waiting {
			return p, nil
		}

		select {
		case <-ctx.Done():
			return p, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
	}
}
