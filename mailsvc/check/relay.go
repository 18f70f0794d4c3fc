package check

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
)

// foreign2 is a second foreign domain, for source routes.
const foreign2 = "relay-test-2.invalid"

// relayAttempt is one way to ask for relaying.
type relayAttempt struct {
	from, to string
	ours     bool // the recipient ends in a domain of ours: a catch-all may take it
	login    bool // after a login that fails
}

func (f relayAttempt) String() string {
	s := "MAIL FROM:" + f.from + " RCPT TO:" + f.to
	if f.login {
		s = "AUTH with a wrong password, " + s
	}
	return s
}

// relayForms are the ways in which servers were found to relay. In all of them the mail
// would leave, were it accepted and sent.
func (f Facts) relayForms() (forms []relayAttempt) {
	host, _, err := net.SplitHostPort(f.Addr)
	if err != nil {
		host = f.Addr
	}

	ip := "[" + host + "]"
	if strings.Contains(host, ":") {
		ip = "[IPv6:" + host + "]"
	}

	s := f.Hostname
	local := f.Hostname
	if len(f.Domains) > 0 {
		local = f.Domains[0]
	}

	const d, u = smtpclient.RelayTestDomain, "mailpub-relay-test"
	for _, from := range []string{
		"<>", "<" + u + "@" + d + ">", "<" + u + "@" + s + ">", "<" + u + "@" + ip + ">",
		"<" + u + ">",
		"<" + u + "@localhost>", "<postmaster@" + local + ">",
		"<nosuch-" + u + "@" + local + ">",
	} {
		forms = append(forms, relayAttempt{from: from, to: "<" + u + "@" + d + ">"})
	}

	// The null sender, which every server must take: another could be refused for itself.
	for _, to := range []string{
		u + "%" + d + "@" + ip, u + "%" + d + "@" + s, `"` + u + "@" + d + `"`,
		`"` + u + "%" + d + `"`,
		u + "@" + d + "@" + ip, `"` + u + "@" + d + `"@` + ip, u + "@" + d + "@" + s,
		"@" + ip + ":" + u + "@" + d, "@" + s + ":" + u + "@" + d,
		d + "!" + u, d + "!" + u + "@" + ip, d + "!" + u + "@" + s,
		u + "%" + d + "@" + local, `"` + u + "@" + d + `"@` + local,
		`"` + d + "!" + u + `"@` + local,
		u + "@[192.0.2.1]", u + "%" + d, "@" + foreign2 + ",@" + s + ":" + u + "@" + d,
		u + "@" + d + ".",
	} {
		forms = append(forms, relayAttempt{
			from: "<>",
			to:   "<" + to + ">",
			ours: strings.HasSuffix(to, "@"+local),
		})
	}

	return append(forms, relayAttempt{from: "<>", to: "<" + u + "@" + d + ">", login: true})
}

// relayOpen tries every form up to RCPT and takes it back: no message is ever sent. At the declared ports of
// submission, and under the names that a server may trust, the plain forms do.
func (f Facts) relayOpen(ctx context.Context) []plan.Check {
	out := f.relayForms25(ctx)
	if len(out) == 1 && out[0].Reason == plan.ReasonSilent {
		return out
	}

	if out[0].Status == plan.Warn && f.relaysOutside(ctx) {
		out[0].Status = plan.Fail
		out[0].Hint = "the server is an open relay, by its own test of an external client: it must refuse recipients of other domains"
	}

	// What is left is asked one after the other, or of a slow server at once.
	ports := slices.DeleteFunc(slices.Clone(f.Services), func(s Service) bool {
		_, port, err := net.SplitHostPort(s.Addr)
		return err != nil || s.Addr == f.Addr ||
			!slices.Contains([]string{"465", "587", "2525"}, port)
	})

	found := make([][]plan.Check, len(ports))
	f.pace.askEach(indexes(1+len(ports)), func(i int) {
		if i == 0 {
			f.judgeNames(ctx, &out[0])
			return
		}

		addr := ports[i-1].Addr
		dial := f.Dial
		if strings.HasSuffix(addr, ":465") {
			dial = implicitTLS(f.Dial, f.Hostname)
		}

		found[i-1] = f.relaySubmission(ctx, addr, dial)
	})

	return slices.Concat(append([][]plan.Check{out}, found...)...)
}

// judgeNames tries relaying under the names that a server may take for its own, if it refuses all else.
func (f Facts) judgeNames(ctx context.Context, c *plan.Check) {
	if c.Status != plan.Pass {
		return
	}

	taken := f.relaysByName(ctx, f.Addr, f.Dial)
	if taken != "" {
		c.Status = plan.Fail
		c.Got = "accepted: " + taken
		c.Hint = "the server relays for any client that gives that name: HELO proves nothing (RFC 5321 section 4.1.4)"
	}
}

