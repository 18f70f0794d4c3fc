// Package exim asks Exim what it is set to: by its own commands, which also play a session
// with a client of any address, so that what a stranger would meet is seen from here. It
// writes nothing.
package exim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/mail"
)

// stranger is the address of the client that is played. It is nobody's (RFC 5737).
const stranger = "192.0.2.1"

// Driver asks an Exim on this machine. Where there is none, only SMTP tells.
type Driver struct {
	Command string      // "exim4" on Debian
	Args    []string    // before its own, for tests
	Domain  string      // one of its own
	Run     command.Run // nil executes
}

// Server is an Exim that a person sets up. It implements mailsvc.Server and mailsvc.Inspector.
type Server struct {
	*mailsvc.Manual
	driver Driver
}

// New returns the server of an Exim at addr.
func New(addr string, d Driver) *Server {
	if d.Run == nil {
		d.Run = command.Execute
	}

	return &Server{&mailsvc.Manual{
		Addr:   addr,
		Domain: d.Domain,
		Words:  instructions(),
		Shown:  d.observe,
	}, d}
}

// Inspect implements mailsvc.Inspector for what can't be seen from a network that the server may
// trust: what it does for a client elsewhere, as its own command plays it.
func (s *Server) Inspect(ctx context.Context, needs []plan.Item) (out []mailsvc.Setting, err error) {
	var asked []plan.Item
	var keys []plan.Key
	for _, it := range needs {
		need, _ := mailsvc.SplitNeed(it.Key)
		if need == mail.NeedRelaying || need == mail.NeedSenders ||
			need == mail.NeedRecipients {
			asked = append(asked, it)
			keys = append(keys, it.Key)
		}
	}

	shown, err := s.driver.observe(ctx, keys)
	if err != nil {
		return nil, err
	}

	for _, it := range asked {
		is, told := shown[it.Key.Name]
		if !told {
			continue
		}

		need, _ := mailsvc.SplitNeed(it.Key)
		one := mailsvc.Setting{
			Need:    need,
			Subject: need + " (exim -bh " + stranger + ")",
			Want:    it.Lines[0],
			Got:     it.Lines[0],
			Good:    is.Lines != nil,
			Outside: true,
		}

		switch {
		case is.Why != "":
			one.Unknown = true
			one.Got = is.Why
		case is.Lines == nil:
			one.Got = "not so: the server accepts it from an address outside"
		}

		out = append(out, one)
	}

	return out, nil
}

func (d Driver) exim(ctx context.Context, input string, args ...string) (string, error) {
	return d.Run(ctx, input, d.Command, append(append([]string{}, d.Args...), args...)...)
}

// question is what is asked in the played session about a need.
type question struct {
	name     string // of the need
	from, to string
	wanted   bool   // accepted is as it should be
	text     string // then
}

func (d Driver) observe(ctx context.Context, keys []plan.Key) (map[string]mailsvc.Observed, error) {
	name, err := d.exim(ctx, "", "-bP", "primary_hostname")
	if errors.Is(err, command.ErrMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("configuration of Exim: %w", err)
	}

	found := map[string]mailsvc.Observed{}
	if _, value, ok := strings.Cut(name, "="); ok {
		found[mail.NeedHostname] = mailsvc.Observed{Lines: []string{strings.ToLower(strings.TrimSpace(value))}}
	}

	questions := d.questions(keys)
	var session strings.Builder
	session.WriteString("EHLO [" + stranger + "]\r\n")

	for _, q := range questions {
		session.WriteString("MAIL FROM:<" + q.from + ">\r\nRCPT TO:<" + q.to + ">\r\nRSET\r\n")
	}

	out, err := d.exim(ctx, session.String()+"QUIT\r\n", "-bh", stranger)
	replies := replyCodes(out)
	if len(replies) < 2 {
		if err == nil {
			err = errors.New("exim -bh answers nothing")
		}
		return nil, err
	}

	for i, q := range questions {
		at := 2 + 3*i // after the greeting and EHLO
		if at+1 >= len(replies) {
			break // it broke off: SMTP tells the rest
		}

		mail := replies[at]
		rcpt := replies[at+1]
		switch {
		case mail[0] == '5' && q.from != "", rcpt[0] == '5':
			found[q.name] = observed(!q.wanted, q.text)
		case rcpt[0] == '2':
			found[q.name] = observed(q.wanted, q.text)
		default:
			found[q.name] = mailsvc.Observed{Why: "exim -bh answers " + rcpt}
		}
	}

	return found, ctx.Err()
}

