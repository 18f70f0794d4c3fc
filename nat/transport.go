package nat

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/huin/goupnp"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/trace"
)

// longest is the most that is read of a router's answer; descriptions are about 5 KB.
const longest = 256 << 10

// newClient returns the HTTP client for a router. It uses no proxy, whatever the
// environment says: a proxy is never nearer to the router. It follows a redirect of a
// description on the same host, and no other. It keeps no connection: routers close them, and a
// request that then fails may have been carried out. Time-outs are the requests' contexts'.
func newClient() *http.Client { return clientFrom(egress.Dialer()) }

func clientFrom(d *net.Dialer) *http.Client {
	return &http.Client{
		Transport: &sanitizingTransport{RoundTripper: &http.Transport{
			DisableKeepAlives:  true,
			DisableCompression: true,
			DialContext:        dialTolerant(d),
		}},
		CheckRedirect: func(to *http.Request, via []*http.Request) error {
			first := via[0]
			if first.Method != http.MethodGet || to.URL.Scheme != "http" ||
				to.URL.Hostname() != first.URL.Hostname() || len(via) > 3 {
				return errors.New("a router that redirects")
			}
			return nil
		},
	}
}

// sanitizingTransport hands on answers in a form that a strict XML parser takes: whole, not too
// long, and in UTF-8, which routers promise and break. Answers to actions it reads by text
// and writes anew (see readSOAP).
type sanitizingTransport struct {
	http.RoundTripper
	capitals atomic.Bool // it wants the name of the action's header in capitals
}

func (l *sanitizingTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	call, _ := req.Context().Value(soapKey{}).(*soapCall)
	resp, err := trace.Do("upnp", req, func(req *http.Request) (*http.Response, error) {
		return l.roundTrip(req, call)
	})

	if call != nil {
		call.err = err
	}

	return resp, err
}

func (l *sanitizingTransport) roundTrip(req *http.Request, call *soapCall) (*http.Response, error) {
	service, action := soapAction(req)
	if action == "" {
		resp, err := l.RoundTripper.RoundTrip(req)
		if err != nil {
			return nil, err
		}

		body, err := readAnswer(resp)
		if err != nil {
			return nil, err
		}

		return withBody(resp, body), nil
	}

	sent, err := io.ReadAll(io.LimitReader(req.Body, longest))
	req.Body.Close()
	if err != nil {
		return nil, err
	}

	a := act{
		service: service,
		to:      service,
		action:  action,
		body:    sent,
	}

	if call != nil && call.service != "" {
		a.to = call.service
		a.body = bytes.Replace(sent, []byte(service), []byte(a.to), 1)
	}

	resp, err := l.ask(req, a)
	var page *pageError
	if errors.As(err, &page) && (page.status >= 400 || page.what == aPage) {
		// Some routers know the header by one spelling of its name alone.
		l.capitals.Store(!l.capitals.Load())
		again, e := l.ask(req, a)
		if e == nil {
			return again, nil
		}
		l.capitals.Store(!l.capitals.Load())
	}

	return resp, err
}

// act is a request for an action.
type act struct {
	service string // as the library has it
	to      string // as the router has it
	action  string
	body    []byte
}

// ask asks for an action, by one of the spellings that the header with its name has in use.
func (l *sanitizingTransport) ask(req *http.Request, a act) (*http.Response, error) {
	spelt := req.Clone(req.Context())
	for name := range spelt.Header {
		if strings.EqualFold(name, "SOAPACTION") {
			delete(spelt.Header, name)
		}
	}

	name := "SOAPAction" // as in most clients
	if l.capitals.Load() {
		name = "SOAPACTION" // as in the standard
	}

	spelt.Header[name] = []string{`"` + a.to + "#" + a.action + `"`}
	spelt.Body = io.NopCloser(bytes.NewReader(a.body))
	spelt.ContentLength = int64(len(a.body))
	resp, err := l.RoundTripper.RoundTrip(spelt)
	if err != nil {
		return nil, err
	}

	body, err := readAnswer(resp)
	switch {
	case err != nil:
		return nil, err
	case resp.StatusCode >= 300 && resp.StatusCode < 400:
		return withBody(resp, body), nil
	}

	answer, err := readSOAP(a.action, resp.StatusCode, string(body))
	if err != nil {
		return nil, err
	}

	resp.StatusCode, body = canonicalSOAP(a.action, a.service, answer)
	resp.Status = http.StatusText(resp.StatusCode)
	return withBody(resp, body), nil
}

// readAnswer reads a body in a form that a strict parser takes.
func readAnswer(resp *http.Response) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(resp.Body, longest+1))
	resp.Body.Close()
	if errors.Is(err, io.ErrUnexpectedEOF) && endsWhole(body) {
		err = nil // a wrong Content-Length: all is there
	}

	if err != nil {
		return nil, err
	}
	if len(body) > longest {
		return nil, fmt.Errorf("an answer of more than %d KB", longest>>10)
	}

	return sanitizeXML(body), nil
}

func withBody(resp *http.Response, body []byte) *http.Response {
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp
}

// soapAction returns the service and the action of a request; "" where it is none.
func soapAction(req *http.Request) (service, action string) {
	for name, values := range req.Header {
		if strings.EqualFold(name, "SOAPACTION") && len(values) > 0 {
			service, action, _ = strings.Cut(strings.Trim(values[0], `"`), "#")
		}
	}
	return service, action
}

// sanitizeXML makes valid UTF-8 of what a router calls XML: without the declaration, which
// may name any encoding, and without bytes and characters that XML forbids.
func sanitizeXML(body []byte) []byte {
	body = bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")), " \t\r\n\x00")
	if bytes.HasPrefix(body, []byte("<?xml")) {
		if _, rest, ok := bytes.Cut(body, []byte("?>")); ok {
			body = rest
		}
	}

	return bytes.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, bytes.ToValidUTF8(body, []byte("?")))
}

// fetchDescription fetches and parses a device description. goupnp's own fetching has
// no limit and an HTTP client of its own.
func fetchDescription(ctx context.Context, location *url.URL, client *http.Client, timeout time.Duration) (*goupnp.RootDevice, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, http.MethodGet, location.String(), nil)
	if err != nil {
		return nil, err
	}

	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}

	defer resp.Body.Close()

	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the router answers %s", resp.Status)
	}

	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}

	return parseDescription(body, resp.Request.URL)
}

// parseDescription reads a description strictly, and by text where that fails or finds no
// connection in it.
func parseDescription(body []byte, location *url.URL) (*goupnp.RootDevice, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.DefaultSpace = goupnp.DeviceXMLNamespace
	root := new(goupnp.RootDevice)
	if err := dec.Decode(root); err != nil || len(services(root)) == 0 {
		byText, e := describeByText(string(body))
		switch {
		case e == nil:
			root = byText
		case err != nil:
			return nil, fmt.Errorf("not a device description: %w", err)
		}
	}

	base := location
	// URLBase may be missing, relative or wrong (it is gone since UPnP 1.1): only one
	// that is a whole URL counts.
	if u, err := url.Parse(strings.TrimSpace(root.URLBaseStr)); err == nil && u.IsAbs() &&
		u.Host != "" {
		base = u
	}

	root.SetURLBase(base)
	return root, nil
}
