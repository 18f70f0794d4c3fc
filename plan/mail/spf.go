package mail

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// including returns the includes, with more of them, each once.
func (s SPF) including(more []string) []string {
	all := slices.Clone(s.Include)
	for _, m := range more {
		if !slices.ContainsFunc(all, func(d string) bool { return FQDN(d) == FQDN(m) }) {
			all = append(all, m)
		}
	}
	return all
}

const spfTag = "v=spf1"

var spfAll = map[string]string{"": "-all", "fail": "-all", "softfail": "~all",
	"neutral": "?all"}

func addressTerm(a netip.Addr) string {
	if a = a.Unmap(); a.Is4() {
		return "ip4:" + a.String()
	}
	return "ip6:" + a.String()
}

// spfRecord returns the wanted SPF record of name. What others put into an existing
// record stays in it. host is the mail host, whose addresses are the server's.
func spfRecord(name, host string, terms []string, s SPF, reason string) record {
	terms = slices.Clone(terms)
	for _, d := range s.Include {
		terms = append(terms, "include:"+strings.TrimSuffix(strings.ToLower(d), "."))
	}

	all := spfAll[s.All]
	return record{
		name:   name,
		rrtype: "TXT",
		tag:    spfTag,
		stage:  plan.StageRecord,
		reason: reason,
		merge:  spfMerge(spfNames{record: name, host: host}, terms, all, s.All != ""),
		data:   []string{spfData(append(slices.Clone(terms), all))},
	}
}

// spfNames are the names that a record's terms are read with.
type spfNames struct {
	record string // of the record: "a" and "mx" mean its
	host   string // the mail host
}

func spfMerge(names spfNames, wanted []string, all string, explicit bool) plan.Merge {
	return func(observed, last, prior []string) []string {
		theirs := spfTerms(prior)
		ours := slices.DeleteFunc(spfTerms(last), func(t string) bool {
			return slices.Contains(theirs, t)
		})
		return mergeSPF(names, observed, ours, wanted, all, explicit)
	}
}

func spfData(terms []string) string {
	return TextData(strings.Join(append([]string{spfTag}, terms...), " "))
}

// mergeSPF returns the one record that holds the wanted terms and whatever others
// have in the observed records. ours are the terms that mailpub put in before: of those,
// what is no longer wanted goes. An existing "all" or redirect stays unless
// the config asks for another (explicit). Nothing is moved when all is there already.
func mergeSPF(names spfNames, observed, ours, wanted []string, all string, explicit bool) []string {
	if len(observed) == 0 {
		return []string{spfData(append(slices.Clone(wanted), all))}
	}

	is := readSPF(observed, ours, wanted)
	missing := is.missing(names, wanted)

	// RFC 7208 section 6.1: a redirect is ignored where there is an "all", so adding
	// one would silence it.
	final := all
	switch stale := slices.Contains(ours, is.all) && is.all != all; {
	case explicit:
	case is.all != "" && !stale:
		final = is.all
	case is.redirect != "":
		final = is.redirect
	}

	there := is.all
	if there == "" {
		there = is.redirect
	}

	if len(observed) == 1 && len(missing) == 0 && !is.dropped && there == final {
		return slices.Clone(observed)
	}

	terms, others := missing, false
	for _, t := range is.live {
		terms = append(terms, t.text)
		others = others || !slices.Contains(wanted, t.canonical)
	}

	if !others { // written afresh
		terms = slices.Clone(wanted)
	}

	terms = append(terms, final)
	for _, t := range slices.Concat(is.parked, is.modifiers) {
		terms = append(terms, t.text)
	}

	return []string{spfData(terms)}
}

// spfTerm is a term as it is written, and in one spelling.
type spfTerm struct{ text, canonical string }

// spfRead is what is in the observed records, each thing once.
type spfRead struct {
	live      []spfTerm // mechanisms that are evaluated
	parked    []spfTerm // what stands behind "all", and so is not
	modifiers []spfTerm // but for redirect; where they stand says nothing (RFC 7208 section 6)
	all       string    // in one spelling
	redirect  string
	dropped   bool // something of mailpub's is no longer wanted, or is there twice
	byAddress bool // mailpub put an address in before: then it keeps one there
}

func readSPF(observed, ours, wanted []string) (r spfRead) {
	has := func(list []spfTerm, t spfTerm) bool {
		return slices.ContainsFunc(list, func(o spfTerm) bool {
			return o.canonical == t.canonical
		})
	}

	for _, l := range observed {
		ended := false // by "all"
		for _, t := range spfTermsOf(l) {
			own := slices.Contains(ours, t.canonical)
			r.byAddress = r.byAddress || own && isAddressTerm(t.canonical)
			own = own && !slices.Contains(wanted, t.canonical)

			switch {
			case isAll(t.canonical) && !ended:
				ended = true
				if r.all == "" {
					r.all = t.canonical
				}
			case isRedirect(t.canonical):
				r.redirect = t.text
			case isModifier(t.canonical):
				r.modifiers = append(r.modifiers, t)
			case ended:
				r.parked = append(r.parked, t)
			case own, has(r.live, t):
				r.dropped = true
			default:
				r.live = append(r.live, t)
			}
		}
	}

	if r.all != "" && r.redirect != "" { // ignored there; left where it can do no harm
		r.parked = append(r.parked, spfTerm{r.redirect, r.redirect})
		r.redirect = ""
	}

	return r
}

