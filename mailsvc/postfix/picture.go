package postfix

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan/egress"
)

const (
	// maxPicture is how many recipients are tried at most before and after a change.
	maxPicture = 300

	// perDialog is how many are tried in one session: Postfix ends one after 20 refusals
	// (smtpd_hard_error_limit).
	perDialog = 12
)

// behaviour is what the server does for those who write to it, as they see it: which recipients it
// accepts, what it passes on for whom, who may write as one of the site without a login, and at which
// ports it takes logins; and where the mail for names without a domain goes. It is taken before the
// first write and again after the server was loaded: what was accepted before is accepted after.
type behaviour struct {
	recipients map[string]smtpclient.Reply
	passes     map[question]smtpclient.Reply
	logins     map[string]bool // by port
	ways       map[string]string
}

// question is one that has nothing to do with a single recipient.
type question struct {
	addr string // where it is asked: host:port
	from string
	to   string
}

func (q question) String() string {
	return fmt.Sprintf("mail from <%s> to %s at %s", q.from, q.to, q.addr)
}

// otherPorts are the ports beside 25 that logins are taken at.
func otherPorts() []string { return []string{"587", "465"} }

// observe asks the server at the address that it answers at. here are the recipients and names that are
// tried; see recipients.
func (d *Driver) observe(ctx context.Context, s *state, l *lookups, addr string, recipients []string) (behaviour, error) {
	p := behaviour{
		recipients: map[string]smtpclient.Reply{},
		passes:     map[question]smtpclient.Reply{},
		logins:     map[string]bool{},
	}

	for some := range slices.Chunk(recipients, perDialog) {
		if err := d.askRecipients(ctx, addr, some, p.recipients); err != nil {
			return p, err
		}
	}

	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return p, err
	}

	for _, h := range slices.Compact([]string{host, "127.0.0.1"}) {
		for _, n := range append([]string{port}, otherPorts()...) {
			d.askPort(ctx, s, net.JoinHostPort(h, n), p)
		}
	}

	p.ways, err = l.routes(ctx, newRoutingView(s))
	return p, err
}

// portTime is how long one port is asked at most, which may have nobody who greets.
const portTime = 15 * time.Second

// askPort asks at one port what the server does for who has no login. A port where nobody answers says
// nothing.
func (d *Driver) askPort(ctx context.Context, s *state, addr string, p behaviour) {
	ctx, cancel := context.WithTimeout(ctx, portTime)
	defer cancel()

	_, port, _ := net.SplitHostPort(addr)
	dial := d.Dial
	if port == "465" {
		dial = implicitTLS(dial)
	}

	c, err := smtpclient.Hello(ctx, dial, addr)
	if err != nil {
		return
	}

	if port != "465" {
		_, err = c.StartTLS(ctx, "")
		if err == nil {
			err = c.Greet(ctx)
		}

		if err != nil && !errors.Is(err, smtpclient.ErrNoTLS) {
			c.Close()
			return
		}
	}

	p.logins[addr] = c.Offers("AUTH")
	c.Close()
	a := &smtpclient.Prober{Dial: dial, Addr: addr}
	defer a.Close()

	own := s.sampleAddress()
	for _, q := range []question{
		{addr, "", "<relay@" + smtpclient.RelayTestDomain + ">"},
		{addr, own, "<relay@" + smtpclient.RelayTestDomain + ">"},
		{addr, own, "<" + own + ">"},
	} {
		if q.from == "" && q.to == "<>" || own == "" && q.to == "<>" {
			continue
		}

		from, to, err := a.Ask(ctx, "<"+q.from+">", q.to)
		if err != nil {
			return
		}

		p.passes[q] = smtpclient.DecisiveReply(from, to)
	}
}

// implicitTLS dials with TLS from the first octet on (RFC 8314 section 3.3).
func implicitTLS(dial smtpclient.Dial) smtpclient.Dial {
	if dial == nil {
		dial = egress.Dialer().DialContext
	}

	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}

		secure := tls.Client(c, &tls.Config{
			InsecureSkipVerify: true,
			MinVersion:         tls.VersionTLS10,
		}) // who it is does not matter here

		if err := secure.HandshakeContext(ctx); err != nil {
			c.Close()
			return nil, err
		}

		return secure, nil
	}
}

func (d *Driver) askRecipients(ctx context.Context, addr string, recipients []string, replies map[string]smtpclient.Reply) error {
	a := &smtpclient.Prober{Dial: d.Dial, Addr: addr}
	defer a.Close()

	for _, to := range recipients {
		from, rcpt, err := a.Ask(ctx, "<>", "<"+to+">")
		if err != nil {
			return err
		}
		replies[to] = smtpclient.DecisiveReply(from, rcpt)
	}

	return nil
}

// regression names what the server no longer does, or does for whom it did not; "" when it is as before.
func (p behaviour) regression(after behaviour, a announcedEffects) string {
	lost := slices.Concat(p.recipientRegressions(after, a), p.relayRegressions(after, a),
		p.routeRegressions(after, a))

	for _, port := range slices.Sorted(maps.Keys(p.logins)) {
		if now, asked := after.logins[port]; p.logins[port] && asked && !now {
			lost = append(lost, port+" took logins and takes none")
		}
	}

	if len(lost) > 3 {
		lost = append(lost[:3], fmt.Sprintf("and %d more", len(lost)-3))
	}

	return strings.Join(lost, "; ")
}

// isDeferring reports whether the server puts off what it accepted before, as one does that loads or that
// wants to be asked again (greylisting): then it is asked again.
func (p behaviour) isDeferring(after behaviour) bool {
	for to, was := range p.recipients {
		if was.Accepted() && after.recipients[to].Code/100 == 4 {
			return true
		}
	}

	for q, was := range p.passes {
		if was.Accepted() && after.passes[q].Code/100 == 4 {
			return true
		}
	}

	return false
}

