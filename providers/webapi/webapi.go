package webapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mailpub/mailpub/providers/zone"
)

// API speaks JSON with a provider's web interface.
type API struct {
	name    string // the provider's, for errors
	base    string // without a slash at the end
	Client  *Client
	timeout time.Duration // of one call, waiting for the rate limit included
	// auth puts the credentials into a request; payload is its body. Nil: there are none.
	Auth  func(req *http.Request, payload []byte) error
	hints map[int]string // what to do about a status, in one line
	Codec *Codec         // nil is JSON
}

// Codec is how an interface writes what it says.
type Codec struct {
	Mime      string
	Marshal   func(any) ([]byte, error)
	Unmarshal func([]byte, any) error
	Refusal   func([]byte) string // what an error says to people; nil is plain
}

var jsonCodec = Codec{
	Mime:      "application/json",
	Marshal:   json.Marshal,
	Unmarshal: json.Unmarshal,
}

// New returns the interface at base, with the client of o and the usual deadline.
func New(name, base string, o zone.Options, auth func(*http.Request, []byte) error, hints map[int]string) API {
	return API{
		name:    name,
		base:    base,
		Client:  NewClient(name, o),
		timeout: 2 * time.Minute,
		Auth:    auth,
		hints:   hints,
	}
}

// KeyIn puts a key into a header: name, value, name, value ...
func KeyIn(headers ...string) func(*http.Request, []byte) error {
	return func(req *http.Request, _ []byte) error {
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		return nil
	}
}

// Call makes one request. result, if not nil, is filled from the reply. The error is a
// webError where the API refused.
func (a *API) Call(ctx context.Context, method, path string, body, result any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()

	codec := a.Codec
	if codec == nil {
		codec = &jsonCodec
	}

	req, err := a.request(ctx, codec, method, path, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}

	resp, err := a.Client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}

	defer resp.Body.Close()

	text, err := io.ReadAll(io.LimitReader(resp.Body, 64<<20))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	if resp.StatusCode >= 300 && resp.StatusCode < 400 {
		return nil, fmt.Errorf("%s: HTTP %d: the server redirects to %q, and mailpub does not send the key there",
			a.name, resp.StatusCode, resp.Header.Get("Location"))
	}
	if resp.StatusCode >= 300 {
		return nil, a.refused(codec, resp.StatusCode, text)
	}

	if result != nil {
		if err := codec.Unmarshal(text, result); err != nil {
			return nil, fmt.Errorf("%s: HTTP %d with a reply that is not of this interface (%s): %w",
				a.name, resp.StatusCode, ReplyText(text), err)
		}
	}

	return resp.Header, nil
}

func (a *API) request(ctx context.Context, codec *Codec, method, path string, body any) (*http.Request, error) {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = codec.Marshal(body); err != nil {
			return nil, err
		}
	}

	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}

	req.Header.Set("Accept", codec.Mime)
	if body != nil {
		req.Header.Set("Content-Type", codec.Mime)
	}

	if a.Auth != nil {
		err = a.Auth(req, payload)
	}

	return req, err
}

func (a *API) refused(codec *Codec, status int, text []byte) error {
	e := Error{
		API:    a.name,
		Status: status,
		Text:   ReplyText(text),
		Hint:   a.hints[status],
	}

	if codec.Refusal != nil {
		e.Text = codec.Refusal(text)
	}

	return e
}

// RefusedWith reports whether err is the interface's refusal with a status.
func RefusedWith(err error, status int) bool {
	e := Error{}
	return errors.As(err, &e) && e.Status == status
}

// Error is a refusal by a web interface.
type Error struct {
	API    string
	Status int
	Text   string
	Hint   string
}

func (e Error) Error() string {
	s := fmt.Sprintf("%s: HTTP %d: %s", e.API, e.Status, e.Text)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// ReplyText returns what a reply says to people, on one short line.
func ReplyText(body []byte) string {
	text := strings.TrimSpace(string(body))
	if strings.HasPrefix(text, "<") {
		return "the answer is a web page: is this the address of the API, or is a proxy in front of it?"
	}

	var reply any
	if json.Unmarshal(body, &reply) == nil {
		if list, ok := reply.([]any); ok && len(list) > 0 { // IONOS
			reply = list[0]
		}

		fields, _ := reply.(map[string]any)
		inner, _ := fields["error"].(map[string]any) // Hetzner; PowerDNS says a string here
		for _, s := range []any{fields["error"], inner["message"], fields["detail"],
			fields["message"]} {
			if s, ok := s.(string); ok && s != "" {
				text = s
			}
		}
	}

	return OneLine(text)
}

// OneLine returns text on one line of bounded length.
func OneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = text[:200] + " ..."
	}

	if text == "" {
		return "without a word"
	}

	return text
}

// JSONInt is a number in JSON, or one in quotes; null is 0.
type JSONInt int

// UnmarshalJSON implements json.Unmarshaler.
func (n *JSONInt) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if s == "" || s == "null" {
		*n = 0
		return nil
	}

	i, err := strconv.Atoi(s)
	*n = JSONInt(i)
	return err
}
