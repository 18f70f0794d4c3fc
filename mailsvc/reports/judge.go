package reports

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/orgdomain"
)

// Window is how far back reports are judged where a site says nothing else: a week.
const Window = 7 * 24 * time.Hour

// Site is what reports are judged by.
type Site struct {
	Domains []string     // whose mail is reported on
	Own     []netip.Addr // that the site's mail comes from
	// Listed reports whether the SPF record of a domain names an address: a third party that is wanted. The error
	// says why that can't be looked up. It may be nil, and is asked once for an address and a domain.
	Listed func(address netip.Addr, domain string) (bool, error)
	Now    time.Time
	Window time.Duration // how far back; 0 is Window
}

// since is the time from which on reports count.
func (s Site) since() time.Time { return s.Now.Add(-cmp.Or(s.Window, Window)) }

// Sender is an address that sent as one of the domains.
type Sender struct {
	Address  netip.Addr `json:"address"`
	Domain   string     `json:"domain"`
	Kind     string     `json:"kind"` // Ours, Listed, Forwarder, Unknown, Unresolved
	Passed   int        `json:"passed"`
	Failed   int        `json:"failed"`
	Signers  []string   `json:"signers,omitempty"`
	Reported []string   `json:"reported_by"`
}

// Kinds of senders.
const (
	Ours       = "ours"
	Listed     = "listed"    // in the SPF record: a third party that sends for the domain
	Forwarder  = "forwarder" // passes mail on; only the signature survives that
	Unknown    = "unknown"
	Unresolved = "unresolved" // the SPF record could not be looked up
)

// Senders sums up who sent as the domains in the window, who failed most first.
func (f *Found) Senders(s Site) []Sender {
	type at struct {
		address netip.Addr
		domain  string
	}

	listed := s.askOnce()
	found := map[at]*Sender{}
	for _, r := range f.recent(s) {
		for _, row := range r.Rows {
			k := at{row.Source, r.Domain}
			is := found[k]
			if is == nil {
				is = &Sender{Address: row.Source, Domain: r.Domain, Kind: Unknown}
				found[k] = is
			}

			is.count(r, row)
			is.Kind = betterKnown(is.Kind, s.kind(r, row, listed))
		}
	}

	var all []Sender
	for _, is := range found {
		all = append(all, *is)
	}

	slices.SortFunc(all, func(a, b Sender) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Passed, a.Passed),
			a.Address.Compare(b.Address), strings.Compare(a.Domain, b.Domain))
	})

	return all
}

// askOnce is Listed, with its answers kept. Without it nothing is listed.
func (s Site) askOnce() func(netip.Addr, string) (bool, error) {
	type question struct {
		address netip.Addr
		domain  string
	}

	type answer struct {
		is  bool
		err error
	}

	kept := map[question]answer{}
	return func(address netip.Addr, domain string) (bool, error) {
		q := question{address, domain}
		a, ok := kept[q]
		if !ok && s.Listed != nil {
			a.is, a.err = s.Listed(address, domain)
			kept[q] = a
		}
		return a.is, a.err
	}
}

// recent are the reports of the site's domains in the window, each once: some reporters send twice.
func (f *Found) recent(s Site) (list []*DMARC) {
	seen := map[string]bool{}
	for _, r := range f.DMARC {
		id := r.Reporter + "\x00" + r.ID + "\x00" + r.Domain
		if r.To.Before(s.since()) || seen[id] ||
			!slices.ContainsFunc(s.Domains, func(d string) bool {
				return r.Domain == d || orgdomain.Of(r.Domain) == d
			}) {
			continue
		}

		seen[id] = true
		list = append(list, r)
	}

	return list
}

// count adds what a row says.
func (is *Sender) count(r *DMARC, row Row) {
	if row.Passes() {
		is.Passed += row.Count
	} else {
		is.Failed += row.Count
	}

	for _, signer := range row.Signers {
		if !slices.Contains(is.Signers, signer) && len(is.Signers) < 5 {
			is.Signers = append(is.Signers, signer)
		}
	}

	if !slices.Contains(is.Reported, r.Reporter) && len(is.Reported) < 5 {
		is.Reported = append(is.Reported, r.Reporter)
	}
}

