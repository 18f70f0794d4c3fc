package config

import (
	"fmt"
	"net/netip"
	"net/url"
	"time"
)

func (k *checker) router() {
	r := k.c.Router
	k.word("router.protocol", "router.protocol", r.Protocol)
	if r.Lease < 2*time.Minute || r.Lease > 365*24*time.Hour {
		k.add("router.lease", "is %v, want 2m to 8760h", r.Lease)
	}

	if r.Timeout < 500*time.Millisecond || r.Timeout > time.Minute {
		k.add("router.timeout", "is %v, want 500ms to 1m", r.Timeout)
	}

	if r.URL != "" {
		if u, err := url.Parse(r.URL); err != nil || u.Scheme != "http" || u.Host == "" {
			k.add("router.url", "%q is no description of a UPnP router, want a URL like http://192.168.1.1:5000/rootDesc.xml", r.URL)
		}
	}

	if a, err := netip.ParseAddr(r.Gateway); r.Gateway != "" && (err != nil || !a.Is4()) {
		k.add("router.gateway", "%q is no IPv4 address, want the router's on the LAN, like 192.168.1.1",
			r.Gateway)
	}

	if p := k.c.Server.Public; r.BehindNAT && p.IPv4 == "auto" && len(p.Echo) == 0 {
		k.add("router.behind_nat", "is true, but server.public.ipv4 is auto, which would be the router's: want the address that the outside sees, or services to ask for it under server.public.echo")
	}

	k.word("router.ipv6", "router.ipv6", r.IPv6)
	if a, err := netip.ParseAddr(r.Gateway6); r.Gateway6 != "" &&
		(err != nil || !a.Is6() || a.IsLinkLocalUnicast() && a.Zone() == "") {
		k.add("router.gateway6", "%q is no IPv6 address of a router, want one like fe80::1%%eth0, with the network card where it begins with fe80",
			r.Gateway6)
	}

	taken := map[string]int{}
	for i, f := range r.Forwards {
		at := fmt.Sprintf("router.forwards[%d]", i)
		if f.Name == "" {
			k.add(at+".name", "is missing, want a word for it, like smtp")
		}

		k.word("router.forwards.proto", at+".proto", f.Proto)
		k.port(at+".port", f.Port)
		k.port(at+".internal", f.Internal)
		key := fmt.Sprintf("%s port %d", f.Proto, f.Port)

		if first, twice := taken[key]; twice {
			k.add(at+".port", "%s is forwarded already, by %q on line %d", key,
				r.Forwards[first].Name,
				k.c.Lines.At(fmt.Sprintf("router.forwards[%d]", first)))
			continue
		}

		taken[key] = i
	}
}
