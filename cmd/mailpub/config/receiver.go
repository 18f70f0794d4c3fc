package config

import (
	"errors"
	"math"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
)

// Limits are what clients of the receiver may take.
type Limits struct {
	Size        string `mapstructure:"size"`        // of a message; see Octets
	Recipients  int    `mapstructure:"recipients"`  // of a message
	Connections int    `mapstructure:"connections"` // at the same time
	PerAddress  int    `mapstructure:"per_address"` // of these, from one address outside the own network
	Rate        int    `mapstructure:"rate"`        // connections and messages from such an address, a minute
}

// Octets reads a size like 50M: digits, and K, M or G for powers of 1024.
func Octets(s string) (int64, error) {
	digits := strings.TrimRight(s, "KMG")
	n, err := strconv.ParseInt(digits, 10, 64)
	shift := map[string]int{"": 0, "K": 10, "M": 20, "G": 30}
	by, ok := shift[s[len(digits):]]
	if err != nil || !ok || n < 0 || n > math.MaxInt64>>by {
		return 0, errors.New("want octets, or a number with K, M or G, like 50M")
	}
	return n << by, nil
}

func (l *Limits) fillIn() {
	if l.Size == "" {
		l.Size = "50M"
	}
	for field, value := range map[*int]int{&l.Recipients: 1000, &l.Connections: 200, &l.PerAddress: 50, &l.Rate: 300} {
		if *field == 0 {
			*field = value
		}
	}
}

// receiver checks what only the bundled receiver has.
func (k *checker) receiver() {
	s := k.c.Service
	if s.Type != "receiver" {
		for field, set := range map[string]bool{
			"limits": s.Limits != Limits{}, "journal": s.Journal != "", "metrics": s.Metrics != "", "user": s.User != "",
		} {
			if set {
				k.add("service."+field, "is for the bundled receiver, and service.type is %s", s.Type)
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
	between("recipients", l.Recipients, 100, 10000, ": RFC 5321 section 4.5.3.1.8 asks for 100 at least")
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
	case addr.IsUnspecified() || !addr.IsLoopback() && !addr.IsPrivate() && !addr.IsLinkLocalUnicast():
		k.add("service.metrics", "%q would show them to the Internet, want an address of the LAN or 127.0.0.1", at)
	}
}