// missing returns the wanted terms that nothing there stands for. Where the server's addresses may
// send already, "mx" adds nothing but other hosts; and where the mail host may by its name, its
// addresses add nothing.
func (r spfRead) missing(names spfNames, wanted []string) (terms []string) {
	named := !r.byAddress && r.names(names, wanted)
	addresses, covered := 0, 0
	for _, t := range wanted {
		if !isAddressTerm(t) {
			continue
		}
		addresses++
		if named || r.covers(names, t) {
			covered++
		}
	}

	all := addresses > 0 && addresses == covered
	for _, t := range wanted {
		if !r.covers(names, t) && !(t == "mx" && all) && !(isAddressTerm(t) && all) {
			terms = append(terms, t)
		}
	}

	return terms
}

// names reports whether a term there lets the mail host send by its name: "a:HOST", "a" in the host's own record, or
// "mx" where the host is an MX of the domain.
func (r spfRead) names(names spfNames, wanted []string) bool {
	host := names.meaning("a:" + names.host)
	for _, t := range r.live {
		is := names.meaning(t.canonical)
		switch {
		case is == host, is == "mx" && slices.Contains(wanted, "mx"):
			return true
		case mayRefuse(t):
			return false // the host, before it is named
		}
	}

	return false
}

// covers reports whether a term is there in any spelling, or a network that holds its address.
func (r spfRead) covers(names spfNames, term string) bool {
	_, text, _ := strings.Cut(term, ":")
	addr, err := netip.ParseAddr(text)
	refused := false

	return slices.ContainsFunc(r.live, func(t spfTerm) bool {
		if names.meaning(t.canonical) == term {
			return true
		}

		refused = refused || mayRefuse(t)
		_, network, isNet := strings.Cut(t.canonical, ":")
		prefix, err2 := netip.ParsePrefix(network)

		return !refused && err == nil && isNet && isAddressTerm(t.canonical) && err2 == nil &&
			prefix.Contains(addr)
	})
}

// mayRefuse reports whether a term ends the look at the record with something else than a pass.
func mayRefuse(t spfTerm) bool { return strings.ContainsAny(t.canonical[:1], "-~?") }

// meaning is the shortest spelling of a term: "a:NAME" in the record of NAME is "a", and a full prefix length says
// nothing (RFC 7208 sections 5.3, 5.4 and 5.6).
func (n spfNames) meaning(t string) string {
	name, target, named := strings.Cut(t, ":")
	if !named {
		name, target, _ = strings.Cut(t, "/")
		if (name == "a" || name == "mx") && target == "32" {
			return name
		}
		return t
	}

	if name != "a" && name != "mx" || strings.Contains(target, "%") {
		return t
	}

	target = strings.TrimSuffix(target, "/32")
	if FQDN(target) == FQDN(n.record) {
		return name
	}

	return name + ":" + strings.TrimSuffix(FQDN(target), ".")
}

func isAddressTerm(t string) bool {
	return strings.HasPrefix(t, "ip4:") || strings.HasPrefix(t, "ip6:")
}

// isModifier reports whether a term is "name=value" (RFC 7208 section 12).
func isModifier(t string) bool {
	name, _, ok := strings.Cut(t, "=")
	return ok && name != "" && !strings.ContainsAny(name, ":/%")
}

// spfTermsOf returns the terms of one record in canonical text, without the version.
func spfTermsOf(line string) (terms []spfTerm) {
	text, err := Text(line)
	if err != nil {
		return nil
	}

	for i, t := range strings.Fields(text) {
		if i > 0 {
			terms = append(terms, spfTerm{t, canonicalTerm(t)})
		}
	}

	return terms
}

// spfTerms returns the terms of SPF records in canonical text, in lower case, without
// the version. A term that only says again what is the default is written the short way.
func spfTerms(lines []string) (terms []string) {
	for _, l := range lines {
		for _, t := range spfTermsOf(l) {
			terms = append(terms, t.canonical)
		}
	}
	return terms
}

// canonicalTerm folds the case of a term's name and drops what RFC 7208 makes the
// default: the qualifier "+" (section 4.6.2) and a full prefix length (section 5.6).
// Macros keep their case: "%{S}" and "%{s}" differ (section 7.3).
func canonicalTerm(t string) string {
	if !strings.Contains(t, "%") {
		t = strings.ToLower(t)
	}

	t = strings.TrimPrefix(t, "+")
	if rest, ok := strings.CutPrefix(t, "ip4:"); ok {
		return "ip4:" + strings.TrimSuffix(rest, "/32")
	}
	if rest, ok := strings.CutPrefix(t, "ip6:"); ok {
		return "ip6:" + strings.TrimSuffix(rest, "/128")
	}

	return t
}

func isAll(t string) bool {
	return strings.EqualFold(strings.TrimLeft(t, "+-~?"), "all")
}

func isRedirect(t string) bool {
	return len(t) > 9 && strings.EqualFold(t[:9], "redirect=")
}
