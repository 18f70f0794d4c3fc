package mailsvc

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Manual is a mail server that a person sets up. It implements Server: it observes by SMTP
// what the server does, and by the server's own commands what SMTP does not show; it
// writes nothing.
//
//	{"service", "hostname"}                             the name in the greeting
//	{"service", "recipient postmaster@nomeazienda.it"}  accepted
//	{"service", "relaying"}                             refused
type Manual struct {
	Addr   string          // host:port on the LAN
	Domain string          // one of its own, without a final dot; "": what needs one is not asked
	Dial   smtpclient.Dial // nil dials
	Words  Instructions    // where this server has each setting; nil: any server

	Confirmations Confirmations // what the administrator answers for

	// Observed returns what the server's own commands say, by the names of needs; nil where
	// there is none. It beats what SMTP shows.
	Shown func(ctx context.Context, keys []plan.Key) (map[string]Observed, error)
}

// Observed is what a command says about a need.
type Observed struct {
	Lines []string // nil: it is not so
	Why   string   // why that is not known; Lines then mean nothing
}

// Kind implements plan.Driver.
func (m *Manual) Kind() string { return Kind }

// Spell implements Server: everything is by hand, or confirmed.
func (m *Manual) Spell(needs []plan.Item) []plan.Item {
	return m.Confirmations.spell(m.Words.spell(needs))
}

// Read implements plan.Driver. What can't be asked, because nothing answers, the answer is
// "later" or SMTP has no question for it, is Unreadable.
func (m *Manual) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	var shown map[string]Observed
	if m.Shown != nil {
		var err error
		if shown, err = m.Shown(ctx, keys); err != nil {
			return nil, err
		}
	}

	a := smtpclient.Prober{Dial: m.Dial, Addr: m.Addr}
	defer a.Close()

	var items []plan.Item
	for _, k := range keys {
		it := plan.Item{Key: k}
		if need, ok := confirmed(k); ok {
			if c := m.readConfirmation(ctx, &a, k, need); c != nil {
				items = append(items, *c)
			}
			continue
		}

		if s, ok := shown[k.Name]; ok {
			it.Lines = s.Lines
			it.Unreadable = s.Why
		} else {
			it.Lines, it.Unreadable = m.observe(ctx, &a, k)
		}

		if ctx.Err() != nil {
			return nil, ctx.Err()
		}

		if it.Lines != nil || it.Unreadable != "" {
			items = append(items, it)
		}
	}

	return items, nil
}

// readConfirmation returns a confirmation, unless SMTP shows that it is not so.
func (m *Manual) readConfirmation(ctx context.Context, a *smtpclient.Prober, k, need plan.Key) *plan.Item {
	it := m.Confirmations.read(ctx, k)
	if it == nil {
		return nil
	}

	if lines, unknown := m.observe(ctx, a, need); lines == nil && unknown == "" {
		it.Unreadable = "it is confirmed, but SMTP shows that it is not so"
	}

	return it
}

// What can't be seen, and why.
const (
	notBySMTP = "can't be seen by SMTP"
	trusted   = "accepted from here, which proves nothing: this machine may be in the server's trusted networks"
)

// observe asks by SMTP. What the server is seen not to do is nil without a reason.
func (m *Manual) observe(ctx context.Context, a *smtpclient.Prober, k plan.Key) (lines []string, unknown string) {
	need, name := SplitNeed(k)
	switch need {
	case mail.NeedHostname, mail.NeedListen:
		greeting, err := a.Greeting(ctx)
		if err != nil {
			return nil, m.silence(err)
		}
		if need == mail.NeedListen {
			return []string{m.Addr}, ""
		}

		return []string{greeting.Name()}, ""
	case NeedRecipient:
		return m.takes(ctx, a, name, Accepted)
	case mail.NeedDomain:
		return m.takes(ctx, a, "postmaster@"+name, mail.Served)
	case mail.NeedRelaying:
		return m.refuses(ctx, a, "<>", "mailpub-relay-test@"+smtpclient.RelayTestDomain,
			mail.Refused, trusted)
	case mail.NeedVRFY:
		return m.vrfy(ctx, a)
	}

	if m.Domain == "" {
		return nil, notBySMTP
	}

	switch need {
	case mail.NeedMailbox:
		return m.takes(ctx, a, name+"@"+m.Domain, mail.Exists)
	case mail.NeedRecipients:
		return m.refuses(ctx, a, "<>", "mailpub-nobody@"+m.Domain, mail.KnownOnly, "")
	case mail.NeedAccount:
		return m.refuses(ctx, a, "<>", name+"@"+m.Domain, mail.Unreachable, "")
	case mail.NeedSenders:
		return m.senders(ctx, a)
	}

	return nil, notBySMTP
}

