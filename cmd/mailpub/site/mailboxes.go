package site

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc"
	mailcheck "github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/mailbox"
	"github.com/mailpub/mailpub/mailsvc/roundtrip"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/egress"
)

// Pauses between two looks, here and at a provider.
const (
	lookHere  = time.Second
	lookThere = 5 * time.Second
)

// mailboxChecks are the checks by messages to and from mailboxes elsewhere. What they find stands for each mailbox
// alone: providers differ.
func (s *Site) mailboxChecks() (checkers []plan.Checker) {
	v := s.cfg.Verify
	for i, m := range v.Mailboxes {
		timeout := v.Wait() + 2*time.Minute
		checkers = append(checkers,
			plan.Checker{Area: catalog.AreaMail, IDs: []string{catalog.MailOutside},
				Timeout: timeout, Run: func(ctx context.Context) []plan.Check {
					if firstDomain(s.spec) == "" { // others take the mail of every domain
						return nil
					}
					return stampSeen(s.checkInward(ctx, i, m))
				}},
			plan.Checker{
				Area:    catalog.AreaMail,
				IDs:     roundtrip.OutboundIDs(),
				Timeout: timeout,
				Run: func(ctx context.Context) []plan.Check {
					return stampSeen(s.checkOutward(ctx, i, m)...)
				},
			})
	}

	return checkers
}

// stampSeen marks when a message showed what checks say; those that nobody could look at have no time.
func stampSeen(checks ...plan.Check) []plan.Check {
	now := time.Now().Truncate(time.Second)
	for i := range checks {
		if checks[i].Status != plan.Skip {
			checks[i].Seen = now
		}
	}
	return checks
}

// account makes a mailbox of the config usable.
func (s *Site) account(i int, m config.RemoteMailbox) (*mailbox.Account, error) {
	at := fmt.Sprintf("mailboxes[%d].", i)
	a := &mailbox.Account{Address: m.Address, User: cmp.Or(m.User, m.Address)}
	a.Submission, a.IMAP = m.Servers()

	if m.CAFile != "" {
		pem, err := os.ReadFile(s.cfg.Path(m.CAFile))
		if err != nil {
			return nil, err
		}

		a.Roots = x509.NewCertPool()
		if !a.Roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("verify.%sca_file: %s holds no certificate in PEM", at,
				m.CAFile)
		}
	}

	if m.OAuth.ClientID == "" {
		a.Password = func(ctx context.Context) (string, error) {
			return s.cfg.VerifySecret(ctx, at+"password", m.Password)
		}
		return a, nil
	}

	a.Token = true
	a.Password = func(ctx context.Context) (string, error) {
		return s.accessToken(ctx, at, m)
	}

	return a, nil
}

// accessToken gets an access token for a refresh token (RFC 6749 section 6).
func (s *Site) accessToken(ctx context.Context, at string, m config.RemoteMailbox) (string, error) {
	refresh, err := s.cfg.VerifySecret(ctx, at+"oauth.refresh_token", m.OAuth.RefreshToken)
	if err != nil {
		return "", err
	}

	o := oauth2.Config{
		ClientID: m.OAuth.ClientID,
		Endpoint: oauth2.Endpoint{TokenURL: m.OAuth.TokenURL},
	}

	if p, ok := config.LookupMailboxProvider(m.Provider); ok && o.Endpoint.TokenURL == "" {
		o.Endpoint.TokenURL = p.TokenURL
	}

	if m.OAuth.ClientSecret != "" {
		if o.ClientSecret, err = s.cfg.VerifySecret(ctx, at+"oauth.client_secret",
			m.OAuth.ClientSecret); err != nil {
			return "", err
		}
	}

	client := s.options.HTTPClient
	if client == nil {
		client = &http.Client{Transport: egress.HTTP()}
	}

	ctx = context.WithValue(ctx, oauth2.HTTPClient, client)

	token, err := o.TokenSource(ctx, &oauth2.Token{RefreshToken: refresh}).Token()
	if err != nil {
		return "", fmt.Errorf("%w; if the authorization has expired, run mailpub mailbox add again",
			remoteError("an access token", err))
	}

	s.cfg.Secrets().Add(token.AccessToken)
	return token.AccessToken, nil
}

// MailboxState is whether a mailbox elsewhere can be used.
type MailboxState struct {
	Address string `json:"address"`
	Works   bool   `json:"works"`
	Why     string `json:"why,omitempty"`
}

