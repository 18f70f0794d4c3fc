package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/ledger"
)

func stateDir(cfg *config.Config) string { return cfg.Path(cfg.State) }

// settingsPath is where apply leaves what the bundled receiver serves.
func settingsPath(cfg *config.Config) string {
	return filepath.Join(stateDir(cfg), cfg.Site+".receiver.json")
}

// site loads the config, and the ledger as it is now: nothing is locked, so it is for
// commands that only look. The ledger is read while the config is checked, as both take their
// time where there are many records.
func (a *app) site() (*config.Config, *plan.Ledger, error) {
	read, err := config.Read(a.configFile)
	if err != nil {
		return nil, nil, err
	}
	var l *plan.Ledger
	var unread error
	var reading sync.WaitGroup
	dir, site := read.Ledger()
	reading.Go(func() { l, unread = ledger.Files{Dir: dir, Site: site}.Read(context.Background()) })
	cfg, err := read.Check()
	reading.Wait()
	if err != nil {
		return nil, nil, err
	}
	if dir != stateDir(cfg) || site != cfg.Site {
		l, unread = ledger.Files{Dir: stateDir(cfg), Site: cfg.Site}.Read(context.Background())
	}
	return cfg, l, unread
}

func (a *app) planCommand() *cobra.Command {
	var save string
	var detailed bool
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "show what differs from the config",
		Long: `Reads the mail service, the router and the DNS zones, and shows what apply would do,
in groups: + added, ~ changed, - removed, ! to be done by hand, ? not readable. It
writes nothing.

Exit code: 0, or 1 when something could not be read. With --detailed-exitcode: 2 when
there is a difference.`,
		Example: `  mailpub plan
  mailpub plan -o plan.json && mailpub apply plan.json
  mailpub plan --detailed-exitcode --json >plan.json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, l, err := a.site()
			if err != nil {
				return err
			}
			w, p, err := a.plan(cmd.Context(), cfg, l)
			if err != nil {
				return err
			}
			if save != "" {
				if err := savePlan(save, p); err != nil {
					return err
				}
			}
			if a.json {
				err = printJSON(a.out, p)
			} else {
				a.showPlan(a.out, p, w)
				if moving, err := underWay(cfg); err != nil {
					return err
				} else if moving != nil {
					fmt.Fprintf(a.out, "A cutover is under way; it goes on with: mailpub%s apply --cutover\n", a.configFlag())
				}
				if save != "" {
					fmt.Fprintf(a.out, "Saved; carry out exactly this with: mailpub%s apply %s\n", a.configFlag(), save)
				}
			}
			switch {
			case err != nil:
				return err
			case len(p.Failed) > 0:
				return p.Failed[0]
			case detailed && p.Differs():
				return differs{}
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&save, "out", "o", "", "also save the plan to `FILE`, for apply")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when there is a difference")
	return cmd
}

// configFlag is " -c FILE" where the config is not the default one.
func (a *app) configFlag() string {
	if a.configFile == "mailpub.yaml" {
		return ""
	}
	return " -c " + shellWord(a.configFile, runtime.GOOS)
}

func savePlan(path string, p *plan.Plan) error {
	data, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("plan was not saved: %w", err)
	}
	return nil
}

// loadPlan reads a saved plan and makes sure that it is of this site.
func loadPlan(path, site string) (plan.Saved, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return plan.Saved{}, fmt.Errorf("saved plan: %w", err)
	}
	saved, err := plan.DecodeSaved(data)
	if err != nil {
		return plan.Saved{}, fmt.Errorf("saved plan %s: %w", path, err)
	}
	if saved.Site != site {
		return plan.Saved{}, fmt.Errorf("saved plan %s is for site %q, the config is for %q", path, saved.Site, site)
	}
	return saved, nil
}
