package setup

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/draft"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
)

// Import makes a config of a mail server that works already, and plans with it: the plan should be
// empty. With adopt, and only where it is, what is there is taken into the ledger.
func Import(ctx context.Context, o Options, domains []string, adopt bool) error {
	b, err := start(o)
	if err != nil {
		return err
	}

	u := b.UI
	for i, d := range domains {
		if err := config.CheckName(d); err != nil {
			return err
		}
		domains[i] = config.ASCII(d)
	}

	b.command = "import " + strings.Join(domains, " ")
	b.Choices.Existing = true
	if err := b.detect(ctx, domains); err != nil {
		return err
	}

	for _, d := range b.found.DNS.Domains {
		if len(d.MX) == 0 {
			why := "it has no MX"
			if d.Zone.Name == "" {
				why = d.Zone.Silent
			}
			return fmt.Errorf("%s can't be imported: %s; mailpub init sets up something new",
				d.Name, why)
		}
	}

	c := &b.Choices
	c.Receiver = b.receiverHere(draft.Suggest(b.found, *c).Site)
	*c = draft.Suggest(b.found, *c)

	if missing := c.Missing(); len(missing) > 0 {
		return fmt.Errorf("cannot detect these values: give %s", strings.Join(missing, ", "))
	}

	cfg, err := b.write()
	switch {
	case err != nil || b.Print:
		return err
	case u.JSON:
		if err := b.printFound(); err != nil {
			return err
		}
	default:
		fmt.Fprintf(u.Out, "\nWrote %s.\n", u.Bold(u.ConfigFile))
	}

	return b.compare(ctx, cfg, adopt)
}

// compare plans with the config that was written: it should say what is.
func (b *wizard) compare(ctx context.Context, cfg *config.Config, adopt bool) error {
	u := b.UI
	if names := unsetVariables(cfg); len(names) > 0 {
		list := strings.Join(names, ", ")
		fmt.Fprintf(u.Err, "not compared with the current state: %s is not set\n", list)
		if adopt {
			return fmt.Errorf("nothing was taken over: set %s, then run mailpub%s apply", list,
				u.ConfigFlag())
		}
		return nil
	}

	lock, err := site.NewLock(ctx, cfg, b.Site)
	if err != nil {
		return err
	}

	defer lock.Close()

	s, err := lock.Open(ctx)
	if err != nil {
		return err
	}

	p, err := s.Plan(ctx)
	if err != nil {
		return err
	}

	fmt.Fprintln(u.Text())
	term.ShowPlan(u, p)
	if len(p.Failed) > 0 {
		return p.Failed[0]
	}

	unlisted := p.Unlisted()
	if !adopt {
		b.printUnlisted(s, unlisted)
		b.printAdvice(p.Plan, len(unlisted))
		return nil
	}

	return b.writeLedger(ctx, s, p, unlisted)
}

// writeLedger takes what is there into the ledger.
func (b *wizard) writeLedger(ctx context.Context, s *site.Site, p *site.Plan, unlisted []plan.Change) error {
	err := s.Adopt(ctx, p)
	switch {
	case errors.Is(err, site.ErrNotAsFound):
		b.printUnlisted(s, unlisted)
	case err == nil && b.UI.JSON:
		err = b.UI.PrintJSON(p.Plan)
	}

	if err == nil && len(unlisted) > 0 {
		fmt.Fprintf(b.UI.Err, "The router confirmed %s. mailpub destroy leaves that; it ends with its lease.\n",
			names(unlisted))
	}

	return err
}

// printAdvice says what to do with the plan, of which some things could not be seen.
func (b *wizard) printAdvice(p *plan.Plan, unlisted int) {
	u := b.UI
	switch {
	case unlisted > 0 && p.Writes() == unlisted: // tellUnlisted has said what to do
	case p.Writes() > 0:
		fmt.Fprintf(u.Err, "\nThe lines above are what mailpub would change. Where one is not wanted, change the config;\nthen: mailpub%s apply --adopt\n",
			u.ConfigFlag())
	case p.AdoptedCount() > 0:
		fmt.Fprintf(u.Err, "\nThe config matches the current state. To add it to the ledger: mailpub%s apply\n",
			u.ConfigFlag())
	}
}

// printUnlisted says what could not be seen of the router, and what to do.
func (b *wizard) printUnlisted(s *site.Site, list []plan.Change) {
	if len(list) == 0 {
		return
	}

	u := b.UI
	fmt.Fprintf(u.Err, "\n%s\n", u.Wrap(fmt.Sprintf("Not seen: %s. The router speaks %s, which can't list what it forwards, so that these are "+
		"in the config because the server listens there, or because you named them. "+
		"mailpub%s apply, or import --adopt, requests each forward from the router. The router renews those that "+
		"already point to this machine, creates missing ones and refuses those of another host. "+
		"Check manual entries in the router's own web interface; to keep them, set router.protocol: manual.",
		names(list), s.RouterProtocol(), u.ConfigFlag()), 0))
}

// names are those of changes, in a list.
func names(list []plan.Change) string {
	var all []string
	for _, c := range list {
		all = append(all, c.Key.Name)
	}
	return strings.Join(all, ", ")
}
