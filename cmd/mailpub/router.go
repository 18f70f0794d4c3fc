package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
)

func (a *app) routerCommand() *cobra.Command {
	var script bool
	cmd := &cobra.Command{
		Use:   "router",
		Short: "look at the router: protocols, address, forwards and whose they are",
		Long: `Shows what there is, at a glance: the device, the protocols it speaks, its address
outside and what kind that is, and for each wanted port where it leads, whose it is and
how long it lasts; and, on the mail server itself, whether its own firewall lets the
outside in. It writes nothing.

With --nft, where router.protocol is nftables, it prints the forwards as text for nft(8),
to be restored at boot.

Exit code: 0, or 1 when no router answers.`,
		Example: `  mailpub router
  mailpub router --json
  mailpub router heal smtp
  mailpub router --nft >/etc/nftables.d/mailpub.nft`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, l, err := a.site()
			if err != nil {
				return err
			}
			w, err := a.meet(cmd.Context(), cfg, l)
			if err == nil {
				err = w.routerErr
			}
			if err != nil {
				return err
			}
			if script {
				text, err := w.router.Script(cmd.Context())
				if err == nil {
					_, err = io.WriteString(a.out, text)
				}
				return err
			}
			report, err := w.router.Look(cmd.Context(), w.site.ForwardItems())
			if err != nil {
				return err
			}
			walls := hostfirewall.Inspect(cmd.Context(), w.site.ForwardItems())
			if a.json {
				return printJSON(a.out, struct {
					nat.Report
					Firewall []hostfirewall.Finding `json:"firewall"`
				}{report, walls})
			}
			a.showRouter(report)
			a.showFirewall(walls)
			return nil
		},
	}
	cmd.AddCommand(a.healCommand())
	cmd.Flags().BoolVar(&script, "nft", false, "print the forwards as text for nft(8)")
	return cmd
}

func (a *app) showRouter(r nat.Report) {
	fmt.Fprintf(a.out, "%s\n  %s\n\n", a.look.bold(clean(r.Device)), a.look.dim(a.look.wrap(clean(r.Why), 2)))
	for _, s := range r.Spoken {
		switch {
		case s.Silent != "":
			fmt.Fprintf(a.out, "  %s  %s\n", pad(s.Protocol, 8), a.look.dim(a.look.wrap("no: "+clean(s.Silent), 12)))
		case s.Protocol == r.Protocol:
			fmt.Fprintf(a.out, "  %s  %s\n", pad(s.Protocol, 8), a.look.green("in use")+" "+clean(s.Version))
		default:
			fmt.Fprintf(a.out, "  %s  answers %s\n", pad(s.Protocol, 8), clean(s.Version))
		}
	}
	address := "not known"
	if r.WAN.Address.IsValid() {
		address = r.WAN.Address.String()
	}
	fmt.Fprintf(a.out, "  %s  %s, %s\n", pad("WAN", 8), address, r.WAN.Kind)
	if r.WAN.Note != "" {
		fmt.Fprintf(a.out, "            %s\n", a.look.yellow(a.look.wrap(clean(r.WAN.Note), 12)))
	}
	if r.Pinholes != "" {
		fmt.Fprintf(a.out, "  %s  %s\n", pad("IPv6", 8), a.look.dim(a.look.wrap(clean(r.Pinholes), 12)))
	}
	fmt.Fprintln(a.out)
	name, is := 8, 20
	for _, f := range r.Forwards {
		name, is = max(name, len(f.Name)), max(is, len(clean(f.Is)))
	}
	for _, f := range r.Forwards {
		a.showForward(f, name, min(is, textWidth))
	}
}

// showFirewall names the ports that this host's own firewall keeps the outside from.
func (a *app) showFirewall(found []hostfirewall.Finding) {
	for _, f := range found {
		if f.State == "blocked" {
			fmt.Fprintf(a.out, "\n%s %s: this host's firewall blocks it: %s\n      %s\n",
				a.look.red("blocked"), f.Port, a.look.wrap(clean(f.Why), 6), a.look.dim(a.look.wrap(clean(f.Hint), 6)))
		}
	}
}

// showForward prints where one port leads, and whose that is.
func (a *app) showForward(f nat.Seen, nameWidth, isWidth int) {
	is, owner := f.Is, a.look.green("ours")
	switch f.Owner {
	case "nobody":
		is, owner = "not forwarded", a.look.dim("wanted "+clean(f.Want))
	case "stranger":
		owner = a.look.yellow("somebody else's")
		if f.Description != "" {
			owner += a.look.dim(fmt.Sprintf(" %q", f.Description))
		}
	case "unknown":
		is, owner = "not known", ""
	}
	lasts := ""
	if !f.Expires.IsZero() {
		lasts = "  for another " + plan.Spell(time.Until(f.Expires))
	}
	fmt.Fprintf(a.out, "  %s  %s  %s%s\n", pad(f.Name, nameWidth), pad(clean(is), isWidth), owner, a.look.dim(lasts))
	if f.Note != "" {
		fmt.Fprintf(a.out, "            %s\n", a.look.yellow(a.look.wrap(clean(f.Note), 12)))
	}
}
