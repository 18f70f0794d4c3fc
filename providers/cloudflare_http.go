package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const cloudflareURL = "https://api.cloudflare.com/client/v4"

// call makes one request. result, if any, is filled from the reply; pages is how many
// there are, 0 where the reply does not say.
func (c *cloudflareClient) call(ctx context.Context, method, path, token string, body, result any) (pages int, err error) {
	var payload []byte
	if body != nil {
		if payload, err = json.Marshal(body); err != nil {
			return 0, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, cloudflareURL+path, bytes.NewReader(payload))
	if err != nil {
		return 0, err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("cloudflare: %w", err)
	}
	defer resp.Body.Close()
	var reply struct {
		Success bool
		Errors  []apiMessage
		Result  json.RawMessage
		Info    *struct {
			PerPage    int `json:"per_page"`
			TotalCount int `json:"total_count"`
			TotalPages int `json:"total_pages"`
		} `json:"result_info"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return 0, fmt.Errorf("cloudflare: %w", err)
	}
	broken := json.Unmarshal(text, &reply)
	if resp.StatusCode >= 400 || broken == nil && !reply.Success {
		return 0, apiError{status: resp.StatusCode, messages: reply.Errors}
	}
	if broken != nil {
		return 0, fmt.Errorf("cloudflare: HTTP %d with a reply that is not JSON: %w", resp.StatusCode, broken)
	}
	if info := reply.Info; info != nil {
		if pages = info.TotalPages; pages == 0 && info.PerPage > 0 {
			pages = (info.TotalCount + info.PerPage - 1) / info.PerPage
		}
	}
	if result != nil && len(reply.Result) > 0 {
		if err := json.Unmarshal(reply.Result, result); err != nil {
			return 0, fmt.Errorf("cloudflare: reply to %s: %w", method, err)
		}
	}
	return pages, nil
}

// apiMessage is one error in a reply; the chain holds the reasons of a validation error.
type apiMessage struct {
	Code    int          `json:"code"`
	Message string       `json:"message"`
	Chain   []apiMessage `json:"error_chain"`
}

func (m apiMessage) String() string {
	s := fmt.Sprintf("%s (code %d)", m.Message, m.Code)
	for _, c := range m.Chain {
		s += ": " + c.String()
	}
	return s
}

// apiError is a refusal by the API.
type apiError struct {
	status   int
	messages []apiMessage
}

func (e apiError) Error() string {
	var said []string
	for _, m := range e.messages {
		said = append(said, m.String())
	}
	s := fmt.Sprintf("cloudflare: HTTP %d", e.status)
	if len(said) > 0 {
		s += ": " + strings.Join(said, "; ")
	}
	if e.status == http.StatusUnauthorized || e.status == http.StatusForbidden {
		s += "; the token must be valid and have Zone:Read and DNS:Edit for this zone"
	}
	return s
}

// politeClient waits when the API asks it to, and tries again what is safe to try
// again: anything that was turned away by the rate limit, and reading. It implements
// the HTTPClient of libdns/cloudflare too.
type politeClient struct {
	client *http.Client
	log    *slog.Logger
}

const (
	maxTries = 4
	maxWait  = 90 * time.Second // longer than this and a person should know
)

// Do sends the request. The reply of the last try is returned whatever its status.
func (p *politeClient) Do(req *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := p.client.Do(req)
		wait, again := retryAfter(req, resp, err, try)
		if !again || try == maxTries || req.Context().Err() != nil {
			return resp, err
		}
		if resp != nil {
			_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20))
			resp.Body.Close()
		}
		if deadline, ok := req.Context().Deadline(); wait > maxWait || ok && time.Until(deadline) < wait {
			return nil, fmt.Errorf("rate limited: the API asks to wait %v; run this again then", wait.Round(time.Second))
		}
		p.log.Warn("cloudflare: trying again", "wait", wait, "method", req.Method, "err", err)
		if err := sleep(req.Context(), wait); err != nil {
			return nil, err
		}
		if req.GetBody != nil {
			if req.Body, err = req.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

// retryAfter says whether and when to try again. Retry-After is seconds or a date (RFC 9110
// section 10.2.3).
func retryAfter(req *http.Request, resp *http.Response, err error, try int) (time.Duration, bool) {
	backoff := time.Second << (try - 1)
	switch {
	case err != nil:
		return backoff, req.Method == http.MethodGet
	case resp.StatusCode == http.StatusTooManyRequests:
	case resp.StatusCode >= 500 && req.Method == http.MethodGet:
	default:
		return 0, false
	}
	after := resp.Header.Get("Retry-After")
	if n, err := strconv.Atoi(after); err == nil && n >= 0 {
		return seconds(n), true
	}
	if at, err := http.ParseTime(after); err == nil {
		return max(time.Until(at), 0), true
	}
	return backoff, true
}