func (m *Manual) silence(err error) string {
	return fmt.Sprintf("no mail server answers at %s: %s", m.Addr, smtpclient.ErrorText(err))
}

// takes sees whether mail for an address is accepted.
func (m *Manual) takes(ctx context.Context, a *smtpclient.Prober, to, text string) (lines []string, unknown string) {
	mail, rcpt, err := a.Ask(ctx, "<>", "<"+to+">")
	switch {
	case err != nil:
		return nil, m.silence(err)
	case rcpt.Accepted():
		return []string{text}, ""
	case rcpt.Refused():
		return nil, ""
	}

	return nil, undecidedText(mail, rcpt)
}

// refuses sees whether mail is refused. otherwise is why it proves nothing when it is not.
func (m *Manual) refuses(ctx context.Context, a *smtpclient.Prober, from, to, text, otherwise string) (lines []string, unknown string) {
	mail, rcpt, err := a.Ask(ctx, from, "<"+to+">")
	switch {
	case err != nil:
		return nil, m.silence(err)
	case rcpt.Refused(), mail.Refused() && from != "<>":
		return []string{text}, ""
	case rcpt.Accepted():
		return nil, otherwise
	}

	return nil, undecidedText(mail, rcpt)
}

// senders sees whether mail from the own postmaster is refused. Where nobody's mail to that address is taken,
// the refusal says nothing of the sender.
func (m *Manual) senders(ctx context.Context, a *smtpclient.Prober) (lines []string, unknown string) {
	postmaster := "postmaster@" + m.Domain
	lines, unknown = m.refuses(ctx, a, "<"+postmaster+">", postmaster, mail.Authenticated,
		trusted)

	if lines == nil {
		return nil, unknown
	}
	if taken, _ := m.takes(ctx, a, postmaster, Accepted); taken == nil {
		return nil, "mail to " + postmaster +
			" is refused from every sender, which proves nothing about sender checks"
	}

	return lines, ""
}

func undecidedText(mail, rcpt smtpclient.Reply) string {
	if mail.Accepted() {
		return "RCPT was answered " + rcpt.String()
	}
	return "MAIL was answered " + mail.String()
}

// vrfy sees whether the server tells known addresses from unknown ones.
func (m *Manual) vrfy(ctx context.Context, a *smtpclient.Prober) (lines []string, unknown string) {
	tells, _, err := a.Discloses(ctx, "postmaster", "mailpub-nobody")
	switch {
	case err != nil:
		return nil, m.silence(err)
	case tells:
		return nil, ""
	}

	return []string{mail.Silent}, ""
}

// Apply implements plan.Driver. It dates confirmations. Anything else fails: plan makes by-hand changes
// of what this server needs.
func (m *Manual) Apply(ctx context.Context, batch []plan.Change, done func(plan.Change, error)) error {
	for _, c := range batch {
		if err := onlyConfirmed(c); err != nil {
			done(c, err)
			return err
		}
	}

	if err := ctx.Err(); err != nil && len(batch) > 0 {
		done(batch[0], err)
		return err
	}

	for _, c := range batch {
		if c.Action != plan.Delete {
			c.Grant = m.Confirmations.grant(ctx)
		}
		done(c, nil)
	}

	return nil
}

// onlyConfirmed says why a change can't be carried out, where it is no confirmation.
func onlyConfirmed(c plan.Change) error {
	if !IsConfirmation(c.Key) {
		return errors.New("the mail server is configured manually")
	}
	return nil
}
