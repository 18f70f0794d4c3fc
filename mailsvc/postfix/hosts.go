package postfix

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
)

// hostsLine takes a line of the hosts file apart (hosts(5)); ok is false for comments and
// for what the system passes over.
func hostsLine(line string) (addr netip.Addr, names []string, ok bool) {
	text, _, _ := strings.Cut(line, "#")
	f := strings.Fields(text)
	if len(f) < 2 {
		return addr, nil, false
	}
	addr, err := netip.ParseAddr(f[0])
	return addr.Unmap(), f[1:], err == nil
}

// elsewhere returns the addresses that a hosts file maps a name to, but for those that it
// has in DNS.
func (d *Driver) elsewhere(hosts, name string) (out []string) {
	for line := range strings.Lines(hosts) {
		addr, names, ok := hostsLine(line)
		if ok && containsName(names, name) && !slices.Contains(d.Public, addr) {
			out = append(out, addr.String())
		}
	}
	return out
}

func containsName(names []string, name string) bool {
	return slices.ContainsFunc(names, func(n string) bool {
		return strings.EqualFold(n, name)
	})
}

// unmap takes a name out of the lines that map it elsewhere. Other names of the line stay.
func (d *Driver) unmap(hosts, name string) string {
	var b strings.Builder
	for line := range strings.Lines(hosts) {
		addr, names, ok := hostsLine(line)
		if !ok || !containsName(names, name) || slices.Contains(d.Public, addr) {
			b.WriteString(line)
			continue
		}

		rest := slices.DeleteFunc(names, func(n string) bool {
			return strings.EqualFold(n, name)
		})

		if _, comment, found := strings.Cut(strings.TrimRight(line, "\r\n"), "#"); found {
			rest = append(rest, "#"+comment)
		}

		if len(rest) > 0 {
			b.WriteString(addr.String() + "\t" + strings.Join(rest, " ") + "\n")
		}
	}

	return b.String()
}

// remap puts back what unmap took out: as the copy has it, where nothing else changed since.
func (d *Driver) remap(hosts, copied, name string, addrs []string) string {
	if d.unmap(copied, name) == hosts {
		return copied
	}

	if hosts != "" && !strings.HasSuffix(hosts, "\n") {
		hosts += "\n"
	}

	for _, a := range addrs {
		hosts += a + "\t" + name + "\n"
	}

	return hosts
}

// readHosts returns the text of a name: plan.NotElsewhere, or where it is mapped to.
func (d *Driver) readHosts(name string) (lines []string, unknown string) {
	f, err := d.open(d.Hosts)
	if err != nil {
		return nil, err.Error()
	}
	if addrs := d.elsewhere(string(f.old), name); len(addrs) > 0 {
		return []string{strings.Join(addrs, ", ")}, ""
	}

	return []string{mail.NotElsewhere}, ""
}

// setHosts makes the hosts file of an edit map a name as a text says.
func (d *Driver) setHosts(e *edit, name, text string) error {
	copied := e.hosts.old
	if path := durable.CopyOf(e.hosts.path); path != "" {
		f, err := d.open(path)
		if err != nil {
			return err
		}
		copied = f.old
	}

	if text == mail.NotElsewhere {
		e.hosts.new = []byte(d.unmap(string(e.hosts.new), name))
	} else {
		e.hosts.new = []byte(d.remap(string(e.hosts.new), string(copied), name, elements(text)))
	}

	return nil
}