// announcedEffects is what the plan says of what is to be otherwise than before.
type announcedEffects struct {
	refused  []string          // local parts that are to be refused
	networks bool              // who is trusted for an address
	senders  bool              // who writes as one of the site has to log in
	ways     map[string]string // where mail goes then
}

func (p behaviour) recipientRegressions(after behaviour, a announcedEffects) (lost []string) {
	for _, to := range slices.Sorted(maps.Keys(p.recipients)) {
		was := p.recipients[to]
		is := after.recipients[to]
		local, _, _ := strings.Cut(to, "@")

		switch {
		case slices.Contains(a.refused, local):
		case was.Accepted() && !is.Accepted():
			lost = append(lost, fmt.Sprintf("%s was accepted and is answered %q", to, is))
		case was.Refused() && is.Accepted() && strings.HasPrefix(local, unknownLocal):
			lost = append(lost, fmt.Sprintf("%s, an unknown recipient, was refused and is now accepted", to))
		}
	}

	return lost
}

// relayRegressions compares what is done for who has no login.
func (p behaviour) relayRegressions(after behaviour, a announcedEffects) (lost []string) {
	for _, q := range slices.SortedFunc(maps.Keys(p.passes), func(a, b question) int {
		return strings.Compare(a.String(), b.String())
	}) {
		was := p.passes[q]
		is := after.passes[q]
		here := strings.HasPrefix(q.addr, "127.")
		foreign := strings.Contains(q.to, smtpclient.RelayTestDomain)

		switch {
		case q.to == "<"+q.from+">" && !p.recipients[q.from].Accepted(): // it was about the recipient
		case is.Code == 0: // the port is not there any more, which logins tell
		case !was.Accepted() && is.Accepted():
			lost = append(lost, fmt.Sprintf("%s was answered %q and is accepted", q, was))
		case !was.Accepted() || is.Accepted():
		case !here && foreign && a.networks, !here && q.from != "" && a.senders:
		default:
			lost = append(lost, fmt.Sprintf("%s was accepted and is answered %q", q, is))
		}
	}

	return lost
}

// routeRegressions compares where mail for names without a domain goes.
func (p behaviour) routeRegressions(after behaviour, a announcedEffects) (lost []string) {
	for _, name := range slices.Sorted(maps.Keys(p.ways)) {
		was := p.ways[name]
		is := after.ways[name]
		if was == is || is == a.ways[name] && !isDiscarded(is) {
			continue
		}
		lost = append(lost, fmt.Sprintf("mail for %s went to %s and goes to %s", name, was, is))
	}

	return lost
}

// unknownLocal begins the local part of an address that nobody has.
const unknownLocal = "mailpub-nobody-"

// recipients are the addresses to try: postmaster, abuse and somebody unknown at each local domain, and
// every address that a table or a list of users names, as far as it can be read.
func (d *Driver) recipients(s *state) (out []string) {
	var domains []string
	for _, class := range []string{"mydestination", "virtual_alias_domains",
		"virtual_mailbox_domains", "relay_domains"} {
		for _, e := range elements(s.effective[class]) {
			domains = append(domains, d.namesIn(e)...)
		}
	}

	slices.Sort(domains)
	domains = slices.DeleteFunc(slices.Compact(domains), s.isOwnName)
	locals := []string{"postmaster", "abuse", unknownLocal + "7f3a"}
	add := func(address string) {
		if len(out) < maxPicture && isAddress(address) && !slices.Contains(out, address) {
			out = append(out, address)
		}
	}

	for _, class := range []string{"virtual_alias_maps", "virtual_mailbox_maps",
		"relay_recipient_maps", "local_recipient_maps", "alias_maps"} {
		for _, t := range elements(s.effective[class]) {
			for _, name := range d.namesIn(t) {
				if strings.Contains(name, "@") {
					add(name)
				} else {
					locals = append(locals, name)
				}
			}
		}
	}

	locals = append(locals, personalAccounts()...)
	for _, domain := range domains {
		if !strings.Contains(domain, ".") {
			continue
		}
		for _, local := range locals {
			add(local + "@" + domain)
		}
	}

	return out
}

func isAddress(text string) bool {
	local, domain, ok := strings.Cut(text, "@")
	return ok && local != "" && domain != "" && !strings.ContainsAny(text, " <>/\"\\^$*()|{}")
}

// namesIn are the names that an element of a list stands for, as far as it is plain text: a name, a file
// of names, the source of a table, an inline table.
func (d *Driver) namesIn(element string) (names []string) {
	element = strings.TrimPrefix(strings.ToLower(element), "proxy:")
	kind, rest, table := strings.Cut(element, ":")
	switch {
	case table && kind == "inline":
		for _, e := range elements(strings.Trim(rest, "{} ")) {
			name, _, _ := strings.Cut(strings.Trim(e, "{} "), "=")
			names = append(names, strings.TrimSpace(name))
		}
	case table && slices.Contains([]string{"hash", "btree", "lmdb", "cdb", "dbm", "texthash"},
		kind):
		return d.namesInFile(rest)
	case strings.HasPrefix(element, "/"):
		return d.namesInFile(element)
	case table || strings.HasPrefix(element, "!") || strings.HasPrefix(element, "["):
	default:
		names = append(names, strings.TrimSuffix(element, "."))
	}

	return names
}

func (d *Driver) namesInFile(path string) (names []string) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}

	for _, p := range parseTable(string(data)).parts {
		if name := strings.TrimSuffix(p.name, ":"); name != "" &&
			!strings.HasPrefix(name, "@") {
			names = append(names, name)
		}
	}

	return names
}
