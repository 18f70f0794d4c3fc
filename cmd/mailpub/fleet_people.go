package main

import (
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/api"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/console"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
)

func fleetServeCommand(a *app, f *fleetFlags) *cobra.Command {
	o := console.ServeOptions{Version: version().Version}
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the fleet's API and pages",
		Long: `Serves an HTTP API under /api/v1 (described at /api/v1/openapi.json), an overview with search,
and the page of each site. Callers see what belongs to their tenants and nothing else.

Exit code: 0 when stopped by a signal, 1 when it could not start.`,
		Example: "  mailpub fleet serve --certificate fullchain.pem --certificate-key privkey.pem --listen :8440 --key file:fleet.key",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			log, err := fleet.NewLog(f.log, slog.LevelInfo, a.ui.Err)
			if err != nil {
				return err
			}

			o.Log = log
			return f.inFleet(cmd, func(db *store.DB) error {
				return console.Serve(cmd.Context(), db, o, func(addr string) {
					fmt.Fprintf(a.ui.Err, "listening at %s\n", addr)
				})
			})
		},
	}

	flags := cmd.Flags()
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8440", "`ADDRESS` to listen at")
	flags.StringVar(&o.Certificate, "certificate", "", "PEM `FILE` of the certificate; without it only this machine is served")
	flags.StringVar(&o.Key, "certificate-key", "", "PEM `FILE` of its private key")
	flags.BoolVar(&o.Proxied, "behind-proxy", false, "a proxy in front speaks TLS")
	flags.StringVar(&o.SecretKey, "key", "", "`REFERENCE` to the key that seals the tenants' secrets; by default $"+console.KeyVariable)
	flags.StringSliceVar(&o.Allow, "allow", nil, "`RANGE` of addresses that tenants may name although it is not public")
	flags.StringVar(&o.URL, "url", "", "`URL` of this server as browsers reach it, for logins")
	flags.StringVar(&o.Issuer, "oidc-issuer", "", "`URL` of the OpenID Connect issuer where people log in")
	flags.StringVar(&o.ClientID, "oidc-client", "", "`ID` of this server at the issuer")
	flags.StringVar(&o.ClientSecret, "oidc-secret", "", "`REFERENCE` to its secret there")
	flags.StringVar(&o.SessionKey, "session-key", "", "`REFERENCE` to the key that seals sessions, the same for all servers: openssl rand -base64 32")

	return cmd
}

func fleetTokenCommand(a *app, f *fleetFlags) *cobra.Command {
	var o console.TokenOptions
	cmd := &cobra.Command{
		Use:   "token NAME",
		Short: "Make a token for a person or a program",
		Long: `Makes a token for NAME at a tenant and below, adding both where they are missing, and prints it
once. It works on the database itself, for the operator; administrators of tenants use the API.

Exit code: 0, or 1 when it was not made.`,
		Example: "  mailpub fleet token mario --tenant hoster/customer --role approve --days 90",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.inFleet(cmd, func(db *store.DB) error {
				return console.AddToken(cmd.Context(), a.ui, db, args[0], o)
			})
		},
	}

	cmd.Flags().StringVar(&o.Tenant, "tenant", "", "`PATH` of the tenant; by default the operator, who sees all")
	cmd.Flags().StringVar(&o.Role, "role", "view", "view, operate, approve or admin")
	cmd.Flags().StringVar(&o.Note, "note", "", "what it is for")
	cmd.Flags().IntVar(&o.Days, "days", 90, "how long it is valid; 0: without end")
	return cmd
}

func fleetSecretCommand(a *app, f *fleetFlags) *cobra.Command {
	var tenant, key string
	set := &cobra.Command{
		Use:   "set NAME",
		Short: "Set a secret of a tenant, read from standard input",
		Long: `Seals what it reads from standard input as the secret NAME of a tenant, whose configs refer to it
as secret:NAME. It is never shown again.

Exit code: 0, or 1 when it was not set.`,
		Example: "  mailpub fleet secret set tsig --tenant hoster/customer < tsig.key",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return f.inFleet(cmd, func(db *store.DB) error {
				return console.SetSecret(cmd.Context(), a.ui, db, tenant, args[0], key, cmd.InOrStdin())
			})
		},
	}
	set.Flags().StringVar(&tenant, "tenant", "", "`PATH` of the tenant")
	set.Flags().StringVar(&key, "key", "", "`REFERENCE` to the key that seals the tenants' secrets; by default $"+console.KeyVariable)

	cmd := &cobra.Command{
		Use:     "secret",
		Short:   "Manage the secrets of tenants",
		Long:    "Secrets of tenants are sealed in the database, and their configs refer to them as secret:NAME.",
		Example: set.Example,
		Args:    noArguments,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(set)
	return cmd
}

// clientFlags are those of commands that go through the API.
type clientFlags struct{ server, token string }

func (f *clientFlags) command(cmd *cobra.Command, run func(*api.Client, []string) error) *cobra.Command {
	cmd.Flags().StringVar(&f.server, "server", "", "`URL` of the fleet's server; by default $"+console.ServerVariable)
	cmd.Flags().StringVar(&f.token, "token", "", "`REFERENCE` to your token (env:NAME, file:PATH); by default $"+console.TokenVariable)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := console.APIClient(cmd.Context(), f.server, f.token)
		if err != nil {
			return err
		}
		return run(c, args)
	}
	return cmd
}

