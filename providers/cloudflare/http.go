package cloudflare

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/mailpub/mailpub/providers/webapi"
)

const cloudflareURL = "https://api.cloudflare.com/client/v4"

// Call makes one request. result, if any, is filled from the reply; pages is how many
// there are, 0 where the reply does not say.
func (c *cloudflareClient) Call(ctx context.Context, method, path, token string, body, result any) (pages int, err error) {
	var payload []byte
	if body != nil {
		if payload, err = json.Marshal(body); err != nil {
			return 0, err
		}
	}

	req, err := http.NewRequestWithContext(ctx, method, cloudflareURL+path,
		bytes.NewReader(payload))

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
		return 0, fmt.Errorf("cloudflare: HTTP %d with a reply that is not JSON: %w",
			resp.StatusCode, broken)
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

// jsonOnly is the HTTP client of libdns/cloudflare, which says of a web page only that it
// does not begin like JSON.
type jsonOnly struct{ *webapi.Client }

// Do sends the request. A web page is an error that tells its status.
func (c jsonOnly) Do(req *http.Request) (*http.Response, error) {
	resp, err := c.Client.Do(req)
	if err != nil {
		return nil, err
	}

	defer resp.Body.Close()

	text, err := io.ReadAll(io.LimitReader(resp.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	if !json.Valid(text) {
		return nil, fmt.Errorf("HTTP %d: %s", resp.StatusCode, webapi.ReplyText(text))
	}

	resp.Body = io.NopCloser(bytes.NewReader(text))
	return resp, nil
}
