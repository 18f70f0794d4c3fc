package mdaemon

import (
	"net/netip"
	"slices"
	"strings"
)

// shieldTable is IPShield.dat: rows of a domain and an address from where alone its senders may write without
// a password. What stands between the two is not published: it is taken from the rows that are there.
type shieldTable struct {
	textFile
	between string
}

// localDomain stands for every domain of the server.
const localDomain = "$LOCALDOMAIN$"

// parseShield reads the rows. known is false where a line is none, so that nothing is written.
func parseShield(data []byte) (s shieldTable, known bool) {
	s.textFile = parseText(data)
	if !s.isUniform() {
		return s, false
	}

	for _, line := range s.lines {
		if isRemark(line) {
			continue
		}

		domain, address, between, ok := splitShield(line)
		if !ok || domain == "" || address == "" {
			return s, false
		}

		if s.between == "" {
			s.between = between
		}
	}

	return s, data != nil
}

func splitShield(line string) (domain, address, between string, ok bool) {
	line = strings.TrimSpace(line)
	at := strings.IndexAny(line, " \t,;=")
	if at < 0 {
		return "", "", "", false
	}

	rest := strings.TrimLeft(line[at:], " \t,;=")
	between = line[at : len(line)-len(rest)]
	return line[:at], rest, between, isRange(rest)
}

// isRange reports whether a text is an address, a network or an address with wildcards.
func isRange(text string) bool {
	if _, err := netip.ParsePrefix(text); err == nil {
		return true
	}
	_, err := netip.ParseAddr(strings.NewReplacer("*", "0", "?", "0").Replace(text))
	return err == nil
}

// rows are the lines that are no remarks.
func (s shieldTable) rows() (rows []string) {
	for _, line := range s.lines {
		if !isRemark(line) {
			rows = append(rows, line)
		}
	}
	return rows
}

// of returns the addresses of a domain's rows, those for every domain of the server among them.
func (s shieldTable) of(domain string) (addresses []string) {
	for _, line := range s.rows() {
		if is, address, _, _ := splitShield(line); strings.EqualFold(is, domain) ||
			strings.EqualFold(is, localDomain) {
			addresses = append(addresses, address)
		}
	}
	return addresses
}

// set gives a domain the rows that are wanted; those for every domain are not its.
func (s *shieldTable) set(domain string, addresses []string) {
	s.lines = slices.DeleteFunc(s.lines, func(line string) bool {
		is, address, _, ok := splitShield(line)
		return ok && strings.EqualFold(is, domain) && !slices.Contains(addresses, address)
	})

	has := s.of(domain)
	for _, address := range addresses {
		if !slices.Contains(has, address) {
			s.lines = append(s.lines, domain+s.between+address)
		}
	}
}
