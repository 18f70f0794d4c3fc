package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// Sessions are those that one sender had with the mail hosts of a domain, as its TLS reports of the window have them.
type Sessions struct {
	Reporter  string    `json:"reporter"`
	Domain    string    `json:"domain"`
	Reports   int       `json:"reports"`
	Succeeded int       `json:"succeeded"`
	Failed    int       `json:"failed"`
	Failures  []Failure `json:"failures,omitempty"`
}

// Failure is a kind of failure at one host, and how often it came.
type Failure struct {
	Type     string `json:"type"` // RFC 8460 section 4.3: certificate-expired, starttls-not-supported, ...
	Host     string `json:"host"`
	Sessions int    `json:"sessions"`
}

// Sessions sums up the TLS reports of the window, the sender with the most failures first.
func (f *Found) Sessions(s Site) (all []Sessions) {
	found := map[[2]string]*Sessions{}
	seen := map[string]bool{}
	for _, r := range f.TLS {
		id := r.Reporter + "\x00" + r.ID
		if seen[id] || r.To.Before(s.since()) {
			continue
		}

		seen[id] = true
		counted := map[string]bool{}
		for _, p := range r.Policies {
			if !slices.Contains(s.Domains, p.Domain) {
				continue
			}

			k := [2]string{r.Reporter, p.Domain}
			if found[k] == nil {
				found[k] = &Sessions{Reporter: r.Reporter, Domain: p.Domain}
			}

			if !counted[p.Domain] {
				counted[p.Domain] = true
				found[k].Reports++
			}

			found[k].count(p)
		}
	}

	for _, one := range found {
		slices.SortFunc(one.Failures, func(a, b Failure) int {
			return cmp.Or(cmp.Compare(b.Sessions, a.Sessions), strings.Compare(a.Type, b.Type),
				strings.Compare(a.Host, b.Host))
		})
		all = append(all, *one)
	}

	slices.SortFunc(all, func(a, b Sessions) int {
		return cmp.Or(cmp.Compare(b.Failed, a.Failed), cmp.Compare(b.Succeeded, a.Succeeded),
			strings.Compare(a.Reporter, b.Reporter), strings.Compare(a.Domain, b.Domain))
	})

	return all
}

// count adds what was seen under one policy. The summary may be missing.
func (is *Sessions) count(p TLSPolicy) {
	listed := 0
	for _, f := range p.Failures {
		listed += f.Sessions
		host := cmp.Or(f.Host, f.Address, "the mail host")
		i := slices.IndexFunc(is.Failures, func(is Failure) bool {
			return is.Type == f.Type && is.Host == host
		})

		if i < 0 {
			is.Failures = append(is.Failures, Failure{Type: f.Type, Host: host})
			i = len(is.Failures) - 1
		}

		is.Failures[i].Sessions += f.Sessions
	}

	is.Succeeded += p.Successful
	is.Failed += max(p.Failed, listed)
}

// failures judges the TLS reports on a domain.
func (f *Found) failures(s Site, domain string) plan.Check {
	c := plan.Check{
		ID:      catalog.TLSRPTFailures,
		Subject: plan.OfName(domain),
		Want:    "senders reach the mail hosts under TLS",
		Ref:     "RFC 8460",
	}

	s.Domains = []string{domain}
	reports, good, bad := 0, 0, 0
	kinds := map[string]int{}

	for _, one := range f.Sessions(s) {
		reports = reports + one.Reports
		good = good + one.Succeeded
		bad = bad + one.Failed
		for _, failure := range one.Failures {
			kinds[failure.Type+" at "+failure.Host] += failure.Sessions
		}
	}

	if reports == 0 {
		c.Status = plan.Skip
		c.Got = "no TLS report of the last 7 days is in the mailbox"
		c.Reason = plan.ReasonUnseen
		c.Hint = "senders report once a day to the rua of the TLS-RPT record: see tlsrpt.record, and verify.reports for where they arrive"
		return c
	}

	c.Got = fmt.Sprintf("%d sessions succeeded and %d failed, in %d reports", good, bad,
		reports)

	c.Status = plan.Pass
	if bad == 0 {
		return c
	}

	var list []string
	for kind, n := range kinds {
		list = append(list, fmt.Sprintf("%s (%d)", kind, n))
	}

	slices.Sort(list)
	c.Status = plan.Warn
	if good == 0 {
		c.Status = plan.Fail
	}

	c.Got = strings.TrimPrefix(firstFew(list)+"; "+c.Got, "; ")
	c.Hint = "see smtp.certificate, sts.policy and dane.match: those senders did not deliver, or delivered unencrypted"
	return c
}
