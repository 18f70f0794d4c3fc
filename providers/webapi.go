package providers

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
)

// webAPI speaks JSON with a provider's web interface.
type webAPI struct {
	name    string // the provider's, for errors
	base    string // without a slash at the end
	client  *politeClient
	timeout time.Duration // of one call, waiting for the rate limit included
	// auth puts the credentials into a request; payload is its body. Nil: there are none.
	auth  func(req *http.Request, payload []byte) error
	hints map[int]string // what to do about a status, in one line
	codec *codec         // nil is JSON
}

// codec is how an interface writes what it says.
type codec struct {
	mime      string
	marshal   func(any) ([]byte, error)
	unmarshal func([]byte, any) error
	refusal   func([]byte) string // what an error says to people; nil is plain
}

var jsonCodec = codec{mime: "application/json", marshal: json.Marshal, unmarshal: json.Unmarshal}

// newWebAPI returns the interface at base, with the client of o and the usual deadline.
func newWebAPI(name, base string, o Options, auth func(*http.Request, []byte) error, hints map[int]string) webAPI {
	return webAPI{name: name, base: base, client: newPolite(name, o), timeout: 2 * time.Minute, auth: auth, hints: hints}
}

// keyIn puts a key into a header: name, value, name, value ...
func keyIn(headers ...string) func(*http.Request, []byte) error {
	return func(req *http.Request, _ []byte) error {
		for i := 0; i+1 < len(headers); i += 2 {
			req.Header.Set(headers[i], headers[i+1])
		}
		return nil
	}
}

// call makes one request. result, if not nil, is filled from the reply. The error is a
// webError where the API refused.
func (a *webAPI) call(ctx context.Context, method, path string, body, result any) (http.Header, error) {
	ctx, cancel := context.WithTimeout(ctx, a.timeout)
	defer cancel()
	codec := a.codec
	if codec == nil {
		codec = &jsonCodec
	}
	req, err := a.request(ctx, codec, method, path, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
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
		return nil, a.refused(codec, resp.StatusCode, text)
	}
	if result != nil {
		if err := codec.unmarshal(text, result); err != nil {
			return nil, fmt.Errorf("%s: HTTP %d with a reply that is not of this interface (%s): %w",
				a.name, resp.StatusCode, plain(text), err)
		}
	}
	return resp.Header, nil
}

func (a *webAPI) request(ctx context.Context, codec *codec, method, path string, body any) (*http.Request, error) {
	var payload []byte
	if body != nil {
		var err error
		if payload, err = codec.marshal(body); err != nil {
			return nil, err
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(payload))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", codec.mime)
	if body != nil {
		req.Header.Set("Content-Type", codec.mime)
	}
	if a.auth != nil {
		err = a.auth(req, payload)
	}
	return req, err
}

func (a *webAPI) refused(codec *codec, status int, text []byte) error {
	e := webError{api: a.name, status: status, text: plain(text), hint: a.hints[status]}
	if codec.refusal != nil {
		e.text = codec.refusal(text)
	}
	return e
}

// refusedWith reports whether err is the interface's refusal with a status.
func refusedWith(err error, status int) bool {
	e := webError{}
	return errors.As(err, &e) && e.status == status
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
	var reply any
	if json.Unmarshal(body, &reply) == nil {
		if list, ok := reply.([]any); ok && len(list) > 0 { // IONOS
			reply = list[0]
		}
		fields, _ := reply.(map[string]any)
		inner, _ := fields["error"].(map[string]any) // Hetzner; PowerDNS says a string here
		for _, s := range []any{fields["error"], inner["message"], fields["detail"], fields["message"]} {
			if s, ok := s.(string); ok && s != "" {
				text = s
			}
		}
	}
	return oneLine(text)
}

// oneLine returns text on one line of bounded length.
func oneLine(text string) string {
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > 200 {
		text = text[:200] + " ..."
	}
	if text == "" {
		return "without a word"
	}
	return text
}

// number is a number in JSON, or one in quotes; null is 0.
type number int

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(text []byte) error {
	s := strings.Trim(string(text), `"`)
	if s == "" || s == "null" {
		*n = 0
		return nil
	}
	i, err := strconv.Atoi(s)
	*n = number(i)
	return err
}
