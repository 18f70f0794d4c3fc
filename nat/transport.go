package nat

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/huin/goupnp"
)

// longest is the most that is read of a router's answer; descriptions are about 5 KB.
const longest = 256 << 10

// newClient returns the HTTP client for a router. It uses no proxy, whatever the
// environment says: a proxy is never nearer to the router. It follows no redirect. It
// keeps no connection: routers close them, and a request that then fails may have
// been carried out. Time-outs are the requests' contexts'.
func newClient() *http.Client {
	return &http.Client{
		Transport:     lenient{&http.Transport{DisableKeepAlives: true}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("a router that redirects") },
	}
}

// lenient hands on answers in a form that a strict XML parser takes: whole, not too
// long, and in UTF-8, which routers promise and break.
type lenient struct{ http.RoundTripper }

func (l lenient) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := l.RoundTripper.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, longest+1))
	resp.Body.Close()
	if err != nil {
		return nil, err
	}
	if len(body) > longest {
		return nil, fmt.Errorf("an answer of more than %d KB", longest>>10)
	}
	body = mend(body)
	resp.Body = io.NopCloser(bytes.NewReader(body))
	resp.ContentLength = int64(len(body))
	return resp, nil
}

// mend makes valid UTF-8 of what a router calls XML: without the declaration, which
// may name any encoding, and without bytes and characters that XML forbids.
func mend(body []byte) []byte {
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
	return parseDescription(body, location)
}

func parseDescription(body []byte, location *url.URL) (*goupnp.RootDevice, error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	dec.DefaultSpace = goupnp.DeviceXMLNamespace
	root := new(goupnp.RootDevice)
	if err := dec.Decode(root); err != nil {
		return nil, fmt.Errorf("not a device description: %w", err)
	}
	base := location
	// URLBase may be missing, relative or wrong (it is gone since UPnP 1.1): only one
	// that is a whole URL counts.
	if u, err := url.Parse(strings.TrimSpace(root.URLBaseStr)); err == nil && u.IsAbs() && u.Host != "" {
		base = u
	}
	root.SetURLBase(base)
	return root, nil
}
