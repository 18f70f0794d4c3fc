package postfix

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

func (s *translator) relaying(lines []string) {
	trusted := elements(loopback)
	others := []string{}
	for _, l := range lines {
		if n, ok := strings.CutPrefix(l, mail.TrustsNetwork); ok {
			p := netip.MustParsePrefix(n)
			if p.Addr().Is6() {
				n = fmt.Sprintf("[%s]/%d", p.Addr(), p.Bits())
			}
			trusted = append(trusted, n)
		}

		if d, ok := strings.CutPrefix(l, mail.PassesOn); ok {
			others = append(others, d)
		}
	}

	s.add("mynetworks", strings.Join(trusted, ", "), limitedNetworks(trusted))
	if len(trusted) > len(elements(loopback)) { // by default they may end lines as they like, and smuggle
		s.exactly("smtpd_forbid_bare_newline_exclusions", empty)
	}

	if len(others) > 0 {
		s.merged("relay_domains", strings.Join(others, ", "))
	}

	s.add("smtpd_relay_restrictions", relayControl, relayRestrictions)
}

// relayControl are the relay restrictions where an administrator has none.
const relayControl = "permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination"

// limitedNetworks wants nobody trusted for his address but those wanted. What is narrower is as good. Of
// a wider list what is too wide goes, what is no network stays, and what is missing comes.
func limitedNetworks(trusted []string) plan.Merge {
	loop := elements(loopback)
	return func(observed, _, _ []string) []string {
		if len(observed) == 0 {
			return []string{canonical("mynetworks", strings.Join(trusted, ", "))}
		}

		var kept []string
		networks := 0
		for _, e := range listOf(observed) {
			network, ok := networkOf(e)
			if ok && !slices.ContainsFunc(trusted, func(t string) bool {
				return covers(t, network)
			}) {
				continue
			}

			if ok || strings.HasPrefix(e, "/") || strings.Contains(e, ":/") { // of a file or table too
				networks++
			}

			kept = append(kept, e)
		}

		for _, t := range trusted {
			network, _ := networkOf(t)
			there := slices.ContainsFunc(kept, func(e string) bool {
				return covers(e, network)
			})
			if !there && (networks == 0 || !slices.Contains(loop, t)) {
				kept = append(kept, t)
			}
		}

		return []string{canonical("mynetworks", strings.Join(kept, ", "))}
	}
}

// networkOf reads an address or a network as mynetworks has it: "[fd00::]/64", "10.0.0.1".
func networkOf(element string) (netip.Prefix, bool) {
	text := strings.NewReplacer("[", "", "]", "").Replace(element)
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), true
	}
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}

	return netip.Prefix{}, false
}

func covers(element string, network netip.Prefix) bool {
	p, ok := networkOf(element)
	return ok && p.Bits() <= network.Bits() && p.Contains(network.Addr())
}

// relayRestrictions wants relay restrictions that end strangers' mail for others for good. What an
// administrator has there stays where it is.
func relayRestrictions(observed, _, _ []string) []string {
	if len(observed) == 0 || observed[0] == empty {
		return []string{relayControl}
	}
	if strings.HasPrefix(observed[0], inRecipients) {
		return observed
	}

	list := slices.DeleteFunc(listOf(observed), func(e string) bool {
		return e == "permit" || e == "defer_unauth_destination"
	})

	if !slices.Contains(list, "reject_unauth_destination") && !slices.Contains(list, "reject") {
		list = append(list, "reject_unauth_destination")
	}

	return []string{canonical("smtpd_relay_restrictions", strings.Join(list, ", "))}
}
