package term

import (
	"fmt"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
)

// ShowRouter prints how the router is: device, protocols, address, and where each wanted port leads.
func ShowRouter(u *UI, r nat.Report) {
	fmt.Fprintf(u.Out, "%s\n  %s\n\n", u.Bold(Clean(r.Device)), u.Dim(u.Wrap(Clean(r.Why), 2)))
	for _, s := range r.Spoken {
		switch {
		case s.Silent != "":
			fmt.Fprintf(u.Out, "  %s  %s\n", Pad(s.Protocol, 8),
				u.Dim(u.Wrap("no: "+Clean(s.Silent), 12)))
		case s.Protocol == r.Protocol:
			fmt.Fprintf(u.Out, "  %s  %s\n", Pad(s.Protocol, 8),
				u.Green("in use")+" "+Clean(s.Version))
		default:
			fmt.Fprintf(u.Out, "  %s  answers %s\n", Pad(s.Protocol, 8), Clean(s.Version))
		}
	}

	address := "not known"
	if r.WAN.Address.IsValid() {
		address = r.WAN.Address.String()
	}

	fmt.Fprintf(u.Out, "  %s  %s, %s\n", Pad("WAN", 8), address, r.WAN.Kind)
	if r.WAN.Note != "" {
		fmt.Fprintf(u.Out, "            %s\n", u.Yellow(u.Wrap(Clean(r.WAN.Note), 12)))
	}

	if r.Pinholes != "" {
		fmt.Fprintf(u.Out, "  %s  %s\n", Pad("IPv6", 8), u.Dim(u.Wrap(Clean(r.Pinholes), 12)))
	}

	fmt.Fprintln(u.Out)
	name, is := 8, 20
	for _, f := range r.Forwards {
		name = max(name, len(f.Name))
		is = max(is, len(Clean(f.Is)))
	}

	for _, f := range r.Forwards {
		showForward(u, f, name, min(is, textWidth))
	}

	showOtherForwards(u, r)
}

// showOtherForwards prints what else the router forwards.
func showOtherForwards(u *UI, r nat.Report) {
	if len(r.Others) > 0 {
		fmt.Fprintf(u.Out, "\n%s\n", u.Bold("also in the router"))
		ShowForwards(u, r.Others)
	}

	if r.OthersNote != "" {
		fmt.Fprintf(u.Out, "\n  %s\n", u.Dim(u.Wrap("other forwards: "+Clean(r.OthersNote), 2)))
	}

	for _, o := range r.Others {
		if o.Owner == nat.OwnerOurs {
			fmt.Fprintf(u.Out, "  %s\n", u.Dim("mailpub router clean removes this site's unused forwards"))
			return
		}
	}
}

// ShowForwards prints forwards of the router, a line each.
func ShowForwards(u *UI, list []nat.ForwardStatus) {
	name, is := 8, 20
	for _, f := range list {
		name = max(name, len(f.Name))
		is = max(is, len(Clean(f.Is)))
	}

	for _, f := range list {
		showForward(u, f, name, min(is, textWidth))
	}
}

// ShowFirewall names the ports that this host's own firewall blocks.
func ShowFirewall(u *UI, found []hostfirewall.Finding) {
	for _, f := range found {
		if f.State == "blocked" {
			fmt.Fprintf(u.Out, "\n%s %s: this host's firewall blocks it: %s\n      %s\n",
				u.Red("blocked"), f.Port, u.Wrap(Clean(f.Why), 6),
				u.Dim(u.Wrap(Clean(f.Hint), 6)))
		}
	}
}

// showForward prints where one port leads, and whose that is.
func showForward(u *UI, f nat.ForwardStatus, nameWidth, isWidth int) {
	is := f.Is
	owner := u.Green("ours")
	switch f.Owner {
	case "nobody":
		is = "not forwarded"
		owner = u.Dim("wanted " + Clean(f.Want))
	case nat.OwnerSite:
		owner = u.Yellow("another site's") + u.Dim(fmt.Sprintf(" %q", Clean(f.Description)))
	case "stranger":
		owner = u.Yellow("somebody else's")
		if f.Description != "" {
			owner += u.Dim(fmt.Sprintf(" %q", f.Description))
		}
	case "unknown":
		is, owner = "not known", ""
	}

	lasts := ""
	if !f.Expires.IsZero() {
		lasts = "  for another " + plan.FormatDuration(time.Until(f.Expires))
	}

	fmt.Fprintf(u.Out, "  %s  %s  %s%s\n", Pad(f.Name, nameWidth), Pad(Clean(is), isWidth),
		owner, u.Dim(lasts))

	if f.Note != "" {
		fmt.Fprintf(u.Out, "            %s\n", u.Yellow(u.Wrap(Clean(f.Note), 12)))
	}
}
