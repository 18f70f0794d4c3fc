package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/plan"
)

func (a *app) healCommand() *cobra.Command {
	var ok consent
	cmd := &cobra.Command{
		Use:   "heal FORWARD",
		Short: "put a forward anew that the router lists but that is dead",
		Long: `Some routers list a forward that leads nowhere, mostly after their firewall was loaded
again. This takes it away, puts it there anew and reads it back. FORWARD is its name in
the config, or its port as plan shows it: smtp, tcp/25, tcp6/25. Only what mailpub put
there is touched. Whether it is dead is for you to see, from outside; there is no harm in
healing one that is well, but that connections break off.

Exit code: 0 when it is there again, else 1.`,
		Example: "  mailpub router heal smtp\n  mailpub router heal --yes tcp/25",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			return a.locked(cmd.Context(), cfg, func(f plan.Lock, l *plan.Ledger) error {
				w, err := a.meet(cmd.Context(), cfg, l)
				if err == nil {
					err = w.routerErr
				}
				if err != nil {
					return err
				}
				called, err := w.forwardsCalled(args[0])
				if err != nil {
					return err
				}
				if !ok.yes {
					if err := a.confirm(cmd.Context(), "Take away and put anew "+spell(called)+"?"); err != nil {
						return err
					}
				}
				return a.heal(cmd.Context(), w, f, called)
			})
		},
	}
	cmd.Flags().BoolVarP(&ok.yes, "yes", "y", false, "do not ask")
	return cmd
}

// forwardsCalled returns the wanted forwards that a name or a port means. With the name of
// one, its pinhole is meant too where the ledger has it.
func (w *world) forwardsCalled(name string) (called []plan.Item, err error) {
	keys := map[plan.Key]bool{}
	for _, f := range w.site.Forwards {
		_, ours := w.ledger.Get(f.Pinhole())
		keys[f.Key()] = name == f.Name || name == f.Key().Name
		keys[f.Pinhole()] = name == f.Name && ours || name == f.Pinhole().Name
	}
	for _, it := range w.site.ForwardItems() {
		if keys[it.Key] {
			called = append(called, it)
		}
	}
	if len(called) == 0 {
		return nil, fmt.Errorf("%q is no forward of the config, want a name such as smtp or a port such as tcp/25", name)
	}
	return called, nil
}

// heal heals forwards one by one. The ledger keeps each new grant; a process that dies in
// between leaves a forward that plan finds gone.
func (a *app) heal(ctx context.Context, w *world, f plan.Lock, called []plan.Item) error {
	for _, it := range called {
		grant, err := w.router.Heal(ctx, it)
		if e, known := w.ledger.Get(it.Key); known {
			e.Grant = &grant
			if err != nil { // where it was taken away, the old grant says so no more
				e.Grant = nil
			}
			w.ledger.Put(e)
			if saved := f.Save(w.ledger); saved != nil {
				return errors.Join(err, fmt.Errorf("ledger: %w", saved))
			}
		}
		if err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s %s is there anew; see from outside whether it leads to the server.\n", a.look.green("Healed:"), it.Key.Name)
	}
	return nil
}

func spell(items []plan.Item) string {
	var names []string
	for _, it := range items {
		names = append(names, it.Key.Name)
	}
	return strings.Join(names, " and ")
}
