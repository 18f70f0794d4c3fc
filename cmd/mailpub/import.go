package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/draft"
	"github.com/mailpub/mailpub/plan"
)

func (a *app) importCommand() *cobra.Command {
	b := &beginning{}
	var adopt bool
	cmd := &cobra.Command{
		Use:   "import DOMAIN...",
		Short: "write a config of what is set up already",
		Long: `Makes a config of a mail server that works without mailpub: of what DNS holds for its
domains, what the router forwards to it, and what answers there. Then it plans with that
config, so that you see whether it says what is: the plan is empty, or shows exactly what
mailpub would do differently. Nothing but the config is written.

With --adopt, and only where the plan has nothing to write, what is there is taken into
the ledger: from then on "mailpub drift" tells when it changes. "mailpub destroy" leaves
standing what was right when mailpub came. A router that speaks NAT-PMP or PCP alone can't
list what it forwards: there import names the forwards that it could not see, and --adopt has
the router confirm them.

Where several domains share the server, name them all; the first one's MX is the mail
host, unless --hostname names it. Settings that DNS does not tell have flags, and are not
asked for: --provider and --set above all.

Exit code: 0 when the config is written and the plan could be made, else 1.`,
		Example: `  mailpub import nomeazienda.it
  mailpub import nomeazienda.it example.org --provider desec
  mailpub import nomeazienda.it --adopt`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			b.yes = true
			if err := b.prepare(a); err != nil {
				return err
			}
			return b.importSite(cmd.Context(), args, adopt)
		},
	}
	b.flags(cmd)
	if err := cmd.Flags().MarkHidden("yes"); err != nil {
		panic(err) // the flag is defined above
	}
	cmd.Flags().BoolVar(&adopt, "adopt", false, "take what is there into the ledger, where the plan is empty")
	return cmd
}

func (b *beginning) importSite(ctx context.Context, domains []string, adopt bool) error {
	for i, d := range domains {
		if err := config.CheckName(d); err != nil {
			return err
		}
		domains[i] = config.ASCII(d)
	}
	b.command = "import " + strings.Join(domains, " ")
	b.choices.Existing = true
	if err := b.look(ctx, domains); err != nil {
		return err
	}
	for _, d := range b.found.DNS.Domains {
		if len(d.MX) == 0 {
			why := "it has no MX"
			if d.Zone.Name == "" {
				why = d.Zone.Silent
			}
			return fmt.Errorf("%s can't be imported: %s; mailpub init sets up something new", d.Name, why)
		}
	}
	c := &b.choices
	c.Receiver = b.app.receiverHere(draft.Suggest(b.found, *c).Site)
	*c = draft.Suggest(b.found, *c)
	if missing := c.Missing(); len(missing) > 0 {
		return fmt.Errorf("this can't be found out: give %s", strings.Join(missing, ", "))
	}
	cfg, err := b.write()
	switch {
	case err != nil || b.print:
		return err
	case b.app.json:
		if err := b.printFound(); err != nil {
			return err
		}
	default:
		fmt.Fprintf(b.app.out, "\nWrote %s.\n", b.app.look.bold(b.app.configFile))
	}
	return b.compare(ctx, cfg, adopt)
}

// errNotAsFound means that --adopt found something to write.
var errNotAsFound = errors.New("the ledger was left as it is: the plan is not empty")

// compare plans with the config that was written: it should say what is.
func (b *beginning) compare(ctx context.Context, cfg *config.Config, adopt bool) error {
	a := b.app
	if names := unset(cfg); len(names) > 0 {
		fmt.Fprintf(a.err, "not compared with what there is: %s is not set\n", strings.Join(names, ", "))
		if adopt {
			return fmt.Errorf("nothing was taken over: set %s, then run mailpub%s apply", strings.Join(names, ", "), a.configFlag())
		}
		return nil
	}
	return a.locked(ctx, cfg, func(f plan.Lock, l *plan.Ledger) error {
		w, p, err := a.plan(ctx, cfg, l)
		if err != nil {
			return err
		}
		out := a.out
		if a.json {
			out = a.err
		}
		fmt.Fprintln(out)
		a.showPlan(out, p, w)
		hidden := unlisted(w, p)
		switch {
		case len(p.Failed) > 0:
			return p.Failed[0]
		case !adopt:
			a.tellUnlisted(w, hidden)
			b.advise(p, len(hidden))
			return nil
		case p.Writes() > len(hidden):
			a.tellUnlisted(w, hidden)
			return errNotAsFound
		case len(hidden) > 0:
			return a.haveConfirmed(ctx, w, p, f, hidden)
		}
		return a.carryOut(ctx, w, p, f, consent{yes: true})
	})
}

// advise says what to do with the plan, of which some things could not be seen.
func (b *beginning) advise(p *plan.Plan, hidden int) {
	a := b.app
	switch {
	case hidden > 0 && p.Writes() == hidden: // which was said
	case p.Writes() > 0:
		fmt.Fprintf(a.err, "\nThe lines above are what mailpub would change. Where one is not wanted, change the config;\nthen: mailpub%s apply --adopt\n", a.configFlag())
	case p.TakesUp() > 0:
		fmt.Fprintf(a.err, "\nThe config says what is. To take it into the ledger: mailpub%s apply\n", a.configFlag())
	}
}