func observed(good bool, text string) mailsvc.Observed {
	if good {
		return mailsvc.Observed{Lines: []string{text}}
	}
	return mailsvc.Observed{}
}

func (d Driver) questions(keys []plan.Key) (all []question) {
	at := "@" + d.Domain
	for _, k := range keys {
		need, name := mailsvc.SplitNeed(k)
		switch need {
		case mail.NeedRelaying:
			all = append(all, question{k.Name, "", "mailpub-relay-test@relay-test.invalid",
				false, mail.Refused})
		case mail.NeedSenders:
			all = append(all, question{k.Name, "postmaster" + at, "postmaster" + at, false,
				mail.Authenticated})
		case mail.NeedRecipients:
			all = append(all, question{k.Name, "", "mailpub-nobody" + at, false,
				mail.KnownOnly})
		case mail.NeedAccount:
			all = append(all, question{k.Name, "", name + at, false, mail.Unreachable})
		case mail.NeedMailbox:
			all = append(all, question{k.Name, "", name + at, true, mail.Exists})
		case mail.NeedDomain:
			all = append(all, question{k.Name, "", "postmaster@" + name, true, mail.Served})
		case mailsvc.NeedRecipient:
			all = append(all, question{k.Name, "", name, true, mailsvc.Accepted})
		}
	}

	return all
}

// lastLine is the last line of a reply (RFC 5321 section 4.2.1).
var lastLine = lazy.Regexp(`(?m)^([2-5]\d\d)(?: [^\r\n]*)?\r?$`)

// replyCodes returns the replies of a played session, each by its last line.
func replyCodes(out string) []string { return lastLine().FindAllString(out, -1) }

// instructions name the settings of Debian's Exim.
func instructions() mailsvc.Instructions {
	return mailsvc.Instructions{
		mail.NeedHostname:     "set primary_hostname = {text} (Debian: MAIN_HARDCODE_PRIMARY_HOSTNAME), and smtp_banner to begin with it",
		mail.NeedListen:       "set dc_local_interfaces in /etc/exim4/update-exim4.conf.conf so that it listens at {text}, and run update-exim4.conf",
		mail.NeedDomain:       "add {name} to dc_other_hostnames in /etc/exim4/update-exim4.conf.conf (domainlist local_domains), and run update-exim4.conf",
		mailsvc.NeedRecipient: "add {name} to /etc/aliases: {text}",
		mail.NeedMailbox:      "create the account (adduser {name}), or an alias in /etc/aliases",
		mail.NeedDelivery:     "dpkg-reconfigure exim4-config: {text} (dc_eximconfig_configtype internet or smarthost, dc_smarthost; fallback_hosts on the remote_smtp transport)",
		mail.NeedRelaying:     "set dc_relay_nets and dc_relay_domains empty (hostlist relay_from_hosts, domainlist relay_to_domains){text}",
		mail.NeedRecipients:   "keep require verify = recipient and deny !verify = sender in acl_smtp_rcpt",
		mail.NeedSenders:      "in acl_smtp_rcpt, before any accept: deny !authenticated = * / sender_domains = +local_domains",
		mail.NeedAccount:      "in acl_smtp_rcpt: deny local_parts = {name} / domains = +local_domains",
		mail.NeedLineEnds:     "run Exim 4.97.1 or later, which takes CR LF alone for a line end once DATA began with it (CVE-2023-51766)",
		mail.NeedVRFY:         "set no acl_smtp_vrfy and acl_smtp_expn",
		mail.NeedSigning:      "set dkim_domain, dkim_selector and dkim_private_key on the remote_smtp transport for {name}: {text}",
	}
}
