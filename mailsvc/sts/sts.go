// Package sts reads MTA-STS policies as senders do (RFC 8461): over HTTPS, from the domain's
// own web server. It is a driver that can only read: what a web server serves is a person's
// to change.
package sts

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
)

const (
	fetchTimeout = 10 * time.Second
	maxPolicy    = 64 << 10 // octets; RFC 8461 section 3.3 suggests this limit
	maxAge       = 31557600 // seconds, RFC 8461 section 3.2
)

// ErrNotServed says that the web server answers, and serves no policy.
var ErrNotServed = errors.New("no policy is served")

// Policy is a policy as it is served.
type Policy struct {
	Mode   string   // "enforce", "testing" or "none"
	MX     []string // lower case, without final dots; may begin with "*."
	MaxAge time.Duration
	Lines  []string // the text as plan.Domain.Policy writes it
}

// Parse reads a policy (RFC 8461 section 3.2). Keys that it does not know are passed over; of
// a key that is there twice the first counts, except mx.
func Parse(text string) (Policy, error) {
	var p Policy
	seen := map[string]string{}
	lines := bufio.NewScanner(strings.NewReader(text))

	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}

		key, value, ok := strings.Cut(line, ":")
		key = strings.TrimSpace(key)
		value = strings.TrimSpace(value)
		if !ok {
			return p, fmt.Errorf("line %q is no pair, want one like mode: enforce",
				shorten(line))
		}

		if key == "mx" {
			p.MX = append(p.MX, strings.ToLower(strings.TrimSuffix(value, ".")))
		} else if _, twice := seen[key]; !twice {
			seen[key] = value
		}
	}

	if err := lines.Err(); err != nil {
		return p, err
	}
	if seen["version"] != "STSv1" {
		return p, fmt.Errorf("version is %q, want STSv1", shorten(seen["version"]))
	}

	switch p.Mode = seen["mode"]; p.Mode {
	case "enforce", "testing", "none":
	default:
		return p, fmt.Errorf("mode is %q, want enforce, testing or none", shorten(p.Mode))
	}

	seconds, err := strconv.ParseUint(seen["max_age"], 10, 32)
	if err != nil || seconds > maxAge {
		return p, fmt.Errorf("max_age is %q, want seconds from 0 to %d",
			shorten(seen["max_age"]), maxAge)
	}
	if len(p.MX) == 0 && p.Mode != "none" {
		return p, fmt.Errorf("mode is %s, and no mx is named", p.Mode)
	}

	p.MaxAge = time.Duration(seconds) * time.Second
	p.Lines = []string{"version: STSv1", "mode: " + p.Mode}
	for _, m := range p.MX {
		p.Lines = append(p.Lines, "mx: "+m)
	}

	p.Lines = append(p.Lines, fmt.Sprintf("max_age: %d", seconds))
	return p, nil
}

// Allows reports whether senders that heed the policy deliver to an MX host (RFC 8461 section
// 4.1: a wildcard stands for exactly one label).
func (p Policy) Allows(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if p.Mode != "enforce" {
		return true
	}

	for _, m := range p.MX {
		if m == host {
			return true
		}

		if suffix, wild := strings.CutPrefix(m, "*"); wild {
			if _, rest, ok := strings.Cut(host, "."); ok && "."+rest == suffix {
				return true
			}
		}
	}

	return false
}

// Fetcher gets policies. Its zero value is ready. Methods may be called concurrently.
type Fetcher struct {
	// Lookup finds the addresses of a host; nil asks the system.
	Lookup func(ctx context.Context, host string) ([]string, error)
	// Transport carries the requests; nil is one that uses Lookup and the system's roots.
	Transport http.RoundTripper
	// Own are addresses that this network has outside. From inside, what answers there may be the
	// router itself, or the right server by another way than strangers come: no proof of
	// anything, so that Checks says so and no more.
	Own []string
}