func fleetClientCommands(a *app) []*cobra.Command {
	return []*cobra.Command{fleetStatusCommand(a), fleetShowCommand(a), fleetPlanCommand(a),
		fleetPlanChange(a, "approve", "Approve a plan of another person"),
		fleetPlanChange(a, "withdraw", "Withdraw a plan that was not begun"),
		fleetApplyCommand(a), fleetLogCommand(a), fleetPauseCommand()}
}

func fleetStatusCommand(a *app) *cobra.Command {
	var f clientFlags
	var tenant string
	cmd := &cobra.Command{
		Use:   "status [SEARCH]",
		Short: "List sites, those with problems first",
		Long: `Lists the sites that you may see, with how they were when they were last checked.

Exit code: 0 when all are well, 2 when some are not, 1 when it could not be found out.`,
		Example: "  mailpub fleet status\n  mailpub fleet status customer.example",
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&tenant, "tenant", "", "only this tenant (`PATH`) and those below it")
	return f.command(cmd, func(c *api.Client, args []string) error {
		query := url.Values{"limit": {"1000"}}
		if tenant != "" {
			query.Set("tenant", tenant)
		}
		if len(args) > 0 {
			query.Set("search", args[0])
		}

		well, err := console.Status(cmd.Context(), a.ui, c, query)
		if err == nil && !well {
			err = errDifference
		}
		return err
	})
}

func fleetShowCommand(a *app) *cobra.Command {
	var f clientFlags
	var look bool
	cmd := &cobra.Command{
		Use:   "show SITE",
		Short: "Show what was last found of a site",
		Long: `Shows what was last found of a site, by its path; with --look it is checked first.

Exit code: 0 when it is well, 2 when it is not or its state is unknown, 1 when it could not be found out.`,
		Example: "  mailpub fleet show hoster/customer/office --look",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&look, "look", false, "check the site first")
	return f.command(cmd, func(c *api.Client, args []string) error {
		well, err := console.ShowSite(cmd.Context(), a.ui, c, args[0], look)
		if err == nil && !well {
			err = errDifference
		}
		return err
	})
}

func fleetPlanCommand(a *app) *cobra.Command {
	var f clientFlags
	var destroy bool
	cmd := &cobra.Command{
		Use:   "plan SITE",
		Short: "Make a plan of a site, and show how many approvals it needs",
		Long: `Asks for a plan of a site, by its path, and waits for it. It can be approved and applied for 24 hours.

Exit code: 0, or 1 when there is no plan.`,
		Example: "  mailpub fleet plan hoster/customer/office",
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().BoolVar(&destroy, "destroy", false, "of removing what the site has in place")
	return f.command(cmd, func(c *api.Client, args []string) error {
		kind := store.KindApply
		if destroy {
			kind = store.KindDestroy
		}
		return console.MakePlan(cmd.Context(), a.ui, c, args[0], kind)
	})
}

func fleetPlanChange(a *app, act, short string) *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:     act + " PLAN",
		Short:   short,
		Long:    short + ", by its number.\n\nExit code: 0, or 1 when it was refused.",
		Example: "  mailpub fleet " + act + " 17",
		Args:    cobra.ExactArgs(1),
	}
	return f.command(cmd, func(c *api.Client, args []string) error {
		return console.ChangePlan(cmd.Context(), a.ui, c, args[0], act)
	})
}

func fleetApplyCommand(a *app) *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:   "apply PLAN",
		Short: "Apply a plan that has its approvals",
		Long: `Has a worker apply a plan exactly as it was approved, and waits for its end.

Exit code: 0 when it was applied, else 1.`,
		Example: "  mailpub fleet apply 17",
		Args:    cobra.ExactArgs(1),
	}
	return f.command(cmd, func(c *api.Client, args []string) error {
		return console.ApplyPlan(cmd.Context(), a.ui, c, args[0])
	})
}

func fleetLogCommand(a *app) *cobra.Command {
	var f clientFlags
	cmd := &cobra.Command{
		Use:     "log [SITE]",
		Short:   "Show who did what",
		Long:    "Shows the audit, newest first: of all that you may see, or of one site.\n\nExit code: 0, or 1 when it could not be read.",
		Example: "  mailpub fleet log hoster/customer/office",
		Args:    cobra.MaximumNArgs(1),
	}
	return f.command(cmd, func(c *api.Client, args []string) error {
		site := ""
		if len(args) > 0 {
			site = args[0]
		}
		return console.Log(cmd.Context(), a.ui, c, site)
	})
}

func fleetPauseCommand() *cobra.Command {
	var f clientFlags
	var account string
	var d time.Duration
	cmd := &cobra.Command{
		Use:   "pause [TENANT]",
		Short: "Pause the scheduled work of a tenant, or the calls of an account",
		Long: `Has nothing done by itself for a tenant, or no call made with an account at a DNS provider, for some
time; --for 0s continues. What people ask for is done.

Exit code: 0, or 1 when it was refused.`,
		Example: "  mailpub fleet pause hoster/customer --for 2h",
		Args:    cobra.MaximumNArgs(1),
	}
	cmd.Flags().StringVar(&account, "account", "", "`ID` of an account instead")
	cmd.Flags().DurationVar(&d, "for", time.Hour, "how long; 0s: no longer")
	return f.command(cmd, func(c *api.Client, args []string) error {
		tenant := ""
		if len(args) > 0 {
			tenant = args[0]
		}
		return console.Pause(cmd.Context(), c, tenant, account, d)
	})
}