// relaysOutside reports whether the server's own commands show that it relays for a client outside.
func (f Facts) relaysOutside(ctx context.Context) bool {
	settings, err := f.inspectedSettings(ctx)
	return err == nil && slices.ContainsFunc(settings, func(s mailsvc.Setting) bool {
		return s.Outside && s.Need == mail.NeedRelaying && !s.Good && !s.Unknown
	})
}

// relaySubmission tries whether a port of submission takes mail for others of whom does not log in; nothing is
// said of a port that does not answer, as port.inside says that.
func (f Facts) relaySubmission(ctx context.Context, addr string, dial smtpclient.Dial) []plan.Check {
	c := plan.Check{
		ID:      catalog.RelayOpen,
		Subject: plan.OfAddr(addr),
		Status:  plan.Pass,
		Want:    "relaying refused without a login",
		Ref:     "RFC 6409 section 4.3",
	}

	var is answer
	named := ""
	f.pace.askEach(indexes(2), func(i int) {
		if i == 0 {
			is = askSubmission(ctx, addr, dial)
			c.Got = is.decisive().String()
			return
		}
		named = f.relaysByName(ctx, addr, dial)
	})

	switch {
	case is.err != nil:
		return nil
	case is.rcpt.Accepted():
		if c.Status, c.Hint = f.acceptedFromInside(); c.Status == plan.Fail {
			c.Hint = "let this port take mail for other domains only after a login"
		}
	case named != "":
		c.Status = plan.Fail
		c.Got = "accepted: " + named
		c.Hint = "let this port take mail for other domains only after a login, whatever is said in HELO"
	}

	return singleCheck(c)
}

// askSubmission asks a port of submission to relay, as a bounce and for a sender elsewhere. The answer is
// the one that takes the recipient, or else the last.
func askSubmission(ctx context.Context, addr string, dial smtpclient.Dial) (is answer) {
	a := smtpclient.Prober{Dial: dial, Addr: addr}
	defer a.Close()

	const elsewhere = "<mailpub-relay-test@" + smtpclient.RelayTestDomain + ">"
	for _, from := range []string{"<>", elsewhere} {
		is.mail, is.rcpt, is.err = a.Ask(ctx, from, elsewhere)
		if is.err != nil || is.rcpt.Accepted() {
			break
		}
	}

	return is
}

// relaysByName tries relaying under names that a server may take for its own; "" where all is refused.
func (f Facts) relaysByName(ctx context.Context, addr string, dial smtpclient.Dial) string {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}

	literal := "[" + host + "]"
	if strings.Contains(host, ":") {
		literal = "[IPv6:" + host + "]"
	}

	const to = "<mailpub-relay-test@" + smtpclient.RelayTestDomain + ">"
	names := []string{f.Hostname, "localhost", literal}
	taken := make([]string, len(names))
	f.pace.askEach(indexes(len(names)), func(i int) {
		a := smtpclient.Prober{Dial: dial, Addr: addr, Name: names[i]}
		defer a.Close()
		_, rcpt, err := a.Ask(ctx, "<mailpub-relay-test@"+smtpclient.RelayTestDomain+">", to)
		if err == nil && rcpt.Accepted() {
			taken[i] = "EHLO " + names[i] + ", RCPT TO:" + to + ": " + rcpt.String()
		}
	})

	return cmp.Or(taken...)
}

// implicitTLS dials with TLS from the first octet (RFC 8314 section 3.3). Whose the certificate is, is not
// looked at.
func implicitTLS(dial smtpclient.Dial, host string) smtpclient.Dial {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		raw, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}

		conn := tls.Client(raw, &tls.Config{ServerName: host, InsecureSkipVerify: true})
		if err := conn.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}

		return conn, nil
	}
}

