package postfix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// needed are the settings that reading needs expanded.
var needed = []string{
	"mydestination", "virtual_alias_domains", "virtual_alias_maps", "virtual_mailbox_domains",
	"virtual_mailbox_maps",
	"local_recipient_maps", "queue_directory", "smtpd_sasl_auth_enable", "smtpd_sasl_type",
	"smtpd_sasl_path", "myhostname",
	"relay_domains", "mynetworks", "local_transport", "mailbox_transport",
	"mailbox_transport_maps", "fallback_transport",
	"fallback_transport_maps", "luser_relay", "myorigin", "alias_maps", "transport_maps",
	"sender_dependent_relayhost_maps", "sender_dependent_default_transport_maps",
}

func (d *Driver) load(ctx context.Context) (*state, error) {
	s := &state{override: map[string]string{}, elsewhere: map[string]string{}}
	out, err := d.postconf(ctx, "-n")
	if err != nil {
		return nil, fmt.Errorf("%s can't be understood: %w", d.main(), err)
	}

	s.set = settings(out)
	if out, err = d.postconf(ctx, append([]string{"-x"}, needed...)...); err != nil {
		return nil, err
	}

	s.effective = settings(out)
	if err := d.overrides(ctx, s); err != nil {
		return nil, err
	}
	if err := d.readTable(ctx, s); err != nil {
		return nil, err
	}

	return s, nil
}

// settings reads what postconf prints.
func settings(out string) map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(out) {
		if name, value, ok := strings.Cut(line, "="); ok {
			name = strings.TrimSpace(name)
			all[name] = canonical(name, value)
		}
	}

	return all
}

// overrides finds what master.cf sets for the service that takes mail: there main.cf counts
// for nothing.
func (d *Driver) overrides(ctx context.Context, s *state) error {
	out, err := d.postconf(ctx, "-P")
	if err != nil {
		return err
	}

	address, port, err := net.SplitHostPort(d.Addr)
	if err != nil {
		return err
	}

	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(line, "=")
		f := strings.Split(strings.TrimSpace(key), "/")
		if len(f) != 3 {
			continue
		}

		value = strings.TrimSpace(value)
		host := ""
		service := f[0]

		if i := strings.LastIndex(f[0], ":"); i >= 0 {
			host = strings.Trim(f[0][:i], "[]")
			service = f[0][i+1:]
		}

		ours := host == "" || host == address ||
			strings.EqualFold(host, s.effective["myhostname"])

		switch {
		case f[1] == "inet" && ours && (service == port ||
			service == "smtp" && port == "25"), f[1] == "pass" && service == "smtpd":
			s.override[f[2]] = value
		case f[1] == "inet" && strings.HasPrefix(f[2], "smtpd_"):
			s.elsewhere[f[2]+" "+value] = inMaster + f[0] + " has " + value
		}
	}

	return nil
}

// readTable reads the index of our own table of addresses, and which others there are.
func (d *Driver) readTable(ctx context.Context, s *state) (err error) {
	s.table = d.ownTable()
	s.addresses = map[string]string{}
	s.tables = elements(s.effective["virtual_alias_maps"])
	source, err := os.ReadFile(pathOf(s.table))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}

	written := parseTable(string(source))
	out := ""
	if _, err := os.Stat(indexOf(s.table)); err == nil { // postmap takes a second to say that there is none
		if out, err = d.run(ctx, "postmap", "-c", d.Dir, "-s", s.table); err != nil {
			return err
		}
	}

	for line := range strings.Lines(out) {
		address, to, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		s.addresses[strings.ToLower(address)] = destinations(to)
	}

	count := 0
	for _, p := range written.parts {
		if p.name != "" && written.find(p.name) >= 0 {
			count++
			if value, _ := written.get(p.name); s.addresses[p.name] != destinations(value) {
				s.stale = true
			}
		}
	}

	s.stale = s.stale || count == 0 && len(s.addresses) > 0
	if s.stale && d.isUnfinished() { // the index is made by the run that ends it
		s.stale, s.addresses = false, written.addresses()
	}

	return nil
}

// addresses are the rows of a table, as its index will have them.
func (d *document) addresses() map[string]string {
	all := map[string]string{}
	for _, p := range d.parts {
		if value, ok := d.get(p.name); ok && p.name != "" {
			all[strings.ToLower(p.name)] = destinations(value)
		}
	}
	return all
}

// Read implements plan.Driver.
func (d *Driver) Read(ctx context.Context, keys []plan.Key) ([]plan.Item, error) {
	s, err := d.load(ctx)
	if err != nil {
		return nil, err
	}

	var items []plan.Item
	for _, k := range keys {
		it := plan.Item{Key: k}
		it.Lines, it.Unreadable = d.read(ctx, s, k)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}

		if it.Lines != nil || it.Unreadable != "" {
			items = append(items, it)
		}
	}

	return items, nil
}

// read returns the text of a key, nil where there is none.
func (d *Driver) read(ctx context.Context, s *state, k plan.Key) (lines []string, unknown string) {
	where, name, _ := strings.Cut(k.Name, " ")
	switch {
	case where == inMain:
		return d.readSetting(ctx, s, k)
	case where == inTable:
		return d.readAddress(ctx, s, name)
	case k.Name == dovecotKey:
		return d.readListener(ctx, s)
	case k == unfinishedKey:
		if len(d.Unfinished(ctx)) > 0 {
			return []string{notLoaded}, ""
		}
		return []string{isLoaded}, ""
	}

	need, name := mailsvc.SplitNeed(k)
	switch need {
	case mail.NeedMailbox:
		return d.readMailbox(ctx, s, name)
	case mail.NeedPasswords:
		return d.readPasswords(ctx)
	case mail.NeedHosts:
		return d.readHosts(name)
	case mail.NeedCollector, mail.NeedSigning:
		return nil, "Postfix does not say"
	}

	return nil, "not Postfix's: it was put in place for another service.type; set that again and run destroy"
}

