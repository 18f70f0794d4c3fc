package mailbox

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
)

// Limits of what is read in a look.
const (
	maxMessage = 256 << 10 // octets of a message: the header and what a bounce quotes
	maxFolders = 40
	maxFound   = 20 // messages of a folder
)

// Message is one that was found.
type Message struct {
	Folder string
	Spam   bool // the folder is the one for spam
	Sent   bool // the folder is the one for what was sent
	At     time.Time
	Raw    []byte // up to 256 KiB

	uid imap.UID
}

// Session is an opened mailbox. Not safe for concurrent use; close it.
type Session struct {
	account *Account
	client  *imapclient.Client
	conn    net.Conn
	stop    func()
	ctx     context.Context
}

type folder struct {
	name       string
	spam, sent bool
}

// Open logs in. It ends when ctx does.
func (a *Account) Open(ctx context.Context) (*Session, error) {
	conn, err := a.dial(ctx, a.IMAP)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.IMAP, err)
	}

	s := &Session{
		account: a,
		conn:    conn,
		ctx:     ctx,
		stop:    closeOnDone(ctx, conn),
	}

	if err := s.open(ctx); err != nil {
		s.stop()
		s.conn.Close()
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return nil, fmt.Errorf("%s: %w", a.IMAP, err)
	}

	return s, nil
}

func (s *Session) open(ctx context.Context) (err error) {
	a := s.account
	_, port, _ := net.SplitHostPort(a.IMAP)
	switch {
	case port == "993":
		secure := tls.Client(s.conn, a.tls(a.IMAP))
		if err := secure.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		s.client = imapclient.New(secure, nil)
	case loopback(a.IMAP), a.Inside:
		s.client = imapclient.New(s.conn, nil)
	default:
		if s.client, err = imapclient.NewStartTLS(s.conn,
			&imapclient.Options{TLSConfig: a.tls(a.IMAP)}); err != nil {
			return errors.Join(ErrClear, err)
		}
	}

	if err := s.client.WaitGreeting(); err != nil {
		return err
	}

	if a.Inside && port != "993" && s.client.Caps().Has(imap.CapStartTLS) {
		if err := s.secure(ctx); err != nil {
			return err
		}
	}

	return s.logIn(ctx)
}

// secure connects anew and begins TLS: the library knows no STARTTLS on a connection whose capabilities were asked for.
func (s *Session) secure(ctx context.Context) error {
	s.stop()
	s.client.Close()
	conn, err := s.account.dial(ctx, s.account.IMAP)
	if err != nil {
		return err
	}

	s.conn, s.stop = conn, closeOnDone(ctx, conn)
	if s.client, err = imapclient.NewStartTLS(conn,
		&imapclient.Options{TLSConfig: s.account.tls(s.account.IMAP)}); err != nil {
		return fmt.Errorf("STARTTLS: %w", err)
	}

	return s.client.WaitGreeting()
}

func (s *Session) logIn(ctx context.Context) error {
	a := s.account
	if !a.Token && !s.client.Caps().Has(imap.AuthCap("PLAIN")) {
		secret, err := a.Password(ctx)
		if err != nil {
			return err
		}
		if err := s.client.Login(a.User, secret).Wait(); err != nil {
			return fmt.Errorf("%w: %w", ErrLogin, err)
		}

		return nil
	}

	mechanism, err := a.login(ctx, true)
	if err != nil {
		return err
	}
	if err := s.client.Authenticate(mechanism); err != nil {
		return fmt.Errorf("%w: %w", ErrLogin, err)
	}

	return nil
}

// list returns the folders: the inbox first, then the one for spam, then the others.
func (s *Session) list() (folders []folder, err error) {
	options := &imap.ListOptions{}
	if s.client.Caps().Has(imap.CapSpecialUse) || s.client.Caps().Has(imap.CapIMAP4rev2) {
		options.ReturnSpecialUse = s.client.Caps().Has(imap.CapListExtended) ||
			s.client.Caps().Has(imap.CapIMAP4rev2)
	}

	found, err := s.client.List("", "*", options).Collect()
	if err != nil {
		return nil, fmt.Errorf("LIST: %w", err)
	}

	for _, f := range found {
		if slices.Contains(f.Attrs, imap.MailboxAttrNoSelect) ||
			slices.Contains(f.Attrs, imap.MailboxAttrNonExistent) {
			continue
		}

		name := f.Mailbox
		if f.Delim != 0 {
			name = name[strings.LastIndex(name, string(f.Delim))+1:]
		}

		folders = append(folders, folder{
			name: f.Mailbox,
			spam: slices.Contains(f.Attrs, imap.MailboxAttrJunk) || isSpamName(name),
			sent: slices.Contains(f.Attrs, imap.MailboxAttrSent),
		})
	}

	rank := func(f folder) int {
		switch {
		case strings.EqualFold(f.name, "INBOX"):
			return 0
		case f.spam:
			return 1
		}
		return 2
	}

	slices.SortStableFunc(folders, func(a, b folder) int { return rank(a) - rank(b) })
	return folders[:min(len(folders), maxFolders)], nil
}

