package site

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	mailcheck "github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/mailsvc/sts"
	routercheck "github.com/mailpub/mailpub/nat/check"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// everyChecker returns the checkers of a site that calls for all of them.
func everyChecker() []plan.Checker {
	s := &Site{
		cfg:    &config.Config{},
		probe:  &probe.Client{},
		router: router{wan: netip.MustParseAddr("2.2.2.2")},
	}

	s.cfg.Server.Public = config.Public{IPv4: "auto", Echo: []string{"192.0.2.1"}}
	s.spec.Domains = []mail.Domain{{Name: "nomeazienda.it.", MX: make([]mail.MX, 1)}}
	s.cfg.Verify.Mailboxes = make([]config.RemoteMailbox, 1)
	s.cfg.Verify.Reports.Maildir = "reports"
	policy := mail.Domain{Name: "nomeazienda.it.", MTASTS: mail.MTASTS{Mode: "enforce"}}

	return slices.Concat(
		mailcheck.Checkers(mailcheck.Facts{
			Sends:      true,
			Collectors: []string{"pop.example.net"},
			Accounts:   true,
			Backups:    make([]mailcheck.Backup, 1),
			Mailbox:    &mailcheck.Mailbox{},
		}),
		routercheck.Checkers(routercheck.Facts{}), s.outsideChecks(nil),
		s.externalMessageChecks(nil), s.reportChecks(), s.publicChecks(),
		dnscheck.Checks(dnscheck.Facts{
			Zones:      []string{"nomeazienda.it"},
			Written:    map[string]dnscheck.WrittenZone{"nomeazienda.it": {}},
			BlockLists: []string{"bl.example.net"},
			Owned:      make([]plan.Entry, 1),
			Domains: []dnscheck.Domain{{
				DKIM: make([]dnscheck.Selector, 1), Services: make([]mail.Service, 1), Autoconfig: "autoconfig.nomeazienda.it"}},
		}),
		(&sts.Fetcher{}).Checks([]mail.Domain{policy}))
}

// Every check that can be reported is explained, in its area, and nothing else is.
func TestEveryCheckIsExplained(t *testing.T) {
	reported := map[string]bool{}
	for _, c := range everyChecker() {
		for _, id := range slices.Concat(c.IDs, c.Also) {
			reported[id] = true
			if catalog.Area(id) != c.Area {
				t.Errorf("%s is of area %q, explained as of %q", id, c.Area, catalog.Area(id))
			}
		}
	}

	for _, id := range catalog.IDs() {
		if !reported[id] {
			t.Errorf("%s is explained, but nothing reports it", id)
		}
	}
}
