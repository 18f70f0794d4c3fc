package resolver

import (
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan/mail"
)

// Exchangers returns the MX records of an answer, the first to be tried first.
func (a Answer) Exchangers() (out []mail.MX) {
	for _, r := range a.Records {
		preference, host, _ := strings.Cut(r.Data, " ")
		n, _ := strconv.ParseUint(preference, 10, 16)
		out = append(out, mail.MX{Host: host, Preference: uint16(n)})
	}

	slices.SortFunc(out, func(a, b mail.MX) int {
		if a.Preference != b.Preference {
			return int(a.Preference) - int(b.Preference)
		}
		return strings.Compare(a.Host, b.Host)
	})

	return out
}

// RefusesMail reports a null MX: the domain says that it takes no mail (RFC 7505 section 3).
func RefusesMail(mxs []mail.MX) bool {
	return slices.ContainsFunc(mxs, func(m mail.MX) bool { return m.Host == "." })
}
