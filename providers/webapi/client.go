package webapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/mailpub/mailpub/providers/record"
	"github.com/mailpub/mailpub/providers/zone"
)

// Client waits when the API asks it to, and tries again what is safe to try
// again: anything that was turned away by the rate limit, and reading. It is an
// http.RoundTripper too, for SDKs that want an http.Client.
type Client struct {
	api  string // the provider's name
	HTTP *http.Client
	log  *slog.Logger

	budget zone.Budget // of the account; nil for none
}

// NewClient returns a client over the one of o, or over one with a deadline of its own. It
// follows no redirect: net/http would take the headers along, and with them a key.
func NewClient(api string, o zone.Options) *Client {
	client := http.Client{Timeout: 20 * time.Second}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}

	client.CheckRedirect = NoRedirect
	return &Client{
		api:    api,
		HTTP:   &client,
		log:    o.Logger,
		budget: o.Budget(),
	}
}

func NoRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// RoundTrip implements http.RoundTripper.
func (p *Client) RoundTrip(req *http.Request) (*http.Response, error) { return p.Do(req) }

const (
	maxTries = 4
	maxWait  = 90 * time.Second // longer than this and a person should know
)

// Do sends the request. The reply of the last try is returned whatever its status.
func (p *Client) Do(req *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := p.send(req)
		wait, again := retryAfter(req, resp, err, try)
		if !again || try == maxTries || req.Context().Err() != nil {
			return resp, err
		}

		if resp != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
			resp.Body.Close()
		}

		if deadline, ok := req.Context().Deadline(); wait > maxWait ||
			ok && time.Until(deadline) < wait {
			return nil, fmt.Errorf("rate limited: the API asks to wait %v; run this again then",
				wait.Round(time.Second))
		}

		p.log.Warn("trying again", "provider", p.api, "wait", wait, "method", req.Method,
			"err", err)

		if err := zone.Sleep(req.Context(), wait); err != nil {
			return nil, err
		}

		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// send sends a request once, as soon as the account's budget has room for it.
func (p *Client) send(req *http.Request) (*http.Response, error) {
	if p.budget != nil {
		if err := p.budget.Wait(req.Context(), 1); err != nil {
			return nil, err
		}
	}

	resp, err := p.HTTP.Do(req)
	if err == nil && p.budget != nil {
		p.budget.Heard(resp.Header, resp.StatusCode)
	}

	return resp, err
}

// Reading marks ctx for a request that changes nothing although it is no GET, so that it may
// be tried again.
func Reading(ctx context.Context) context.Context {
	return context.WithValue(ctx, readingKey{},
		true)
}

type readingKey struct{}

func reads(req *http.Request) bool {
	return req.Method == http.MethodGet || req.Context().Value(readingKey{}) != nil
}

// retryAfter says whether and when to try again. Retry-After is seconds or a date (RFC 9110
// section 10.2.3).
func retryAfter(req *http.Request, resp *http.Response, err error, try int) (time.Duration, bool) {
	backoff := time.Second << (try - 1)
	switch {
	case errors.As(err, &zone.BudgetError{}):
		return 0, false // nothing was sent
	case err != nil:
		return backoff, reads(req)
	case resp.StatusCode == http.StatusTooManyRequests:
	case resp.StatusCode >= 500 && reads(req):
	default:
		return 0, false
	}

	if after, told := retryAfterHeader(resp.Header); told {
		return after, true
	}

	return backoff, true
}

// retryAfterHeader is how long a reply asks to wait; told is false if it does not say.
func retryAfterHeader(h http.Header) (after time.Duration, told bool) {
	text := h.Get("Retry-After")
	if n, err := strconv.Atoi(text); err == nil && n >= 0 {
		return record.Seconds(n), true
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0), true
	}

	return 0, false
}
