package scout

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"os/user"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/plan/orgdomain"
)

// Machine is the one that mailpub runs on.
type Machine struct {
	Name    string     `json:"name,omitempty"` // its name in DNS, "mail.nomeazienda.it"; "" where it has none
	Domain  string     `json:"domain,omitempty"`
	Address netip.Addr `json:"address,omitzero"` // by which it goes out
	Others  []string   `json:"others,omitempty"` // its other IPv4 addresses
	IPv6    netip.Addr `json:"ipv6,omitzero"`    // a public one
	User    string     `json:"user,omitempty"`   // who sits at it; "" for root and for services
}

// ThisMachine says what this machine is called and where it is. It sends nothing: its name is that
// of the system, or what the hosts file has for its address.
func ThisMachine(ctx context.Context) Machine {
	var m Machine
	m.addresses()
	m.User = userName()
	names := []string{}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}

	hosts := net.Resolver{
		PreferGo: true,
		Dial: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("it is not asked")
		},
	}

	for _, a := range []string{"127.0.1.1", m.Address.String()} { // Debian maps the name to 127.0.1.1
		if more, err := hosts.LookupAddr(ctx, a); err == nil {
			names = append(names, more...)
		}
	}

	for _, n := range names {
		if n = strings.ToLower(strings.TrimSuffix(n, ".")); isPublicName(n) {
			m.Name = n
			m.Domain = DomainOf(n)
			break
		}
	}

	return m
}

// isPublicName reports whether a name can be one of the Internet's: it lies in a domain that somebody
// registered, and not in one of those that home routers make up.
func isPublicName(name string) bool {
	for _, local := range []string{"local", "localdomain", "lan", "home", "internal", "box",
		"arpa", "test", "example", "invalid", "localhost"} {
		if strings.HasSuffix(name, "."+local) {
			return false
		}
	}
	return orgdomain.Public(name)
}

// DomainOf returns the registered domain that a name lies in; "" where there is none.
func DomainOf(name string) string {
	domain, _ := orgdomain.Registered(name)
	return domain
}

func (m *Machine) addresses() {
	// Nothing is sent: a UDP socket that is connected only picks its route.
	if c, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
		m.Address = c.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap()
		c.Close()
	}

	all, err := net.InterfaceAddrs()
	if err != nil {
		return
	}

	for _, i := range all {
		p, err := netip.ParsePrefix(i.String())
		if err != nil || p.Addr().IsLoopback() || p.Addr().IsLinkLocalUnicast() {
			continue
		}

		switch a := p.Addr().Unmap(); {
		case a.Is6():
			if netaddr.Unreachable(a) == "" && !m.IPv6.IsValid() { // neither a unique local one nor a tunnel's
				m.IPv6 = a
			}
		case !m.Address.IsValid():
			m.Address = a
		case a != m.Address && !slices.Contains(m.Others, a.String()):
			m.Others = append(m.Others, a.String())
		}
	}
}

// userName is the name of whoever runs mailpub, also by sudo, in a form that a mailbox can have.
func userName() string {
	name := os.Getenv("SUDO_USER")
	if name == "" {
		if u, err := user.Current(); err == nil {
			name = u.Username
		}
	}

	name = strings.ToLower(name[strings.LastIndex(name, `\`)+1:]) // DOMAIN\name on Windows
	for i := range len(name) {
		if c := name[i]; !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9') {
			return ""
		}
	}

	if slices.Contains([]string{"root", "administrator", "system", "nobody"}, name) {
		return ""
	}

	return name
}
