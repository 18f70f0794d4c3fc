package main

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/explain"
	"github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/nat"
	routercheck "github.com/mailpub/mailpub/nat/check"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// verifyFlags is what the command line says of verify.
type verifyFlags struct {
	only           []string
	explain, junit string
}

func (a *app) verifyCommand() *cobra.Command {
	var f verifyFlags
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "prove that mail arrives",
		Long: `Runs the checks, each by another way than what it checks was written: DNS at the
authoritative servers and the resolvers, the mail service by SMTP, the router by
what it lists, and all of it from outside where the config names a probe. What
can't be known from here is "skip", with the reason.

Where several checks fail for one reason, that comes first, and what follows from
it below. --explain ID says what a check looks at, why, and how to mend it.

When the service is the bundled receiver and nothing listens there, verify starts
it for the time of the checks.

Exit code: 0 when no check fails, 2 when one does, 1 when they could not run.`,
		Example: `  mailpub verify
  mailpub verify --only dns,router
  mailpub verify --only mx.target,router.forward
  mailpub verify --explain host.ptr
  mailpub verify --junit report.xml
  mailpub verify --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.explain != "" {
				return a.explain(f.explain)
			}
			return a.verify(cmd.Context(), f)
		},
	}
	fl := cmd.Flags()
	fl.StringSliceVar(&f.only, "only", nil, "run only the checks of these areas (dns, router, mail) or `IDS`")
	fl.StringVar(&f.explain, "explain", "", "say what the check `ID` looks at, why, and how to mend it; run nothing")
	fl.StringVar(&f.junit, "junit", "", "write the outcome to `FILE` too, as JUnit XML")
	for name, words := range map[string][]string{"only": append(explain.Areas(), explain.IDs()...), "explain": explain.IDs()} {
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flags are defined above
		}
	}
	return cmd
}

func (a *app) verify(ctx context.Context, f verifyFlags) error {
	for _, word := range f.only {
		if err := knownCheck("--only", word, explain.Areas()...); err != nil {
			return err
		}
	}
	cfg, l, err := a.site()
	if err != nil {
		return err
	}
	w, err := a.meet(ctx, cfg, l)
	if err != nil {
		return err
	}
	stop, stands := a.standIn(ctx, w)
	looked := a.looking()
	checks := w.check(ctx, f.only)
	looked()
	stop()
	if stands {
		ownUp(checks, w.smtpAddr())
	}
	outcome := a.report(ctx, plan.Report{Site: cfg.Site, Checks: checks}, false)
	if f.junit != "" && ctx.Err() == nil {
		if err := writeJUnit(f.junit, cfg.Site, checks); err != nil {
			return err
		}
	}
	return outcome
}

// looking says on a terminal that checks run: where something does not answer, that takes its time.
// The line goes when what it returns is called.
func (a *app) looking() (done func()) {
	if a.json || !a.look.terminal {
		return func() {}
	}
	fmt.Fprint(a.out, a.look.dim("looking ..."))
	return func() { fmt.Fprint(a.out, "\r\x1b[K") }
}

// ownUp says of the check that found a listener at addr that it was only the stand-in,
// whatever the firewall does with it.
func ownUp(checks []plan.Check, addr string) {
	for i, c := range checks {
		found := c.Status == plan.Pass || c.Status == plan.Warn
		if c.ID == "port.inside" && found && strings.HasSuffix(c.Subject, " "+addr) {
			checks[i].Status = plan.Warn
			checks[i].Reason = plan.ReasonStandIn
			checks[i].Got = "only the receiver that stands in while verify runs"
			checks[i].Hint = "nothing takes mail between checks: start mailpub receive, and let the system keep it running"
		}
	}
}

// firewall says of ports that listen whether this host's own firewall keeps the outside
// from them: a connection from here does not meet it.
func (w *world) firewall(ctx context.Context, checks []plan.Check) {
	wanted := w.site.ForwardItems()
	for i, f := range hostfirewall.Inspect(ctx, wanted) {
		if f.State != "blocked" {
			continue
		}
		for j, c := range checks {
			if c.ID == "port.inside" && c.Status == plan.Pass && strings.HasSuffix(c.Subject, " "+strings.Join(wanted[i].Lines, "")) {
				checks[j].Status, checks[j].Hint = plan.Warn, f.Hint
				checks[j].Got = "listens, but this host's firewall keeps the outside from it: " + f.Why
			}
		}
	}
}

// report prints a report, and tells whether it is good.
func (a *app) report(ctx context.Context, r plan.Report, quiet bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	mail.Causes(r.Checks) // each consequence says of what
	bad := plan.Count(r.Checks).Fail > 0 || slices.ContainsFunc(r.Changes, plan.Change.Differs)
	switch {
	case a.json:
		if err := printJSON(a.out, r); err != nil {
			return err
		}
	case quiet:
		a.showDrift(r)
	default:
		a.showChecks(a.out, r.Checks)
	}
	if bad {
		return differs{}
	}
	return nil
}

// check runs the checks of some areas and ids, all when only is empty.
func (w *world) check(ctx context.Context, only []string) []plan.Check {
	checkers := w.checkers(only)
	checks := plan.RunChecks(ctx, checkers)
	w.firewall(ctx, checks)
	for _, word := range only {
		if explain.Area(word) == "" || slices.ContainsFunc(checkers, func(c plan.Checker) bool { return slices.Contains(slices.Concat(c.IDs, c.Also), word) }) {
			continue
		}
		checks = append(checks, plan.Check{ID: word, Subject: w.cfg.Site, Status: plan.Skip, Got: "nothing in the config calls for it",
			Hint: "mailpub verify --explain " + word + " says what it looks at"})
	}
	return checks
}

// checkWithout runs all checks but some, and those that have the probe send a message.
func (w *world) checkWithout(ctx context.Context, ids []string) []plan.Check {
	var only []string
	for _, id := range explain.IDs() {
		if !slices.Contains(ids, id) {
			only = append(only, id)
		}
	}
	checks := plan.RunChecks(ctx, plan.Pick(w.allCheckers(outsidePorts), only))
	w.firewall(ctx, checks)
	return checks
}

// checkers wires the checks of every room to the site.
func (w *world) checkers(only []string) []plan.Checker {
	return plan.Pick(w.allCheckers(only), only)
}

// allCheckers are those of every room; outside says which are to be had from the probe.
func (w *world) allCheckers(outside []string) []plan.Checker {
	return slices.Concat(check.Checkers(w.mailFacts()), routercheck.Checkers(w.routerFacts()), w.outsideChecks(outside), w.publicChecks(),
		dnscheck.Checks(w.published()), w.policies().Checks(w.site.Domains))
}

// dnsFacts is what asking about the site's names takes.
func (w *world) dnsFacts() dnscheck.Facts {
	public := w.site.Public
	if len(w.site.Shut) > 0 { // not published by IPv6, on purpose
		public = slices.DeleteFunc(slices.Clone(public), func(a netip.Addr) bool { return mail.AddressType(a) == "AAAA" })
	}
	f := dnscheck.Facts{Host: w.site.Host, Public: public, Resolver: w.resolver, Nameservers: map[string][]string{}}
	for _, z := range w.cfg.Zones {
		if len(z.Nameservers) > 0 {
			f.Nameservers[mail.FQDN(z.Name)] = z.Nameservers
		}
	}
	return f
}

// published is everything that should be found in DNS.
func (w *world) published() dnscheck.Facts {
	f := w.dnsFacts()
	f.Own = w.behindRouter()
	for _, c := range w.site.Service.Collectors {
		if _, err := netip.ParseAddr(c); err != nil {
			f.Names = append(f.Names, c)
		}
	}
	f.BlockLists = w.cfg.Verify.DNSBL
	f.HostsFile, f.DANE, f.Served = w.cfg.HostsFile(), w.site.DANE.Ports, w.shown
	for i, d := range w.site.Domains {
		pd := dnscheck.Domain{Name: d.Name, MX: d.MX, DMARC: d.DMARC.Policy != "", TLSRPT: len(d.TLSRPT) > 0, Services: d.Services, Autoconfig: d.Autoconfig,
			DKIM: w.selectors(w.cfg.Domains[i])}
		if policy := d.Policy(); policy != nil {
			pd.PolicyID = mail.PolicyID(policy)
		}
		f.Domains = append(f.Domains, pd)
	}
	for _, z := range w.cfg.Zones {
		f.Zones = append(f.Zones, z.Name)
	}
	f.Owned = w.ledger.Of("dns")
	return f
}

func (w *world) routerFacts() routercheck.Facts {
	var kept []plan.Key
	for _, e := range w.ledger.Of(forward.Kind) {
		kept = append(kept, e.Key)
	}
	return routercheck.Facts{
		Front: w.front(), BehindNAT: w.cfg.Router.BehindNAT,
		Open: func(context.Context) (*nat.Router, error) {
			if w.site.Router == mail.RouterNone {
				return nil, nil
			}
			return w.router, w.routerErr
		},
		Wanted:    w.site.ForwardItems(),
		Kept:      kept,
		Outside:   w.seenOutside(),
		Published: func(ctx context.Context) ([]netip.Addr, error) { return w.resolver.Addresses(ctx, w.site.Host) },
		Owned: func(k plan.Key) bool {
			_, owned := w.ledger.Get(k)
			return owned
		},
	}
}
