package mail

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// SPF is what a domain says about who may send for it, beyond its own server.
type SPF struct {
	Include []string // domains of others that send for this one
	All     string   // "fail", "softfail", "neutral"; empty: fail, or what is there already
}

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

var spfAll = map[string]string{"": "-all", "fail": "-all", "softfail": "~all", "neutral": "?all"}

func addressTerm(a netip.Addr) string {
	if a = a.Unmap(); a.Is4() {
		return "ip4:" + a.String()
	}
	return "ip6:" + a.String()
}

// spfRecord returns the wanted SPF record of name. What others put into an existing
// record stays in it.
func spfRecord(name string, terms []string, s SPF, reason string) record {
	terms = slices.Clone(terms)
	for _, d := range s.Include {
		terms = append(terms, "include:"+strings.TrimSuffix(strings.ToLower(d), "."))
	}
	all := spfAll[s.All]
	return record{name: name, rrtype: "TXT", tag: spfTag, stage: plan.StageRecord, reason: reason,
		merge: spfMerge(terms, all, s.All != ""),
		data:  []string{spfData(append(slices.Clone(terms), all))}}
}

func spfMerge(wanted []string, all string, explicit bool) plan.Merge {
	return func(observed, last, prior []string) []string {
		theirs := spfTerms(prior)
		ours := slices.DeleteFunc(spfTerms(last), func(t string) bool { return slices.Contains(theirs, t) })
		return mergeSPF(observed, ours, wanted, all, explicit)
	}
}

func spfData(terms []string) string {
	return TextData(strings.Join(append([]string{spfTag}, terms...), " "))
}

// mergeSPF returns the one record that holds the wanted terms and whatever others
// have in the observed records. ours are the terms that mailpub put in before: of those,
// what is no longer wanted goes. An existing "all" or redirect stays unless
// the config asks for another (explicit). Nothing is moved when all is there already.
func mergeSPF(observed, ours, wanted []string, all string, explicit bool) []string {
	if len(observed) == 0 {
		return []string{spfData(append(slices.Clone(wanted), all))}
	}
	seen := spfTerms(observed)
	var kept []string
	var theirAll, redirect string
	for _, t := range seen {
		switch {
		case isAll(t):
			theirAll = cmp.Or(theirAll, t)
		case isRedirect(t):
			redirect = t
		case slices.Contains(kept, t), slices.Contains(ours, t) && !slices.Contains(wanted, t):
		default:
			kept = append(kept, t)
		}
	}
	var missing []string
	for _, t := range wanted {
		if !slices.Contains(kept, t) {
			missing = append(missing, t)
		}
	}
	// RFC 7208 section 6.1: a redirect is ignored where there is an "all", so adding
	// one would silence it.
	final := all
	switch stale := slices.Contains(ours, theirAll) && theirAll != all; {
	case explicit:
	case theirAll != "" && !stale:
		final = theirAll
	case redirect != "":
		final = redirect
	}
	terms := append(missing, kept...)
	if len(terms) == len(wanted) { // nobody else's terms: written afresh
		terms = slices.Clone(wanted)
	}
	terms = append(terms, final)
	if len(observed) == 1 && len(terms) == len(seen) && len(missing) == 0 && terms[len(terms)-1] == seen[len(seen)-1] {
		return slices.Clone(observed)
	}
	return []string{spfData(terms)}
}

// spfTerms returns the terms of SPF records in canonical text, in lower case, without
// the version. A term that only says again what is the default is written the short way.
func spfTerms(lines []string) (terms []string) {
	for _, l := range lines {
		text, err := Text(l)
		if err != nil {
			continue
		}
		for i, t := range strings.Fields(text) {
			if i == 0 {
				continue
			}
			terms = append(terms, canonicalTerm(t))
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