// spamNames are how providers without SPECIAL-USE (RFC 6154) call the folder.
var spamNames = []string{
	"spam", "junk", "junk e-mail", "junk email", "junk mail", "bulk", "bulk mail",
	"spamverdacht", "unerwünscht", "junk-e-mail",
	"posta indesiderata", "indesiderata", "courrier indésirable", "indésirables",
	"correo no deseado", "no deseado", "lixo eletrônico",
	"ongewenst", "ongewenste e-mail", "skräppost", "spamsuche", "quarantine",
}

func isSpamName(name string) bool { return slices.Contains(spamNames, strings.ToLower(name)) }

// Find returns the messages that hold a word anywhere: also where a provider rewrites subject, Message-ID or
// body, one of them is left, and a bounce quotes it.
func (s *Session) Find(word string, since time.Time) (found []Message, err error) {
	folders, err := s.list() // anew: a provider makes the one for spam when it needs it
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.account.IMAP, err)
	}

	for _, f := range folders {
		in, err := s.findIn(f, word, since)
		if err != nil {
			if s.ctx.Err() != nil {
				err = s.ctx.Err()
			}
			return found, fmt.Errorf("%s: folder %q: %w", s.account.IMAP, f.name, err)
		}

		found = append(found, in...)
	}

	return found, nil
}

func (s *Session) findIn(f folder, word string, since time.Time) (found []Message, err error) {
	if _, err := s.client.Select(f.name, nil).Wait(); err != nil {
		var said *imap.Error
		if errors.As(err, &said) { // a folder that is only listed
			return nil, nil
		}
		return nil, err
	}

	criteria := &imap.SearchCriteria{Text: []string{word}, Since: since.AddDate(0, 0, -1)}
	data, err := s.client.UIDSearch(criteria, nil).Wait()
	if err != nil {
		return nil, err
	}

	uids := data.AllUIDs()
	if len(uids) == 0 {
		return nil, nil
	}

	uids = uids[max(len(uids)-maxFound, 0):]
	section := &imap.FetchItemBodySection{
		Peek:    true,
		Partial: &imap.SectionPartial{Size: maxMessage},
	}

	messages, err := s.client.Fetch(imap.UIDSetNum(uids...), &imap.FetchOptions{
		UID:          true,
		InternalDate: true,
		BodySection:  []*imap.FetchItemBodySection{section},
	}).Collect()

	if err != nil {
		return nil, err
	}

	for _, m := range messages {
		raw := m.FindBodySection(section)
		if raw == nil && len(m.BodySection) > 0 { // a server that names the part otherwise
			raw = m.BodySection[0].Bytes
		}

		found = append(found, Message{
			Folder: f.name,
			Spam:   f.spam,
			Sent:   f.sent,
			At:     m.InternalDate,
			Raw:    raw,
			uid:    m.UID,
		})
	}

	return found, nil
}

// Each hands out the whole messages of the inbox since a time, with the times at which they arrived, the newest ones
// first, at most so many.
func (s *Session) Each(since time.Time, most int, take func(raw []byte, at time.Time)) error {
	if _, err := s.client.Select("INBOX", &imap.SelectOptions{ReadOnly: true}).Wait(); err != nil {
		return err
	}

	data, err := s.client.UIDSearch(&imap.SearchCriteria{Since: since.AddDate(0, 0, -1)},
		nil).Wait()

	if err != nil {
		return err
	}

	uids := data.AllUIDs()
	slices.Reverse(uids)
	section := &imap.FetchItemBodySection{Peek: true}

	for _, uid := range uids[:min(len(uids), most)] {
		messages, err := s.client.Fetch(imap.UIDSetNum(uid), &imap.FetchOptions{
			InternalDate: true,
			BodySection:  []*imap.FetchItemBodySection{section},
		}).Collect()

		if err != nil {
			return err
		}

		for _, m := range messages {
			take(m.FindBodySection(section), m.InternalDate)
		}
	}

	return nil
}

// Delete takes a message away for good where the server can do that with one alone (UIDPLUS, RFC 4315); else it
// is marked as deleted.
func (s *Session) Delete(m Message) error {
	if _, err := s.client.Select(m.Folder, nil).Wait(); err != nil {
		return err
	}

	one := imap.UIDSetNum(m.uid)
	store := &imap.StoreFlags{
		Op:     imap.StoreFlagsAdd,
		Silent: true,
		Flags:  []imap.Flag{imap.FlagDeleted},
	}

	if err := s.client.Store(one, store, nil).Close(); err != nil {
		return err
	}
	if !s.client.Caps().Has(imap.CapUIDPlus) && !s.client.Caps().Has(imap.CapIMAP4rev2) {
		return nil
	}

	return s.client.UIDExpunge(one).Close()
}

// Close logs out.
func (s *Session) Close() {
	s.client.Logout().Wait()
	s.client.Close()
	s.stop()
}
