package mdaemon

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/net/html/charset"

	"github.com/mailpub/mailpub/plan/egress"
	"github.com/mailpub/mailpub/plan/sockerr"
	"github.com/mailpub/mailpub/plan/trace"
)

// Limits of a call.
const (
	callTimeout = 15 * time.Second
	maxAnswer   = 1 << 20
)

// Errors that a caller tells apart.
var (
	ErrLogin   = errors.New("MDaemon refuses the login")
	ErrAddress = errors.New("MDaemon does not answer this address")
)

// Client calls MDaemon's XML API. Not safe for concurrent use.
type Client struct {
	URL      string // https://mail.example.org:444/MdMgmtWS/
	User     string // full address of a global administrator
	Password func(context.Context) (string, error)

	// CAFile holds the certificates, in PEM, that may have signed the server's. Fingerprint is
	// the SHA-256 of the server's own, in hex; then nothing else about it counts. With neither
	// the system's authorities do.
	CAFile, Fingerprint string

	http    *http.Client
	refused error // a login that was refused is not tried again: Dynamic Screening counts
}

// Status is MDaemon's verdict on a call; ID 0 is success.
type Status struct {
	ID      string `xml:"id,attr"`
	Value   string `xml:"value,attr"`
	Message string `xml:"message,attr"`
}

// Answer is what MDaemon says to a call: what all operations have in common, and the Result as it is.
type Answer struct {
	Product string // version of MDaemon
	Status  Status
	Result  []byte // the inner XML; nil where there is none
}

// ok is nil where MDaemon did as it was asked. Its message is localised, so that the code decides.
func (a Answer) ok(operation string) error {
	if a.Status.ID == "0" {
		return nil
	}
	return fmt.Errorf("MDaemon refuses %s: %s (%s)", operation, a.Status.Message,
		a.Status.Value)
}

func (c *Client) call(ctx context.Context, operation string, parameters ...element) (Answer, error) {
	if c.refused != nil {
		return Answer{}, c.refused
	}

	password, err := c.Password(ctx)
	if err != nil {
		return Answer{}, err
	}

	if c.http == nil {
		if c.http, err = c.connect(); err != nil {
			return Answer{}, err
		}
	}

	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()

	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL,
		bytes.NewReader(request(operation, parameters)))

	if err != nil {
		return Answer{}, err
	}

	req.Header.Set("Content-Type", "text/xml")
	req.SetBasicAuth(c.User, password)
	res, err := trace.Do("mdaemon", req, c.http.Do)
	if err != nil {
		return Answer{}, sockerr.Plain(fmt.Errorf("MDaemon's XML API at %s: %w", c.URL, withoutAddresses(err)))
	}

	defer res.Body.Close()

	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return Answer{}, fmt.Errorf("MDaemon's XML API at %s: %s: %w", c.URL, operation,
			withoutAddresses(err))
	}

	a, err := c.parseAnswer(res, body)
	if err != nil {
		return a, fmt.Errorf("MDaemon's XML API at %s: %s: %w", c.URL, operation, err)
	}

	return a, nil
}

// parseAnswer reads the common part of an answer.
func (c *Client) parseAnswer(res *http.Response, body []byte) (Answer, error) {
	switch {
	case res.StatusCode == http.StatusUnauthorized:
		c.refused = fmt.Errorf("%w of %s: see service.settings.user and password, and that the account is a global administrator; mailpub tries no second time, so that Dynamic Screening does not block this machine",
			ErrLogin, c.User)
		return Answer{}, c.refused
	case res.StatusCode == http.StatusForbidden:
		return Answer{}, fmt.Errorf("%w: allow it under Setup > XML API Service > Address Restrictions (since MDaemon 24)",
			ErrAddress)
	case res.StatusCode/100 == 3:
		return Answer{}, fmt.Errorf("is sent on to %q, want the address of /MdMgmtWS/ itself in service.settings.url",
			res.Header.Get("Location"))
	case res.StatusCode != http.StatusOK:
		return Answer{}, fmt.Errorf("answers %s", res.Status)
	}

	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "text/html" {
		return Answer{}, errors.New("answers with a web page: something else is at that address, want that of /MdMgmtWS/ in service.settings.url")
	}

	var doc struct {
		XMLName xml.Name `xml:"MDaemon"`
		API     struct {
			Product  string `xml:"productversion,attr"`
			Response struct {
				Status *Status
				Result *struct {
					XML []byte `xml:",innerxml"`
				}
			}
		}
	}

	if err := decodeAnswer(body, &doc); err != nil || doc.API.Response.Status == nil {
		return Answer{}, errors.New("answers something that is not the XML API's: no MDaemon, or one that mailpub does not know")
	}

	a := Answer{Product: doc.API.Product, Status: *doc.API.Response.Status}
	if r := doc.API.Response.Result; r != nil {
		a.Result = r.XML
	}

	return a, nil
}

// decodeAnswer reads XML in the charset that it declares, or else whatever it is in: messages are localised.
func decodeAnswer(body []byte, doc any) error {
	d := xml.NewDecoder(bytes.NewReader(body))
	d.CharsetReader = charset.NewReaderLabel
	if err := d.Decode(doc); err == nil {
		return nil
	}
	return xml.Unmarshal(bytes.ToValidUTF8(body, []byte("?")), doc)
}

// connect makes the HTTP client. It follows no redirection: the password goes nowhere else.
func (c *Client) connect() (*http.Client, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CAFile != "" {
		pem, err := os.ReadFile(c.CAFile)
		if err != nil {
			return nil, err
		}

		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate in PEM", c.CAFile)
		}
	}

	if c.Fingerprint != "" {
		want := strings.ToLower(strings.ReplaceAll(c.Fingerprint, ":", ""))
		config.InsecureSkipVerify = true // VerifyConnection takes its place
		config.VerifyConnection = func(s tls.ConnectionState) error {
			sum := sha256.Sum256(s.PeerCertificates[0].Raw)
			if got := hex.EncodeToString(sum[:]); got != want {
				return fmt.Errorf("the server's certificate has the SHA-256 %s, service.settings.fingerprint wants %s",
					got, want)
			}
			return nil
		}
	}

	return &http.Client{
		Transport: &http.Transport{
			TLSClientConfig:   config,
			DialContext:       (&net.Dialer{Timeout: callTimeout, ControlContext: egress.Control}).DialContext,
			DisableKeepAlives: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}, nil
}

// withoutAddresses says what a reader needs of a network error.
func withoutAddresses(err error) error {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer within %v", callTimeout)
	case errors.As(err, &unknown):
		return errors.New("its certificate is of no known authority: give its SHA-256 as service.settings.fingerprint, or a CA file as service.settings.ca_file")
	case errors.As(err, &name):
		return errors.New("its certificate is for another name: use that in service.settings.url, or give its SHA-256 as service.settings.fingerprint")
	}

	return err
}