// Fetch gets the policy of a domain. An error that wraps ErrNotServed means that the web
// server was reached; any other, that nothing is known. Certificates must be valid, and
// redirects are not followed (RFC 8461 section 3.3).
func (f *Fetcher) Fetch(ctx context.Context, domain string) (Policy, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()

	url := "https://mta-sts." + strings.TrimSuffix(domain, ".") + "/.well-known/mta-sts.txt"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Policy{}, err
	}

	client := http.Client{
		Transport: f.transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	response, err := trace.Do("https", request, client.Do)
	if err != nil {
		return Policy{}, sockerr.Plain(err)
	}

	defer response.Body.Close()

	if response.StatusCode != http.StatusOK {
		return Policy{}, fmt.Errorf("%s: %w: it answers %s", url, ErrNotServed, response.Status)
	}
	if kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type")); kind != "text/plain" {
		return Policy{}, fmt.Errorf("%s: %w: its content type is %q, want text/plain", url,
			ErrNotServed, shorten(kind))
	}

	text, err := io.ReadAll(io.LimitReader(response.Body, maxPolicy+1))
	if err != nil {
		return Policy{}, err
	}
	if len(text) > maxPolicy {
		return Policy{}, fmt.Errorf("%s: %w: it has over %d octets", url, ErrNotServed,
			maxPolicy)
	}

	p, err := Parse(string(text))
	if err != nil {
		return Policy{}, fmt.Errorf("%s: %w: %w", url, ErrNotServed, err)
	}

	return p, nil
}

func (f *Fetcher) transport() http.RoundTripper {
	if f.Transport != nil {
		return f.Transport
	}

	return &http.Transport{
		DisableKeepAlives:     true,
		DialContext:           f.dial,
		ForceAttemptHTTP2:     true,
		ResponseHeaderTimeout: fetchTimeout,
	}
}

// dial tries the addresses of a host in turn.
func (f *Fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := egress.Dialer()
	host, port, err := net.SplitHostPort(address)
	if err != nil || f.Lookup == nil {
		return d.DialContext(ctx, network, address)
	}

	addrs, err := f.Lookup(ctx, host)
	if err != nil {
		return nil, err
	}

	err = fmt.Errorf("%s has no address", host)
	for _, a := range addrs {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, network, net.JoinHostPort(a, port)); err == nil {
			return conn, nil
		}
	}

	return nil, err
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}

// Driver reads the policies of domains (plan.Driver, kind "policy"). It writes nothing.
type Driver struct{ Fetcher *Fetcher }

// Kind implements plan.Driver.
func (*Driver) Kind() string { return "policy" }

// Read implements plan.Driver: each policy as it is served, all fetched at once. What is
// served in another order of hosts is another text.
func (d *Driver) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	found := make([]*plan.Item, len(keys))
	done := make(chan struct{}, len(keys))
	for i, k := range keys {
		go func() {
			defer func() { done <- struct{}{} }()

			domain, ok := strings.CutPrefix(k.Name, "mta-sts.")
			if !ok {
				found[i] = &plan.Item{
					Key:        k,
					Unreadable: fmt.Sprintf("%q is no policy", k.Name),
				}
				return
			}

			p, err := d.Fetcher.Fetch(ctx, domain)
			switch {
			case err == nil:
				found[i] = &plan.Item{Key: k, Lines: p.Lines}
			case !errors.Is(err, ErrNotServed):
				found[i] = &plan.Item{Key: k, Unreadable: err.Error()}
			}
		}()
	}

	for range keys {
		<-done
	}

	var items []plan.Item
	for _, it := range found {
		if it != nil {
			items = append(items, *it)
		}
	}

	return items, ctx.Err()
}

// Apply implements plan.Driver. It always fails: no policy is mailpub's to write.
func (*Driver) Apply(context.Context, []plan.Change, func(plan.Change, error)) error {
	return errors.New("mailpub does not change web servers: nothing was written")
}
