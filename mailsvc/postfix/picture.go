package postfix

import (
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
)

const (
	// maxPicture is how many recipients are tried at most before and after a change.
	maxPicture = 300

	// perDialog is how many are tried in one session: Postfix ends one after 20 refusals
	// (smtpd_hard_error_limit).
	perDialog = 12
)

// picture is what the server does for those who write to it, as they see it: which recipients it
// accepts, and at which ports it takes logins. It is taken before the first write and again after
// the server was loaded: what was accepted before is accepted after.
type picture struct {
	recipients map[string]smtpclient.Reply
	logins     map[string]bool // by port
}

// takePicture asks the server at the address that it answers at.
func (d *Driver) takePicture(ctx context.Context, addr string, recipients []string) (picture, error) {
	p := picture{recipients: map[string]smtpclient.Reply{}, logins: map[string]bool{}}
	for some := range slices.Chunk(recipients, perDialog) {
		if err := d.askRecipients(ctx, addr, some, p.recipients); err != nil {
			return p, err
		}
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return p, err
	}
	for _, port := range []string{"25", "587"} {
		c, err := smtpclient.Hello(ctx, d.Dial, net.JoinHostPort(host, port))
		if err != nil {
			continue // nobody listens there; the proof is about port 25
		}
		if _, err := c.StartTLS(ctx, host); err == nil {
			err = c.Greet(ctx)
			p.logins[port] = err == nil && c.Offers("AUTH")
		} else {
			p.logins[port] = c.Offers("AUTH")
		}
		c.Close()
	}
	return p, nil
}

func (d *Driver) askRecipients(ctx context.Context, addr string, recipients []string, replies map[string]smtpclient.Reply) error {
	a := &smtpclient.Prober{Dial: d.Dial, Addr: addr}
	defer a.Close()
	for _, to := range recipients {
		from, rcpt, err := a.Ask(ctx, "<>", to)
		if err != nil {
			return err
		}
		replies[to] = smtpclient.Decisive(from, rcpt)
	}
	return nil
}

// worse names what the server no longer does, or does for whom it did not; "" when it is as before.
// announced are local parts that the plan means to refuse.
func (p picture) worse(after picture, announced []string) string {
	var lost []string
	for _, to := range slices.Sorted(maps.Keys(p.recipients)) {
		was, is := p.recipients[to], after.recipients[to]
		local, _, _ := strings.Cut(to, "@")
		switch {
		case slices.Contains(announced, local):
		case was.Accepted() && !is.Accepted():
			lost = append(lost, fmt.Sprintf("%s was accepted and is answered %q", to, is))
		case was.Refused() && is.Accepted() && strings.HasPrefix(local, unknownLocal):
			lost = append(lost, fmt.Sprintf("%s, whom nobody knows, was refused and is accepted", to))
		}
	}
	for _, port := range slices.Sorted(maps.Keys(p.logins)) {
		if now, asked := after.logins[port]; p.logins[port] && asked && !now {
			lost = append(lost, "port "+port+" took logins and takes none")
		}
	}
	if len(lost) > 3 {
		lost = append(lost[:3], fmt.Sprintf("and %d more", len(lost)-3))
	}
	return strings.Join(lost, "; ")
}

// unknownLocal begins the local part of an address that nobody has.
const unknownLocal = "mailpub-nobody-"

// recipients are the addresses to try: postmaster, abuse and somebody unknown at each local domain, and
// every address that a table or a list of users names, as far as it can be read.
func (d *Driver) recipients(s *state) (out []string) {
	var domains []string
	for _, class := range []string{"mydestination", "virtual_alias_domains", "virtual_mailbox_domains", "relay_domains"} {
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
	for _, class := range []string{"virtual_alias_maps", "virtual_mailbox_maps", "relay_recipient_maps", "local_recipient_maps", "alias_maps"} {
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
	locals = append(locals, people()...)
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

// isOwnName reports whether a domain is served only for being the machine's own name, by a variable.
// When the plan gives the machine another name, that goes.
func (s *state) isOwnName(domain string) bool {
	host := s.effective["myhostname"]
	_, parent, _ := strings.Cut(host, ".")
	if !slices.Contains([]string{host, parent, "localhost." + parent}, domain) {
		return false
	}
	return !slices.ContainsFunc(elements(s.set["mydestination"]), func(e string) bool { return strings.EqualFold(e, domain) })
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
	case table && slices.Contains([]string{"hash", "btree", "lmdb", "cdb", "dbm", "texthash"}, kind):
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
		if name := strings.TrimSuffix(p.name, ":"); name != "" && !strings.HasPrefix(name, "@") {
			names = append(names, name)
		}
	}
	return names
}

// people are the accounts of this machine that belong to a person: those with a home and a shell.
func people() (names []string) {
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 7 && strings.HasPrefix(f[5], "/home/") && !strings.HasSuffix(f[6], "nologin") && !strings.HasSuffix(f[6], "false") {
			names = append(names, f[0])
		}
	}
	return names
}
