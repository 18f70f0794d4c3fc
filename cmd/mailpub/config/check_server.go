package config

import (
	"fmt"
	"net/netip"

	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/netaddr"
	"github.com/mailpub/mailpub/providers/resolver"
)

func (k *checker) server() {
	s := &k.c.Server
	if name := k.name("server.hostname", s.Hostname); name != "" {
		k.inZone("server.hostname", name)
		k.c.Server.Hostname = name // greetings, certificates and results of checks have it as DNS does
	}

	if a, err := netip.ParseAddr(s.Address); err != nil || a.IsUnspecified() ||
		a.IsMulticast() {
		k.add("server.address", "%q is no address of a host, want the server's on the LAN, like 10.10.10.10",
			s.Address)
	}

	k.public("server.public.ipv4", s.Public.IPv4, netip.Addr.Is4)
	k.public("server.public.ipv6", s.Public.IPv6, netip.Addr.Is6)
	k.also()

	for i, e := range s.Public.Echo {
		if _, err := resolver.ParseEcho(e); err != nil {
			k.add(fmt.Sprintf("server.public.echo[%d]", i), "%v", err)
		}
	}

	for i, ca := range s.CAA {
		k.name(fmt.Sprintf("server.caa[%d]", i), ca)
	}

	k.dane()
	if s.Public.IPv4 == "none" && s.Public.IPv6 == "none" {
		k.add("server.public", "has no address at all, want ipv4: auto or the address")
	}

	if s.Public.IPv4 == "auto" && k.c.Router.RouterKind() != mail.RouterProtocol &&
		len(s.Public.Echo) == 0 {
		k.add("server.public.ipv4", "is auto, but router.protocol is %q and can't be asked: want the address, or services to ask under server.public.echo",
			k.c.Router.Protocol)
	}
}

// also checks the addresses of further lines.
func (k *checker) also() {
	p := k.c.Server.Public
	seen := map[string]bool{p.IPv4: true, p.IPv6: true}
	for i, text := range p.Also {
		path := fmt.Sprintf("server.public.also[%d]", i)
		a, err := netip.ParseAddr(text)
		switch {
		case err != nil:
			k.add(path, "is %q, want an address", text)
		case netaddr.Unreachable(a) != "":
			k.add(path, "%s can't be reached from the Internet, want a public address", text)
		case seen[text]:
			k.add(path, "%s is there twice", text)
		}

		seen[text] = true
	}
}

func (k *checker) public(path, s string, family func(netip.Addr) bool) {
	if s == "auto" || s == "none" {
		return
	}

	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !family(a):
		k.add(path, "is %q, want auto, none or an address", s)
	case netaddr.Unreachable(a) != "":
		k.add(path, "%s can't be reached from the Internet, want the public address", s)
	}
}
