package providers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// webAPI speaks JSON with a provider's web interface.
type webAPI struct {
	name    string // the provider's, for errors
	base    string // without a slash at the end
	header  [2]string
	client  *politeClient
	timeout time.Duration // of one call, waiting for the rate limit included
	// explain says what to do about a status, in one line; "" when there is nothing to add.
	explain func(status int) string
}

// call makes one request. result, if not nil, is filled from the reply. The error is a
// webError where the API refused.
func (a *webAPI) call(ctx context.Context, method, path string, body, result any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	var payload []byte
	if body != nil {
		var err error
		if payload, err = json.Marshal(body); err != nil {
			return nil, fmt.Errorf("%s: %w", a.name, err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(payload))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	req.Header.Set(a.header[0], a.header[1])
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return nil, fmt.Errorf("%s: HTTP %d: the address leads on to %q, and a key is not sent there", a.name, resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp.StatusCode >= 300 {
		return nil, webError{a.name, resp.StatusCode, plain(text), a.explain(resp.StatusCode)}
	}
	if result != nil {
		if err := json.Unmarshal(text, result); err != nil {
			return nil, fmt.Errorf("%s: HTTP %d with a reply that is not the JSON of this interface (%s): %w",
				a.name, resp.StatusCode, plain(text), err)
		}
	}
	return resp.Header, nil
}

// webError is a refusal by a web interface.
type webError struct {
	api    string
	status int
	text   string
	hint   string
}

func (e webError) Error() string {
	s := fmt.Sprintf("%s: HTTP %d: %s", e.api, e.status, e.text)
	if e.hint != "" {
		s += "; " + e.hint
	}
	return s
}

// plain returns what a reply says to people, on one short line.
func plain(body []byte) string {
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") {
		return "a web page instead of an answer: is this the address of the interface, or does a proxy stand before it?"
	}
	var reply struct {
		Error           any // PowerDNS says a string here, Hetzner an object
		Detail, Message string
	}
	if json.Unmarshal(body, &reply) == nil {
		inner, _ := reply.Error.(map[string]any)
		for _, s := range []any{reply.Error, inner["message"], reply.Detail, reply.Message} {
			if s, ok := s.(string); ok && s != "" {
				text = s
			}
		}
	}
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = text[:200] + " ..."
	}
	if text == "" {
		return "without a word"
	}
	return text
}
