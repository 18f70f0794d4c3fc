package mailbox

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/mailpub/mailpub/plan/egress"
)

// stepTimeout bounds a connection and a login.
const stepTimeout = 30 * time.Second

// Account is a mailbox elsewhere.
type Account struct {
	Address    string // mario@example.org
	Submission string // host:port; at 465 TLS comes first, elsewhere STARTTLS
	IMAP       string // host:port; at 993 TLS comes first, elsewhere STARTTLS
	User       string

	// Password returns the secret; it is an OAuth 2 access token where Token says so.
	Password func(context.Context) (string, error)
	Token    bool

	// Inside says that the servers are on the own network, where certificates are seldom made for the address: theirs
	// are not looked at, and one without TLS will do. TLS is used where it is offered.
	Inside bool

	// ServerName is the name that certificates must have; "" is the host of the address.
	ServerName string

	Roots *x509.CertPool                                                       // who vouches for certificates; nil: the system's
	Dial  func(ctx context.Context, network, address string) (net.Conn, error) // nil dials
}

// Errors that a caller tells apart.
var (
	ErrLogin = errors.New("the login is refused")
	ErrClear = errors.New("the server offers no TLS, and mailpub does not send passwords unencrypted")
)

func (a *Account) dial(ctx context.Context, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	if a.Dial != nil {
		return a.Dial(ctx, "tcp", address)
	}
	return egress.Dialer().DialContext(ctx, "tcp", address)
}

func (a *Account) tls(address string) *tls.Config {
	host, _, _ := net.SplitHostPort(address)
	return &tls.Config{
		ServerName:         cmp.Or(a.ServerName, host),
		RootCAs:            a.Roots,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: a.Inside,
	}
}

// loopback reports whether an address never leaves this machine, so that TLS adds nothing.
func loopback(address string) bool {
	host, _, _ := net.SplitHostPort(address)
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// login returns the SASL mechanism for the account: XOAUTH2 with a token, else PLAIN or LOGIN.
func (a *Account) login(ctx context.Context, plain bool) (sasl.Client, error) {
	secret, err := a.Password(ctx)
	if err != nil {
		return nil, err
	}
	if strings.ContainsAny(a.User+secret, "\r\n\x00") {
		return nil, errors.New("user or password has a line end in it")
	}

	switch {
	case a.Token:
		return &xoauth2{user: a.User, token: secret}, nil
	case plain:
		return sasl.NewPlainClient("", a.User, secret), nil
	}

	return sasl.NewLoginClient(a.User, secret), nil
}

// Submit hands a message in. The reply of a server that refuses it is in the error. whole is the message with
// CR LF line ends.
func (a *Account) Submit(ctx context.Context, from, to string, whole []byte) error {
	conn, err := a.dial(ctx, a.Submission)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Submission, err)
	}

	defer conn.Close()
	defer closeOnDone(ctx, conn)()

	if err := a.submit(ctx, conn, from, to, whole); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return fmt.Errorf("%s: %w", a.Submission, err)
	}

	return nil
}

// closeOnDone ends what is read and written on a connection when ctx does: the libraries know no contexts, and set
// deadlines of their own.
func closeOnDone(ctx context.Context, conn net.Conn) (stop func()) {
	after := context.AfterFunc(ctx, func() { conn.Close() })
	return func() { after() }
}

// Try logs in to the submission server, and hands nothing in.
func (a *Account) Try(ctx context.Context) error {
	conn, err := a.dial(ctx, a.Submission)
	if err != nil {
		return fmt.Errorf("%s: %w", a.Submission, err)
	}

	defer conn.Close()
	defer closeOnDone(ctx, conn)()

	c, err := a.smtpClient(ctx, conn)
	if err == nil {
		err = a.authenticate(ctx, c)
	}

	if err != nil {
		return fmt.Errorf("%s: %w", a.Submission, err)
	}

	c.Quit()
	return nil
}

func (a *Account) submit(ctx context.Context, conn net.Conn, from, to string, whole []byte) error {
	c, err := a.smtpClient(ctx, conn)
	if err != nil {
		return err
	}

	if a.User != "" {
		if err := a.authenticate(ctx, c); err != nil {
			return err
		}
	}

	if err := c.Mail(from, nil); err != nil {
		return fmt.Errorf("MAIL: %w", err)
	}
	if err := c.Rcpt(to, nil); err != nil {
		return fmt.Errorf("RCPT: %w", err)
	}

	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("DATA: %w", err)
	}
	if _, err := w.Write(whole); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("DATA: %w", err)
	}

	c.Quit()
	return nil
}

// smtpClient greets, under TLS wherever that is not the machine itself.
func (a *Account) smtpClient(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	_, port, _ := net.SplitHostPort(a.Submission)
	if port == "465" {
		secure := tls.Client(conn, a.tls(a.Submission))
		if err := secure.HandshakeContext(ctx); err != nil {
			return nil, fmt.Errorf("TLS: %w", err)
		}
		return smtp.NewClient(secure), nil
	}

	if a.User == "" || loopback(a.Submission) {
		return smtp.NewClient(conn), nil
	}
	if a.Inside {
		return a.startTLSWhereOffered(ctx, conn)
	}

	c, err := smtp.NewClientStartTLS(conn, a.tls(a.Submission))
	if err != nil {
		return nil, fmt.Errorf("STARTTLS: %w", err)
	}

	return c, nil
}

// startTLSWhereOffered takes a server without TLS for what it is.
func (a *Account) startTLSWhereOffered(ctx context.Context, conn net.Conn) (*smtp.Client, error) {
	c := smtp.NewClient(conn)
	if err := c.Hello("localhost"); err != nil {
		return nil, err
	}
	if ok, _ := c.Extension("STARTTLS"); !ok {
		return c, nil
	}

	c.Quit()
	again, err := a.dial(ctx, a.Submission)
	if err != nil {
		return nil, err
	}

	context.AfterFunc(ctx, func() { again.Close() })
	return smtp.NewClientStartTLS(again, a.tls(a.Submission))
}

func (a *Account) authenticate(ctx context.Context, c *smtp.Client) error {
	if err := c.Hello("localhost"); err != nil {
		return err
	}

	mechanism, err := a.login(ctx, c.SupportsAuth("PLAIN") || !c.SupportsAuth("LOGIN"))
	if err != nil {
		return err
	}
	if err := c.Auth(mechanism); err != nil {
		return fmt.Errorf("%w: %w", ErrLogin, err)
	}

	return nil
}

// xoauth2 is the mechanism of Google and Microsoft for access tokens.
type xoauth2 struct{ user, token string }

func (x *xoauth2) Start() (string, []byte, error) {
	return "XOAUTH2", []byte("user=" + x.user + "\x01auth=Bearer " + x.token + "\x01\x01"), nil
}

// Next answers the challenge that tells why a token is refused: an empty answer lets the server say so.
func (x *xoauth2) Next([]byte) ([]byte, error) { return []byte{}, nil }
