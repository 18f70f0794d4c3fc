package zone

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

const (
	// maxReply bounds the reply of a provider, in octets.
	maxReply = 64 << 20

	// minSecret is the shortest text that is taken out: a shorter one stands in many words.
	minSecret = 6

	// scrubbed stands in the place of a secret.
	scrubbed = "[secret]"
)

// scrubber takes the secrets in use out of whatever a provider, or a proxy before it, sends back, before
// anything reads it: so no error, log, page or ledger can show one. It bounds replies too.
type scrubber struct {
	next    http.RoundTripper
	secrets []string
}

// scrubbing returns an HTTP client that never hands a secret of the settings back.
func (p Provider) scrubbing(o Options) *http.Client {
	client := http.Client{Timeout: 20 * time.Second}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}

	next := client.Transport
	if next == nil {
		next = http.DefaultTransport
	}

	client.Transport = scrubber{next: next, secrets: spellings(p.secrets(o.Settings))}
	return &client
}

// secrets are the values of a provider's secret settings.
func (p Provider) secrets(settings map[string]string) (values []string) {
	for _, s := range p.Settings {
		if v := settings[s.Name]; s.Secret && len(v) >= minSecret {
			values = append(values, v)
		}
	}
	return values
}

// spellings are the texts that secrets come back as: as they are, and in the encodings of URLs, JSON and
// Basic authentication. The longest come first.
func spellings(secrets []string) (all []string) {
	for _, s := range secrets {
		inJSON, err := json.Marshal(s)
		if err == nil {
			all = append(all, strings.Trim(string(inJSON), `"`))
		}

		all = append(all, s, url.QueryEscape(s), url.PathEscape(s),
			base64.StdEncoding.EncodeToString([]byte(s)),
			base64.RawStdEncoding.EncodeToString([]byte(s)),
			base64.URLEncoding.EncodeToString([]byte(s)),
			base64.RawURLEncoding.EncodeToString([]byte(s)))
	}

	slices.SortFunc(all, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(all)
}

// RoundTrip implements http.RoundTripper.
func (s scrubber) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		if text := s.clean(err.Error()); text != err.Error() {
			return nil, errors.New(text)
		}
		return nil, err
	}

	for name, values := range resp.Header {
		for i, v := range values {
			resp.Header[name][i] = s.clean(v)
		}
	}

	resp.Status = s.clean(resp.Status)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	resp.Body.Close()

	switch {
	case err != nil:
		return nil, err
	case len(body) > maxReply:
		return nil, fmt.Errorf("the reply is larger than %d MiB", maxReply>>20)
	}

	for _, secret := range s.secrets {
		body = bytes.ReplaceAll(body, []byte(secret), []byte(scrubbed))
	}

	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

func (s scrubber) clean(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, scrubbed)
	}
	return text
}