// kind is what a row shows of who sent.
func (s Site) kind(r *DMARC, row Row, listed func(netip.Addr, string) (bool, error)) string {
	if slices.Contains(s.Own, row.Source) {
		return Ours
	}

	domain := r.Domain
	if row.Envelope != "" && orgdomain.Of(row.Envelope) == orgdomain.Of(r.Domain) { // bounces.example.org, of a service
		domain = row.Envelope
	}

	is, err := listed(row.Source, domain)
	switch {
	case is:
		return Listed
	case row.Override == "forwarded" || row.Override == "mailing_list" ||
		row.Override == "trusted_forwarder" || row.DKIM && !row.SPF:
		return Forwarder
	case err != nil:
		return Unresolved
	}

	return Unknown
}

// betterKnown is the kind that says more of a sender.
func betterKnown(a, b string) string {
	order := []string{Unknown, Unresolved, Forwarder, Listed, Ours}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

// Checks judges the reports of the window.
func (f *Found) Checks(s Site) []plan.Check {
	var checks []plan.Check
	for _, d := range s.Domains {
		checks = append(checks, f.senders(s, d), f.failures(s, d))
	}
	return checks
}

func (f *Found) senders(s Site, domain string) plan.Check {
	c := plan.Check{
		ID:      catalog.DMARCSenders,
		Subject: plan.OfName(domain),
		Want:    "our own mail passes, and no unknown sender does",
		Ref:     "RFC 7489 section 7.2",
	}

	s.Domains = []string{domain}
	reports := len(f.recent(s))
	if reports == 0 {
		c.Status = plan.Skip
		c.Got = "no DMARC report of the last 7 days is in the mailbox"
		c.Reason = plan.ReasonUnseen
		c.Hint = "receivers report once a day to the rua of the DMARC record: see dmarc.reports, and verify.reports for where they arrive"
		return c
	}

	var ours, unknown, unresolved []string
	passed, failed := 0, 0
	for _, is := range f.Senders(s) {
		switch {
		case is.Kind == Ours && is.Failed > 0:
			ours = append(ours, fmt.Sprintf("%s (%d of %d)", is.Address, is.Failed,
				is.Failed+is.Passed))
		case is.Kind == Unknown && is.Passed > 0:
			unknown = append(unknown, fmt.Sprintf("%s (%d)", is.Address, is.Passed))
		case is.Kind == Unresolved && is.Passed > 0:
			unresolved = append(unresolved, fmt.Sprintf("%s (%d)", is.Address, is.Passed))
		}

		passed = passed + is.Passed
		failed = failed + is.Failed
	}

	if passed+failed == 0 {
		c.Status = plan.Skip
		c.Got = "the DMARC reports of the last 7 days tell of no message whose address can be read"
		c.Reason = plan.ReasonUnseen
		c.Hint = "wait for mail to be reported on"
		return c
	}

	c.Got = fmt.Sprintf("%d messages passed and %d failed, in %d reports", passed, failed,
		reports)

	switch {
	case len(ours) > 0:
		c.Status = plan.Fail
		c.Got = "our own mail fails from " + firstFew(ours) + "; " + c.Got
		c.Hint = "see spf.pass and dkim.match: receivers refuse such mail where the policy says so"
	case len(s.Own) == 0 && failed > 0:
		c.Status = plan.Skip
		c.Reason = plan.ReasonUnseen
		c.Got = "the site's public address is not known, so that it is not known whose mail failed; " + c.Got
		c.Hint = "see router.address"
	case len(unknown) > 0:
		c.Status = plan.Warn
		c.Got = "unknown senders pass: " + firstFew(unknown) + "; " + c.Got
		c.Hint = "identify the sender: a service used by someone in the organization (list it under spf.include), or a leaked key"
	case len(unresolved) > 0:
		c.Status = plan.Skip
		c.Reason = plan.ReasonUnseen
		c.Got = "the SPF record can't be looked up, so that it is not known whether it lists " +
			firstFew(unresolved) + "; " + c.Got
		c.Hint = "see spf.single and verify.resolvers"
	default:
		c.Status = plan.Pass
	}

	return c
}

func firstFew(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}