// TryMailboxes logs in to each mailbox of the config, and sends nothing.
func (s *Site) TryMailboxes(ctx context.Context) (states []MailboxState) {
	for i, m := range s.cfg.Verify.Mailboxes {
		state := MailboxState{Address: m.Address}
		a, err := s.account(i, m)
		if err == nil {
			err = testAccount(ctx, a)
		}

		if err != nil {
			state.Why = s.cfg.Secrets().Text(err.Error())
		}

		state.Works = err == nil
		states = append(states, state)
	}

	return states
}

func testAccount(ctx context.Context, a *mailbox.Account) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()

	session, err := a.Open(ctx)
	if err != nil {
		return err
	}

	session.Close()
	return a.Try(ctx)
}

// testMessage is a message with a word in several places, as a provider may rewrite one.
func testMessage(from, to, word string, now time.Time) []byte {
	return []byte("From: mailpub verify <" + from + ">\r\nTo: <" + to +
		">\r\nSubject: mailpub test " + word + "\r\nDate: " +
		now.Format("Mon, 2 Jan 2006 15:04:05 -0700") +
		"\r\nMessage-ID: <" + word + from[strings.LastIndex(from, "@"):] +
		">\r\nAuto-Submitted: auto-generated\r\nX-Mailpub-Test: " + word +
		"\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\nmailpub verify sent this message to see whether it arrives (" +
		word + ").\r\nIt can be deleted.\r\n")
}

