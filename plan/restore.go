package plan

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Restores reports whether a change does no more than put back, or renew, what the ledger says
// that mailpub had put in place. What the config wants only since, what a stranger changed, and
// what is to go are an administrator's to decide on.
func (l *Ledger) Restores(c Change) bool {
	e := l.entries[c.Key]
	if e == nil || !c.Writes() || c.Adopt || c.Release {
		return false
	}
	return e.Text != nil && EqualLines(c.After, e.Text) || e.Pending != nil && EqualLines(c.After, e.Pending)
}

// Only returns the plan cut down to the changes that may be made. Of what apply would only write
// into the ledger that part stays which the ledger knows already.
func (p *Plan) Only(l *Ledger, may func(Change) bool) *Plan {
	out := &Plan{Site: p.Site, Unchanged: p.Unchanged, Failed: p.Failed}
	for _, c := range p.Changes {
		if may(c) {
			out.Changes = append(out.Changes, c)
		}
	}
	for _, e := range p.keep {
		if l.entries[e.Key] != nil {
			out.keep = append(out.keep, e)
		}
	}
	return out
}

// ErrUnsettled means that DNS can't follow the public address by itself, as that would carry out
// something else too that nobody has agreed to.
var ErrUnsettled = errors.New("DNS can't follow the public address by itself")

// Following returns the changes by which DNS follows the site's public address, and nothing else:
// the mail host's A and AAAA records, the addresses in SPF records, the PTR records, and what is
// to be done by hand for these. There are none unless an address record is in the ledger and the
// address in it is another one now. The error wraps ErrUnsettled and names what stands against
// it: all of it is written together, or nothing.
func (p *Plan) Following(host string, l *Ledger) ([]Change, error) {
	moves := p.moves(host, l)
	if len(moves) == 0 {
		return nil, nil
	}
	pointer := l.pointers()
	var out []Change
	for _, c := range p.Changes {
		name, rrtype, _ := strings.Cut(c.Key.Name, " ")
		e := l.entries[c.Key]
		var follows bool
		switch {
		case c.Key.Kind != "dns" || c.Action == Unreadable:
			continue
		case FQDN(name) == FQDN(host) && (rrtype == "A" || rrtype == "AAAA"):
			follows = c.Action == Manual || e != nil && EqualLines(movedAddress(e.Text, moves), c.After)
		case rrtype == "TXT "+spfTag:
			follows = c.Action == Manual || e != nil && slices.Equal(movedSPF(e.Text, moves), movedSPF(c.After, nil))
		case rrtype == "PTR" && c.Release:
			follows = c.Action == Manual || e != nil
		case rrtype == "PTR":
			follows = c.Action == Manual || slices.ContainsFunc(pointer, func(text []string) bool { return EqualLines(text, c.After) })
		default:
			continue
		}
		if c.Adopt {
			return nil, fmt.Errorf("%w: %s is not mailpub's: look at it, then run apply --adopt", ErrUnsettled, c.Key)
		}
		if !follows {
			return nil, fmt.Errorf("%w: %s differs by more than the address: run apply", ErrUnsettled, c.Key)
		}
		out = append(out, c)
	}
	return out, nil
}

// moves are the mail host's addresses in the ledger that are to be others, each with that.
func (p *Plan) moves(host string, l *Ledger) map[netip.Addr]netip.Addr {
	out := map[netip.Addr]netip.Addr{}
	for _, c := range p.Changes {
		e := l.entries[c.Key]
		if e == nil || c.Release || c.Action == Unreadable || c.Key != DNSKey(host, "A") && c.Key != DNSKey(host, "AAAA") {
			continue
		}
		was, is := addressIn(e.Text), addressIn(c.After)
		if was.IsValid() && is.IsValid() && was != is {
			out[was] = is
		}
	}
	return out
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

// pointers are the texts of the PTR records that the ledger has.
func (l *Ledger) pointers() (texts [][]string) {
	for k, e := range l.entries {
		if k.Kind == "dns" && strings.HasSuffix(k.Name, " PTR") {
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
