package record

import (
	"fmt"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// ZoneFile returns the records of an item as lines of a zone file (RFC 1035 section 5.1):
// absolute owner name, TTL, class, type, data, text cut into strings of at most 255 octets.
// ttl is used where a line has none. It fails on what is no record.
func ZoneFile(k plan.Key, lines []string, ttl time.Duration) ([]string, error) {
	name, rrtype, _, err := mail.SplitDNSKey(k)
	if err != nil {
		return nil, err
	}

	var out []string
	for _, l := range lines {
		r, err := ParseLine(RRset{name, rrtype}, l, int(ttl/time.Second))
		if err != nil {
			return nil, err
		}

		rr, err := r.RR()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k, err)
		}

		out = append(out, strings.ReplaceAll(rr.String(), "\t", "  "))
	}

	return out, nil
}
