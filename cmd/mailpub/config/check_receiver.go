package config

import (
	"math"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
)

// receiver checks what only the bundled receiver has.
func (k *checker) receiver() {
	s := k.c.Service
	if s.Type != "receiver" {
		for field, set := range map[string]bool{
			"limits": s.Limits != Limits{}, "journal": s.Journal != "",
			"metrics": s.Metrics != "", "user": s.User != "",
		} {
			if set {
				k.add("service."+field, "is for the bundled receiver, and service.type is %s",
					s.Type)
			}
		}

		return
	}

	l := s.Limits
	// RFC 5321 section 4.5.3.1.7: at least 64 K octets. SIZE is at most 32 bits here.
	if n, err := Octets(l.Size); err != nil {
		k.add("service.limits.size", "is %q, %v", l.Size, err)
	} else if n < 64<<10 || n > math.MaxUint32 {
		k.add("service.limits.size", "is %q, want 64K to 4095M", l.Size)
	}

	between := func(name string, n, least, most int, why string) {
		if n < least || n > most {
			k.add("service.limits."+name, "is %d, want %d to %d%s", n, least, most, why)
		}
	}

	between("recipients", l.Recipients, 100, 10000,
		": RFC 5321 section 4.5.3.1.8 asks for 100 at least")

	between("connections", l.Connections, 1, 10000, "")
	between("per_address", l.PerAddress, 1, 10000, "")
	between("rate", l.Rate, 1, 1000000, " a minute")

	if s.Metrics != "" {
		k.metrics(s.Metrics)
	}

	if s.User != "" && runtime.GOOS == "windows" {
		k.add("service.user", "is for Unix; on Windows the service itself runs as a user")
	} else if s.User != "" && strings.ContainsAny(s.User, " :/\x00") {
		k.add("service.user", "%q is no user, want a name like mailpub", s.User)
	}
}

// metrics are for the site's own eyes: they are not served on every address.
func (k *checker) metrics(at string) {
	host, port, err := net.SplitHostPort(at)
	n, bad := strconv.Atoi(port)
	addr, none := netip.ParseAddr(host)

	switch {
	case err != nil || bad != nil || n < 1 || n > 65535 || none != nil:
		k.add("service.metrics", "is %q, want an address and a port of this host, like 127.0.0.1:9025", at)
	case addr.IsUnspecified() || !addr.IsLoopback() && !addr.IsPrivate() &&
		!addr.IsLinkLocalUnicast():
		k.add("service.metrics", "%q would show them to the Internet, want an address of the LAN or 127.0.0.1", at)
	}
}