// relayForms25 tries every form at the mail host's own port.
func (f Facts) relayForms25(ctx context.Context) []plan.Check {
	c := plan.Check{
		ID:      catalog.RelayOpen,
		Subject: plan.OfAddr(f.Addr),
		Want:    "every form of relaying refused",
		Ref:     "RFC 5321 section 7.1, RFC 2505",
	}

	forms := f.relayForms()
	answers := f.askForms(ctx, forms)
	if err := answers[0].err; err != nil {
		return singleCheck(f.unreachable(c, err))
	}

	var taken, caught, later []string
	for i, form := range forms {
		is := answers[i]
		r := is.decisive()
		switch {
		case is.rcpt.Refused(), is.mail.Refused() && form.from != "<>":
		case is.rcpt.Accepted() && form.ours:
			caught = append(caught, form.String()+": "+is.note(r.String()))
		case is.rcpt.Accepted():
			taken = append(taken, form.String()+": "+is.note(r.String()))
		case r.Code != 0:
			later = append(later, form.String()+": "+r.String())
		default:
			later = append(later, form.String()+": "+smtpclient.ErrorText(is.err))
		}
	}

	switch {
	case len(taken) > 0:
		c.Got = fmt.Sprintf("%d of %d accepted: %s", len(taken), len(forms), firstFew(taken))
		c.Status, c.Hint = f.acceptedFromInside()
	case len(caught) > 0 && f.refusesUnknown(ctx):
		c.Got = fmt.Sprintf("%d of %d accepted, of a server that refuses unknown recipients: %s",
			len(caught), len(forms), firstFew(caught))
		c.Status, c.Hint = f.acceptedFromInside()
	case len(caught) > 0:
		c.Status = plan.Warn
		c.Got = fmt.Sprintf("%d of %d accepted: %s", len(caught), len(forms), firstFew(caught))
		c.Hint = "they end in a domain of ours: a catch-all mailbox takes them (see relay.recipient), or the server sends them on; look where one went"
	case len(later) > 0:
		c = f.deferred(c, later[0])
		c.Got = fmt.Sprintf("%d of %d not decided, the others refused: %s", len(later),
			len(forms), later[0])
	default:
		c.Status = plan.Pass
		c.Got = fmt.Sprintf("all %d forms refused", len(forms))
	}

	return singleCheck(c)
}

// askForms asks about every form, some on each connection. If the first gets no answer, the others are not
// asked.
func (f Facts) askForms(ctx context.Context, forms []relayAttempt) []answer {
	var mu sync.Mutex
	var free []*smtpclient.Prober
	defer func() {
		for _, p := range free {
			p.Close()
		}
	}()

	take := func() *smtpclient.Prober {
		mu.Lock()
		defer mu.Unlock()

		if len(free) == 0 {
			return &smtpclient.Prober{Dial: f.Dial, Addr: f.Addr}
		}

		p := free[len(free)-1]
		free = free[:len(free)-1]
		return p
	}

	var unreachable error
	return f.patiently(ctx, len(forms), func(i int) (a answer) {
		if unreachable != nil {
			return answer{err: unreachable}
		}

		if forms[i].login {
			p := smtpclient.Prober{Dial: f.Dial, Addr: f.Addr, WrongLogin: true}
			defer p.Close()
			a.mail, a.rcpt, a.err = p.Ask(ctx, forms[i].from, forms[i].to)
			return a
		}

		p := take()
		a.mail, a.rcpt, a.err = p.Ask(ctx, forms[i].from, forms[i].to)
		if i == 0 { // before any other
			unreachable = a.err
		}

		mu.Lock()
		defer mu.Unlock()

		free = append(free, p)
		return a
	})
}

// refusesUnknown reports whether the server refuses a recipient of ours that does not exist. Then
// what it accepts in our domain beside its own mailboxes, it sends on.
func (f Facts) refusesUnknown(ctx context.Context) bool {
	if len(f.Domains) == 0 {
		return false
	}
	_, rcpt, err := f.tryRecipient(ctx, "<>", "<"+f.unknownAddress(f.Domains[0])+">")
	return err == nil && rcpt.Refused()
}

// relaySpoof sees that a sender of one's own domain must authenticate.
func (f Facts) relaySpoof(ctx context.Context) (out []plan.Check) {
	var envelopes []envelope
	for _, domain := range f.Domains {
		from := "<postmaster@" + domain + ">"
		envelopes = append(envelopes, envelope{from, from},
			envelope{from, "<mailpub-relay-test@" + smtpclient.RelayTestDomain + ">"})
	}

	for i, is := range f.tryRecipients(ctx, envelopes...) {
		from := strings.Trim(envelopes[i].from, "<>")
		to := strings.Trim(envelopes[i].to, "<>")
		c := plan.Check{
			ID:      catalog.RelaySpoof,
			Subject: plan.About(fmt.Sprintf("from %s to %s, unauthenticated", from, to)),
			Want:    "refused (5xx)",
			Ref:     "RFC 6409 section 4.3, RFC 5321 section 7.1",
		}

		out = append(out, f.refusal(c, is, "let the server take mail from its own domains only after authentication"))
	}

	return out
}
