package probe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/netip"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
)

// maxAnswer bounds what a probe may say, in octets.
const maxAnswer = 4 << 20

// ErrBusy says that the probe wants to be asked later.
var ErrBusy = errors.New("the probe wants to be asked later")

// ErrInside says that the probe is behind the public address that it should look at. What it sees by
// way of the router there (hairpin) is not what strangers see.
var ErrInside = errors.New("the probe is not outside")

// Client asks a probe. Safe for concurrent use.
type Client struct {
	URL   string // of the probe, without a path
	Token string

	// Fingerprint is the SHA-256 of the probe's certificate, in hex; colons don't count. With
	// it the certificate need not be known to anybody else. Empty: the system's roots decide.
	Fingerprint string
}

// Check asks for a look at this machine's public address.
func (c *Client) Check(ctx context.Context, r Request) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	r.Format = Format
	body, err := json.Marshal(r)
	if err != nil {
		return Answer{}, err
	}

	request, err := http.NewRequestWithContext(ctx, http.MethodPost,
		strings.TrimSuffix(c.URL, "/")+"/v1/look", bytes.NewReader(body))

	if err != nil {
		return Answer{}, err
	}

	request.Header.Set("Authorization", "Bearer "+c.Token)
	request.Header.Set("Content-Type", "application/json")
	var at net.Addr
	request = request.WithContext(httptrace.WithClientTrace(ctx,
		&httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) {
			at = i.Conn.RemoteAddr()
		}}))

	client := http.Client{
		Transport: c.transport(),
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}

	response, err := trace.Do("probe", request, client.Do)
	if err != nil {
		return Answer{}, sockerr.Plain(fmt.Errorf("probe %s: %w", c.URL, err))
	}

	defer response.Body.Close()

	text, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("probe %s: %w", c.URL, err)
	}

	a, err := read(c.URL, response.StatusCode, text)
	if to, _ := netip.ParseAddrPort(at.String()); err == nil &&
		to.Addr().Unmap() == a.Seen.Unmap() {
		return Answer{}, fmt.Errorf("probe %s: %w: it has the address %s itself", c.URL,
			ErrInside, a.Seen)
	}

	return a, err
}

func read(at string, status int, text []byte) (a Answer, err error) {
	var no struct{ Format, Error string }
	if err := json.Unmarshal(text, &no); err != nil || no.Format != Format {
		return a, fmt.Errorf("probe %s: the server that answers is not a probe (HTTP %d)", at,
			status)
	}

	switch {
	case status == http.StatusTooManyRequests:
		return a, fmt.Errorf("probe %s: %w: %s", at, ErrBusy, no.Error)
	case status == http.StatusUnauthorized:
		return a, fmt.Errorf("probe %s: it does not know this token", at)
	case status != http.StatusOK:
		return a, fmt.Errorf("probe %s: %s", at, no.Error)
	}

	if err := json.Unmarshal(text, &a); err != nil {
		return a, fmt.Errorf("probe %s: %w", at, err)
	}

	return a, nil
}

func (c *Client) transport() http.RoundTripper {
	t := &http.Transport{
		DialContext:           egress.Dialer().DialContext,
		DisableKeepAlives:     true,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: callTimeout,
	}

	if c.Fingerprint == "" {
		return t
	}

	want := strings.ToLower(strings.ReplaceAll(c.Fingerprint, ":", ""))
	t.TLSClientConfig = &tls.Config{
		InsecureSkipVerify: true,
		MinVersion:         tls.VersionTLS12,
		VerifyConnection: func(s tls.ConnectionState) error {
			if got := Fingerprint(s.PeerCertificates[0]); got != want {
				return fmt.Errorf("its certificate has the fingerprint %s, not the one in the config", got)
			}
			return nil
		},
	}

	return t
}

// Fingerprint returns the SHA-256 of a certificate in hex.
func Fingerprint(c *x509.Certificate) string {
	sum := sha256.Sum256(c.Raw)
	return hex.EncodeToString(sum[:])
}
