package zone

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/redact"
	"github.com/mailpub/mailpub/plan/trace"
)

// maxReply bounds the reply of a provider, in octets.
const maxReply = 64 << 20

// scrubber takes the secrets in use out of whatever a provider, or a proxy before it, sends back, before
// anything reads it: so no error, log, page or ledger can show one. It bounds replies too.
type scrubber struct {
	next    http.RoundTripper
	secrets *redact.Set
}

// scrubbing returns an HTTP client that never hands a secret of the settings back.
func (p Provider) scrubbing(o Options) *http.Client {
	client := http.Client{Timeout: 20 * time.Second, Transport: egress.HTTP()}
	if o.HTTPClient != nil {
		client = *o.HTTPClient
	}

	next := client.Transport
	if next == nil {
		next = egress.HTTP()
	}

	client.Transport = scrubber{next: next, secrets: p.secrets(o.Settings)}
	return &client
}

// secrets are the values of a provider's secret settings.
func (p Provider) secrets(settings map[string]string) *redact.Set {
	set := &redact.Set{}
	for _, s := range p.Settings {
		if s.Secret {
			set.Add(settings[s.Name])
		}
	}
	return set
}

// RoundTrip implements http.RoundTripper.
func (s scrubber) RoundTrip(req *http.Request) (*http.Response, error) {
	// Some providers have their secrets in the body of a request.
	trace.Redact(req.Context(), fmt.Sprintf("zone %p", s.secrets), s.secrets.Text)
	return trace.Do("https", req, s.roundTrip)
}

func (s scrubber) roundTrip(req *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(req)
	if err != nil {
		return nil, s.secrets.Error(err)
	}

	for name, values := range resp.Header {
		for i, v := range values {
			resp.Header[name][i] = s.secrets.Text(v)
		}
	}

	resp.Status = s.secrets.Text(resp.Status)
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxReply+1))
	resp.Body.Close()

	switch {
	case err != nil:
		return nil, err
	case len(body) > maxReply:
		return nil, fmt.Errorf("the reply is larger than %d MiB", maxReply>>20)
	}

	body = []byte(s.secrets.Text(string(body)))
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))

	return resp, nil
}