func (d *Driver) readSetting(ctx context.Context, s *state, k plan.Key) (lines []string, unknown string) {
	domain, name := splitMain(k.Name)
	if v, ok := s.override[name]; ok {
		return nil, fmt.Sprintf("%s sets it for the service that takes mail (-o %s=%s), so that main.cf does not count: take it out there",
			filepath.Join(d.Dir, "master.cf"), name, v)
	}
	if strings.HasPrefix(name, "smtpd_sasl_") &&
		s.effective["smtpd_sasl_auth_enable"] == "yes" &&
		s.effective["smtpd_sasl_type"] != "dovecot" {
		return nil, fmt.Sprintf("logins are by SASL of type %s, which mailpub leaves alone: see that users can log in",
			s.effective["smtpd_sasl_type"])
	}
	if domain != "" {
		return d.readDomain(ctx, s, domain)
	}

	if text := s.metElsewhere(name); text != "" {
		return []string{text}, ""
	}

	v, ok := s.set[name]
	switch {
	case name == "local_recipient_maps" && !s.delivers():
		return nil, "" // whoever delivers knows who exists: what stands there is as good as the default
	case ok:
		return []string{v}, ""
	case name == "mynetworks": // the default is a choice too: it may hold the whole LAN
		return []string{s.effective[name]}, ""
	}

	return nil, ""
}

// delivers reports whether Postfix's own local(8) delivers local mail, so that it knows the mailboxes.
func (s *state) delivers() bool {
	transport, _, _ := strings.Cut(s.effective["local_transport"], ":")
	if transport != "local" || len(elements(s.effective["mydestination"])) == 0 {
		return false
	}

	for _, name := range []string{"mailbox_transport", "mailbox_transport_maps",
		"fallback_transport", "fallback_transport_maps", "luser_relay"} {
		if isSet(s.effective[name]) {
			return false
		}
	}

	return true
}

// isSet reports whether a parameter has a value.
func isSet(value string) bool { return value != "" && value != empty }

// readDomain sees whether any class of Postfix's takes mail for a domain: by its name, by a
// variable, by a file of names or by a table.
func (d *Driver) readDomain(ctx context.Context, s *state, domain string) (lines []string, unknown string) {
	for _, class := range []string{"mydestination", "virtual_mailbox_domains",
		"virtual_alias_domains", "relay_domains"} {
		for _, e := range elements(s.effective[class]) {
			in, err := d.holds(ctx, e, domain)
			if err != nil {
				return nil, fmt.Sprintf("%s: %v", class, err)
			}
			if in {
				return []string{mail.Served}, ""
			}
		}
	}

	return nil, ""
}

func (d *Driver) holds(ctx context.Context, element, domain string) (bool, error) {
	switch {
	case strings.EqualFold(element, domain):
		return true, nil
	case strings.HasPrefix(element, "/"):
		data, err := os.ReadFile(element)
		return slices.Contains(strings.Fields(strings.ToLower(string(data))), domain), err
	case strings.Contains(element, ":") && !strings.HasPrefix(element, "["):
		out, err := d.query(ctx, element, domain)
		return out != "", err
	}

	return false, nil
}

// query asks a table. postmap says no with the exit code 1 and silence.
func (d *Driver) query(ctx context.Context, table, key string) (string, error) {
	out, err := d.run(ctx, "postmap", "-c", d.Dir, "-q", key,
		strings.TrimPrefix(table, "proxy:"))
	if command.SilentNo(err) {
		err = nil
	}
	return strings.TrimSpace(out), err
}

// readAddress returns where Postfix sends an address: as our own table says, which is asked first, or
// the first other one that knows it.
func (d *Driver) readAddress(ctx context.Context, s *state, address string) (lines []string, unknown string) {
	if s.stale {
		return nil, fmt.Sprintf("%s and its index do not agree: run postmap %s, or undo the edit",
			pathOf(s.table), s.table)
	}
	if to, ok := s.addresses[address]; ok {
		return []string{to}, ""
	}

	for _, t := range s.tables {
		if t == s.table {
			continue
		}

		to, err := d.query(ctx, t, address)
		if err != nil {
			return nil, fmt.Sprintf("%s can't be asked: %v", t, err)
		}
		if to != "" {
			return []string{destinations(to)}, ""
		}
	}

	return nil, ""
}

// readMailbox sees whether there is somebody of that name to deliver to.
func (d *Driver) readMailbox(ctx context.Context, s *state, name string) (lines []string, unknown string) {
	for _, class := range []string{"local_recipient_maps", "virtual_mailbox_maps"} {
		for _, t := range elements(s.effective[class]) {
			keys := []string{name}
			if class == "virtual_mailbox_maps" {
				keys = nil
				for _, domain := range elements(s.effective["virtual_mailbox_domains"]) {
					keys = append(keys, name+"@"+domain)
				}
			}

			for _, k := range keys {
				out, err := d.query(ctx, t, k)
				if err != nil {
					return nil, err.Error()
				}
				if out != "" {
					return []string{mail.Exists}, ""
				}
			}
		}
	}

	return nil, ""
}
