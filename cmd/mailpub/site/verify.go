package site

import (
	"context"
	"slices"
	"strings"
	"time"

	mailcheck "github.com/mailpub/mailpub/mailsvc/check"
	routercheck "github.com/mailpub/mailpub/nat/check"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// Verify runs the checks of some areas and ids, all when only is empty. Where the bundled receiver
// does not run it is started for that time, if Options can. What can't be known from here is
// plan.Skip, with the reason.
func (s *Site) Verify(ctx context.Context, only []string) plan.Report {
	checks, started := s.checkWithReceiver(ctx, only, func() {
		s.options.tell(ChecksStarted{})
	})

	s.options.tell(ChecksEnded{})
	if started {
		markTemporaryReceiver(checks, s.SMTPAddr())
	}

	return catalog.NewReport(s.cfg.Site, s.ignore(checks, time.Now()))
}

// checkWithReceiver runs checks while the receiver runs. begin is called when it does.
func (s *Site) checkWithReceiver(ctx context.Context, only []string, begin func()) (checks []plan.Check, started bool) {
	stop := func() {}
	if s.options.StartReceiver != nil {
		stop, started = s.options.StartReceiver(ctx, s)
	}
	defer stop()
	begin()
	return s.check(ctx, only), started
}

// check runs the checks of some areas and ids, all when only is empty.
func (s *Site) check(ctx context.Context, only []string) []plan.Check {
	checkers := s.checkers(ctx, only)
	begin := time.Now()
	checks := plan.RunChecks(ctx, checkers)
	s.firewall(ctx, checks)
	s.addServerLogHints(checks, begin)

	for _, word := range only {
		reports := func(c plan.Checker) bool {
			return slices.Contains(slices.Concat(c.IDs, c.Also), word)
		}

		if catalog.Area(word) == "" || slices.ContainsFunc(checkers, reports) {
			continue
		}

		checks = append(checks, plan.Check{
			ID:      word,
			Subject: plan.About(s.cfg.Site),
			Status:  plan.Skip,
			Got:     "the config does not use it",
			Hint:    "mailpub verify --explain " + word + " describes it",
		})
	}

	return s.redactChecks(checks)
}

// checkExcept runs all checks but some, and those that have the probe send a message.
func (s *Site) checkExcept(ctx context.Context, ids []string) []plan.Check {
	var only []string
	for _, id := range catalog.IDs() {
		if !slices.Contains(ids, id) {
			only = append(only, id)
		}
	}

	checks := plan.RunChecks(ctx, plan.SelectCheckers(s.allCheckers(ctx, outsidePorts), only))
	s.firewall(ctx, checks)
	return s.redactChecks(checks)
}

// checkers are the checks of every package for the site.
func (s *Site) checkers(ctx context.Context, only []string) []plan.Checker {
	return plan.SelectCheckers(s.allCheckers(ctx, only), only)
}

// allCheckers are those of every package; outside says which are to be had from the probe.
func (s *Site) allCheckers(ctx context.Context, outside []string) []plan.Checker {
	return slices.Concat(mailcheck.Checkers(s.mailFacts()),
		routercheck.Checkers(s.routerFacts()), s.outsideChecks(outside),
		s.externalMessageChecks(outside), s.reportChecks(), s.publicChecks(),
		dnscheck.Checks(s.desiredDNS(ctx)), s.policies().Checks(s.spec.Domains))
}

// markTemporaryReceiver says of the check that found a listener at addr that it was only the
// receiver that verify started, whatever the firewall does with it.
func markTemporaryReceiver(checks []plan.Check, addr string) {
	for i, c := range checks {
		found := c.Status == plan.Pass || c.Status == plan.Warn
		if c.ID == catalog.PortInside && found && c.Subject.HostPort() == addr {
			checks[i].Status = plan.Warn
			checks[i].Reason = plan.ReasonStandIn
			checks[i].Got = "only the temporary receiver of verify"
			checks[i].Hint = "no server receives mail between checks: start mailpub receive, as a system service"
		}
	}
}

// firewall says of ports that listen whether this host's own firewall keeps the outside
// from them: a connection from here does not meet it.
func (s *Site) firewall(ctx context.Context, checks []plan.Check) {
	wanted := s.spec.ForwardItems()
	for i, f := range hostfirewall.Inspect(ctx, wanted) {
		if f.State != "blocked" {
			continue
		}

		for j, c := range checks {
			if c.ID == catalog.PortInside && c.Status == plan.Pass &&
				c.Subject.HostPort() == strings.Join(wanted[i].Lines, "") {
				checks[j].Status = plan.Warn
				checks[j].Hint = f.Hint
				checks[j].Got = "listens, but this host's firewall blocks it: " + f.Why
			}
		}
	}
}

// ChecksStarted and ChecksEnded are told around the checks of Verify.
type (
	ChecksStarted struct{}
	ChecksEnded   struct{}
)

func (ChecksStarted) event() {}
func (ChecksEnded) event()   {}