// checkInward sends a message from a mailbox elsewhere to the site, and looks for it here, and for a bounce there.
func (s *Site) checkInward(ctx context.Context, i int, m config.RemoteMailbox) plan.Check {
	in := roundtrip.InboundTest{Mailbox: m.Address, To: s.recipient(), Own: s.spec.Public}
	a, err := s.account(i, m)
	if err == nil {
		err = s.countMessage()
	}

	if err != nil {
		in.Refused = err
		return in.Check()
	}

	word := mailcheck.Nonce(time.Now())
	if in.Refused = a.Submit(ctx, m.Address, in.To,
		testMessage(m.Address, in.To, word, time.Now())); in.Refused != nil {
		return in.Check()
	}

	begin := time.Now()
	facts := s.mailFacts()
	box := mailboxReader{account: a}
	defer box.close()

	there := time.Now().Add(lookThere)
	for in.Arrived == "" && (in.Bounce == nil || !in.Bounce.Failed()) &&
		time.Since(begin) < s.cfg.Verify.Wait() && ctx.Err() == nil {
		in.Arrived, in.Message, err = facts.FindMessage(ctx, word, true)
		in.Unread = ""
		if err != nil {
			in.Unread = err.Error()
		}

		if in.Arrived == "" && time.Now().After(there) {
			in.Bounce = s.findRemoteBounce(ctx, &box, word, begin)
			there = time.Now().Add(lookThere)
		}

		if in.Arrived == "" {
			pause(ctx, lookHere)
		}
	}

	in.Waited = time.Since(begin)
	s.deleteTestMessages(ctx, &box, word, begin)
	return in.Check()
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// mailboxReader is an opened mailbox elsewhere: providers count logins, so that one is kept for a whole round trip.
type mailboxReader struct {
	account *mailbox.Account
	session *mailbox.Session // nil where none is open
}

// find returns the messages with a word. After a fault it logs in anew the next time.
func (r *mailboxReader) find(ctx context.Context, word string, since time.Time) (found []mailbox.Message, err error) {
	if r.session == nil {
		if r.session, err = r.account.Open(ctx); err != nil {
			return nil, err
		}
	}

	if found, err = r.session.Find(word, since); err != nil {
		r.close()
	}

	return found, err
}

func (r *mailboxReader) close() {
	if r.session != nil {
		r.session.Close()
	}
	r.session = nil
}

// findRemoteBounce returns the bounce that a mailbox elsewhere got for a message; nil for none.
func (s *Site) findRemoteBounce(ctx context.Context, box *mailboxReader, word string, since time.Time) *roundtrip.Bounce {
	found, err := box.find(ctx, word, since)
	if err != nil {
		s.options.logger().Debug("cannot search for a bounce", "mailbox", box.account.Address,
			"error", err)
	}

	for _, message := range found {
		if b, ok := roundtrip.ReadBounce(message.Raw); ok {
			return &b
		}
	}

	return nil
}

// deleteTestMessages takes everything with the word out of a mailbox elsewhere: the message, its copy among what was sent, a
// bounce. It does so after a cancelled run as well, in a session of its own.
func (s *Site) deleteTestMessages(ctx context.Context, box *mailboxReader, word string, since time.Time) {
	if ctx.Err() != nil {
		box.close()
	}

	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()

	found, err := box.find(ctx, word, since)
	for _, message := range found {
		if err = box.session.Delete(message); err != nil {
			break
		}
	}

	if err != nil {
		s.options.logger().Debug("a test message was left", "mailbox", box.account.Address,
			"error", err)
	}
}

// recipient is whom mailboxes elsewhere write to.
func (s *Site) recipient() string {
	return cmp.Or(s.cfg.Verify.Recipient, "postmaster@"+firstDomain(s.spec))
}

// checkOutward sends a message through the site's own server to a mailbox elsewhere, and looks for it there, and for a
// bounce here.
func (s *Site) checkOutward(ctx context.Context, i int, m config.RemoteMailbox) []plan.Check {
	out := roundtrip.OutboundTest{
		Mailbox: m.Address,
		From:    s.cfg.Verify.Outbound.From,
		Sources: s.spec.Public,
		Relay:   s.spec.Service.Delivery.SmartHost,
	}

	if out.From == "" {
		out.From = "postmaster@" + strings.TrimSuffix(s.spec.Domains[0].Name, ".")
	}

	a, err := s.account(i, m)
	if err == nil {
		err = s.countMessage()
	}

	if err != nil {
		out.Unsent = err
		return out.Checks()
	}

	word := mailcheck.Nonce(time.Now())
	if out.Refused = s.ownAccount().Submit(ctx, out.From, m.Address,
		testMessage(out.From, m.Address, word, time.Now())); out.Refused != nil {
		return out.Checks()
	}

	begin := time.Now()
	box := mailboxReader{account: a}
	defer box.close()

	out.Unsent = s.waitRemote(ctx, &box, &out, word, begin)
	out.Waited = time.Since(begin)
	if queue, ok := s.server.(mailsvc.Queue); ok && out.Unsent == nil && out.Message == nil {
		if out.Queued, err = queue.Queued(ctx, out.From, m.Address, begin); err != nil {
			s.options.logger().Debug("the queue can't be read", "error", err)
		}
	}

	if out.Unsent == nil {
		s.deleteTestMessages(ctx, &box, word, begin)
	}

	return out.Checks()
}

// waitRemote looks for the message there and for its bounce here, until either is found or patience ends. The error
// says why the mailbox there can't be read at all.
func (s *Site) waitRemote(ctx context.Context, box *mailboxReader, out *roundtrip.OutboundTest, word string, begin time.Time) (err error) {
	facts := s.mailFacts()
	for time.Since(begin) < s.cfg.Verify.Wait() && ctx.Err() == nil {
		var found []mailbox.Message
		if found, err = box.find(ctx, word, begin); err == nil {
			for _, message := range found {
				if _, isBounce := roundtrip.ReadBounce(message.Raw); isBounce || message.Sent {
					continue
				}
				out.Message = message.Raw
				out.Folder = message.Folder
				out.Spam = message.Spam
				return nil
			}
		} else if errors.Is(err, mailbox.ErrLogin) {
			return err
		}

		if _, raw, _ := facts.FindMessage(ctx, word, false); raw != nil {
			if b, ok := roundtrip.ReadBounce(raw); ok {
				out.Bounce = &b
				facts.FindMessage(ctx, word, true)
				if b.Failed() {
					return nil
				}
			}
		}

		pause(ctx, lookThere)
	}

	return err
}

// ownAccount is the way out of the site: its submission with a login, or its SMTP port.
func (s *Site) ownAccount() *mailbox.Account {
	o := s.cfg.Verify.Outbound
	a := &mailbox.Account{
		Submission: cmp.Or(o.Submission, s.SMTPAddr()),
		User:       o.User,
		Inside:     true,
	}

	if host, _, err := net.SplitHostPort(a.Submission); err == nil {
		if ip, err := netip.ParseAddr(host); err == nil && !ip.IsPrivate() && !ip.IsLoopback() {
			a.Inside = false
		}
	}

	a.Password = func(ctx context.Context) (string, error) {
		return s.cfg.VerifySecret(ctx, "outbound.password", o.Password)
	}

	return a
}
