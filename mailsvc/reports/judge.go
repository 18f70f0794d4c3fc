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

// Window is how far back reports are judged: a week.
const Window = 7 * 24 * time.Hour

// Site is what reports are judged by.
type Site struct {
	Domains []string              // whose mail is reported on
	Own     []netip.Addr          // that the site's mail comes from
	Listed  func(netip.Addr) bool // whether the SPF record lets an address send: a third party that is wanted; may be nil
	Now     time.Time
}

// Sender is an address that sent as one of the domains.
type Sender struct {
	Address  netip.Addr `json:"address"`
	Domain   string     `json:"domain"`
	Kind     string     `json:"kind"` // Ours, Listed, Forwarder, Unknown
	Passed   int        `json:"passed"`
	Failed   int        `json:"failed"`
	Signers  []string   `json:"signers,omitempty"`
	Reported []string   `json:"reported_by"`
}

// Kinds of senders.
const (
	Ours      = "ours"
	Listed    = "listed"    // in the SPF record: a third party that sends for the domain
	Forwarder = "forwarder" // passes mail on; only the signature survives that
	Unknown   = "unknown"
)

// Senders sums up who sent as the domains in the window, who failed most first.
func (f *Found) Senders(s Site) []Sender {
	type at struct {
		address netip.Addr
		domain  string
	}
	found := map[at]*Sender{}
	for _, r := range f.recent(s) {
		for _, row := range r.Rows {
			k := at{row.Source, r.Domain}
			is := found[k]
			if is == nil {
				is = &Sender{Address: row.Source, Domain: r.Domain, Kind: Unknown}
				found[k] = is
			}
			is.take(r, row, s)
		}
	}
	var all []Sender
	for _, is := range found {
		all = append(all, *is)
	}
	slices.SortFunc(all, func(a, b Sender) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Passed, a.Passed), a.Address.Compare(b.Address), strings.Compare(a.Domain, b.Domain))
	})
	return all
}

// recent are the reports of the site's domains in the window, each once: some reporters send twice.
func (f *Found) recent(s Site) (list []*DMARC) {
	seen := map[string]bool{}
	for _, r := range f.DMARC {
		id := r.Reporter + "\x00" + r.ID + "\x00" + r.Domain
		late := !r.To.IsZero() && s.Now.Sub(r.To) > Window
		if late || seen[id] || !slices.ContainsFunc(s.Domains, func(d string) bool { return r.Domain == d || orgdomain.Of(r.Domain) == d }) {
			continue
		}
		seen[id] = true
		list = append(list, r)
	}
	return list
}

func (is *Sender) take(r *DMARC, row Row, s Site) {
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
	switch {
	case slices.Contains(s.Own, row.Source):
		is.Kind = Ours
	case s.Listed != nil && s.Listed(row.Source):
		is.Kind = Listed
	case row.Override == "forwarded" || row.Override == "mailing_list" || row.Override == "trusted_forwarder" || row.DKIM && !row.SPF:
		is.Kind = Forwarder
	}
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
	c := plan.Check{ID: catalog.DMARCSenders, Subject: plan.OfName(domain), Want: "our own mail passes, and no unknown sender does", Ref: "RFC 7489 section 7.2"}
	s.Domains = []string{domain}
	reports := len(f.recent(s))
	if reports == 0 {
		c.Status, c.Got, c.Reason = plan.Skip, "no DMARC report of the last 7 days is in the mailbox", plan.ReasonUnseen
		c.Hint = "receivers report once a day to the rua of the DMARC record: see dmarc.reports, and verify.reports for where they arrive"
		return c
	}
	var ours, unknown []string
	passed, failed := 0, 0
	for _, is := range f.Senders(s) {
		switch {
		case is.Kind == Ours && is.Failed > 0:
			ours = append(ours, fmt.Sprintf("%s (%d of %d)", is.Address, is.Failed, is.Failed+is.Passed))
		case is.Kind == Unknown && is.Passed > 0:
			unknown = append(unknown, fmt.Sprintf("%s (%d)", is.Address, is.Passed))
		}
		passed, failed = passed+is.Passed, failed+is.Failed
	}
	if passed+failed == 0 {
		c.Status, c.Got, c.Reason = plan.Skip, "the DMARC reports of the last 7 days tell of no message whose address can be read", plan.ReasonUnseen
		c.Hint = "wait for mail to be reported on"
		return c
	}
	c.Got = fmt.Sprintf("%d messages passed and %d failed, in %d reports", passed, failed, reports)
	switch {
	case len(ours) > 0:
		c.Status, c.Got = plan.Fail, "our own mail fails from "+firstFew(ours)+"; "+c.Got
		c.Hint = "see spf.pass and dkim.match: receivers refuse such mail where the policy says so"
	case len(unknown) > 0:
		c.Status, c.Got = plan.Warn, "unknown senders pass: "+firstFew(unknown)+"; "+c.Got
		c.Hint = "identify the sender: a service used by someone in the organization (list it under spf.include), or a leaked key"
	default:
		c.Status = plan.Pass
	}
	return c
}

func (f *Found) failures(s Site, domain string) plan.Check {
	c := plan.Check{ID: catalog.TLSRPTFailures, Subject: plan.OfName(domain), Want: "senders reach the mail hosts under TLS", Ref: "RFC 8460"}
	reports, good, bad := 0, 0, 0
	kinds := map[string]int{}
	seen := map[string]bool{}
	for _, r := range f.TLS {
		id := r.Reporter + "\x00" + r.ID
		if seen[id] || !r.To.IsZero() && s.Now.Sub(r.To) > Window {
			continue
		}
		for _, p := range r.Policies {
			if p.Domain != domain {
				continue
			}
			if !seen[id] {
				seen[id] = true
				reports++
			}
			listed := 0
			for _, failure := range p.Failures {
				kinds[failure.Type+" at "+cmp.Or(failure.Host, failure.Address, "the mail host")] += failure.Sessions
				listed += failure.Sessions
			}
			good, bad = good+p.Successful, bad+max(p.Failed, listed) // the summary may be missing
		}
	}
	if reports == 0 {
		c.Status, c.Got, c.Reason = plan.Skip, "no TLS report of the last 7 days is in the mailbox", plan.ReasonUnseen
		c.Hint = "senders report once a day to the rua of the TLS-RPT record: see tlsrpt.record, and verify.reports for where they arrive"
		return c
	}
	c.Got = fmt.Sprintf("%d sessions succeeded and %d failed, in %d reports", good, bad, reports)
	c.Status = plan.Pass
	if bad > 0 {
		var list []string
		for kind, n := range kinds {
			list = append(list, fmt.Sprintf("%s (%d)", kind, n))
		}
		slices.Sort(list)
		c.Status = plan.Warn
		if good == 0 {
			c.Status = plan.Fail
		}
		c.Got = strings.TrimSuffix(firstFew(list)+"; "+c.Got, "; ")
		c.Hint = "see smtp.certificate, sts.policy and dane.match: those senders did not deliver, or delivered unencrypted"
	}
	return c
}

func firstFew(list []string) string {
	if len(list) > 3 {
		return strings.Join(list[:3], ", ") + fmt.Sprintf(" and %d more", len(list)-3)
	}
	return strings.Join(list, ", ")
}
