package mail

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// ErrUnsettled means that DNS can't follow the public address by itself, as that would carry out
// something else too that nobody has agreed to.
var ErrUnsettled = errors.New("DNS can't follow the public address by itself")

// AddressUpdate returns the changes of a plan by which DNS follows the site's public address, and nothing else:
// the mail host's A and AAAA records, the addresses in SPF records, the PTR records, and what is
// to be done by hand for these. There are none unless one of those is in the ledger with another
// address than it is to have, so that it also finds what is left where the last time broke off
// between two zones. The error wraps ErrUnsettled and names what stands against it: all of it is
// written, or nothing.
func AddressUpdate(p *plan.Plan, host string, l *plan.Ledger) ([]plan.Change, error) {
	moves := addressMoves(p, host, l)
	pointers := pointersIn(l)
	isPointer := func(c plan.Change) bool {
		return slices.ContainsFunc(pointers, func(text []string) bool {
			return plan.EqualLines(text, c.After)
		})
	}

	var out []plan.Change
	moved := len(moves) > 0
	for _, c := range p.Changes {
		name, rrtype, _ := strings.Cut(c.Key.Name, " ")
		e, known := l.Get(c.Key)
		follows := c.Action == plan.Manual
		address := FQDN(name) == FQDN(host) && (rrtype == "A" || rrtype == "AAAA")

		switch {
		case c.Key.Kind == "dns" && address &&
			(c.Action == plan.Unreadable || !known && !follows):
			return nil, nil // it is not known, or not published by mailpub: nothing to follow
		case c.Key.Kind != "dns" || c.Action == plan.Unreadable || l.Restores(c):
			continue
		case address:
			follows = follows || known && plan.EqualLines(movedAddress(e.Text, moves), c.After)
		case rrtype == "TXT "+spfTag:
			follows = follows || known && slices.Equal(movedSPF(e.Text, moves),
				movedSPF(c.After, nil))
		case rrtype == "PTR":
			follows = follows || c.Release && known || !c.Release && isPointer(c)
			moved = moved || !c.Release && !known && c.Writes() && isPointer(c)
		default:
			continue
		}

		if c.Adopt {
			return nil, fmt.Errorf("%w: %s is not mailpub's: review it, then run apply --adopt",
				ErrUnsettled, c.Key)
		}
		if !follows {
			return nil, fmt.Errorf("%w: %s differs by more than the address: run apply",
				ErrUnsettled, c.Key)
		}

		out = append(out, c)
	}

	if !moved {
		return nil, nil
	}

	return out, nil
}

// addressMoves are the addresses in the ledger's address and SPF records that are to be others, each
// with that.
func addressMoves(p *plan.Plan, host string, l *plan.Ledger) map[netip.Addr]netip.Addr {
	out := map[netip.Addr]netip.Addr{}
	for _, c := range p.Changes {
		e, known := l.Get(c.Key)
		if !known || c.Release || c.Action == plan.Unreadable || c.Key.Kind != "dns" {
			continue
		}

		var was, is netip.Addr
		switch {
		case c.Key == DNSKey(host, "A") || c.Key == DNSKey(host, "AAAA"):
			was = addressIn(e.Text)
			is = addressIn(c.After)
		case strings.HasSuffix(c.Key.Name, " TXT "+spfTag):
			was = onlyAddressIn(e.Text, c.After)
			is = onlyAddressIn(c.After, e.Text)
		}

		if was.IsValid() && is.IsValid() && was != is && was.Is4() == is.Is4() {
			out[was] = is
		}
	}

	return out
}

// onlyAddressIn is the address that one SPF record names and another one does not, where there is just
// one such.
func onlyAddressIn(lines, other []string) (only netip.Addr) {
	others := spfTerms(other)
	for _, t := range spfTerms(lines) {
		_, text, _ := strings.Cut(t, ":")
		a, err := netip.ParseAddr(text)
		if err != nil || slices.Contains(others, t) {
			continue
		}
		if only.IsValid() {
			return netip.Addr{}
		}

		only = a
	}

	return only
}

// addressIn is the address of a record's only line.
func addressIn(lines []string) netip.Addr {
	if len(lines) != 1 {
		return netip.Addr{}
	}
	text, _, _ := strings.Cut(lines[0], " ")
	a, _ := netip.ParseAddr(text)
	return a
}

// pointersIn are the texts of the PTR records that the ledger has.
func pointersIn(l *plan.Ledger) (texts [][]string) {
	for _, e := range l.Of("dns") {
		if strings.HasSuffix(e.Key.Name, " PTR") {
			texts = append(texts, e.Text)
		}
	}
	return texts
}

// movedAddress is the text of a host's only address record with another address.
func movedAddress(lines []string, moves map[netip.Addr]netip.Addr) []string {
	if len(lines) != 1 {
		return nil
	}
	text, rest, _ := strings.Cut(lines[0], " ")
	a, _ := netip.ParseAddr(text)
	return []string{strings.TrimSuffix(AddressData(moves[a])+" "+rest, " ")}
}

// movedSPF are the terms of an SPF record with other addresses, sorted: a merge may put them
// into another order.
func movedSPF(lines []string, moves map[netip.Addr]netip.Addr) []string {
	terms := spfTerms(lines)
	for was, is := range moves {
		for i, t := range terms {
			if t == addressTerm(was) {
				terms[i] = addressTerm(is)
			}
		}
	}

	slices.Sort(terms)
	return terms
}
