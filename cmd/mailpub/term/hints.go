package term

import (
	"context"
	"errors"
	"fmt"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
)

// PrintInterrupted says that a signal ended a command, and what that left.
func PrintInterrupted(u *UI, writes bool) {
	if writes {
		fmt.Fprintln(u.Err, "mailpub: stopped")
		fmt.Fprintln(u.Err, "  next: the completed changes are in the ledger; run the command again to continue")
		return
	}
	fmt.Fprintln(u.Err, "mailpub: stopped; nothing was changed")
}

// PrintError prints an error, and one line of what to do next where that is known. documented names a
// field of the config among mistakes that mailpub explain knows; "" for none.
func PrintError(u *UI, err error, documented func(config.Errors) string) {
	var mistakes config.Errors
	if errors.As(err, &mistakes) {
		ShowMistakes(u, mistakes)
		if mistakes.OnlySecrets() {
			printMissing(u, mistakes)
			return
		}

		fmt.Fprintf(u.Err, "mailpub: %s in %s; nothing was changed\n",
			Count(len(mistakes), "mistake"), u.ConfigFile)
		if key := documented(mistakes); key != "" {
			fmt.Fprintf(u.Err, "  next: mailpub explain %s\n", key)
		}
		return
	}

	style := StyleOf(u.Err, true)
	fmt.Fprintln(u.Err, style.hang("mailpub: "+Clean(err.Error()), 2))
	if next := nextStep(u, err); next != "" {
		fmt.Fprintln(u.Err, style.hang("  next: "+next, 8))
	}
}

// ShowMistakes prints the mistakes of a config, and the line itself where a file cannot be parsed.
func ShowMistakes(u *UI, mistakes config.Errors) {
	for _, m := range mistakes {
		fmt.Fprintln(u.Err, Clean(m.Error()))
		if excerpt := m.Excerpt(); excerpt != "" {
			fmt.Fprintln(u.Err, Clean(excerpt))
		}
	}
}

// nextStep says in one line what to do about an error, where that is known.
func nextStep(u *UI, err error) string {
	var gate plan.GateError
	switch {
	case errors.As(err, new(*plan.StaysError)):
		return "remove it in the router's web interface, or wait until it expires; mailpub router lists it. Then run destroy again"
	case errors.Is(err, site.ErrStillOld), errors.Is(err, site.ErrNotMoved):
		return "fix that, then run apply --cutover again; it continues from here. To go back, restore the old data in the config"
	case errors.Is(err, nat.ErrDoubleNAT):
		return "forward the ports in the outer router too and set router.behind_nat, or ask the provider for a public address; set server.public.ipv4 to the address seen from outside"
	case errors.Is(err, site.ErrForwards):
		return "check the router's forwards with mailpub router; if they cannot be read, forward the ports manually and set router.protocol: manual; then run apply again"
	case errors.As(err, &gate):
		return "start the mail server (the bundled one: mailpub receive), then run apply again; it continues from here"
	case errors.Is(err, plan.ErrConsent):
		return "review the lines marked \"not mailpub's\" and run apply --adopt to take them over; destroy restores them"
	case errors.Is(err, site.ErrNotAsFound):
		return "change the config until the plan is empty, or run apply --adopt to apply it; destroy restores the former state"
	case errors.Is(err, plan.ErrStale):
		return "run plan again, review it, and apply the new plan"
	case errors.Is(err, plan.ErrLocked):
		return "wait until it has finished, or stop it"
	case errors.Is(err, ErrNoTerminal):
		return "use --yes to apply the plan without a prompt"
	case errors.Is(err, nat.ErrWANDown):
		return "check in the router why its Internet connection is down, then run this again"
	case errors.As(err, new(plan.UnreadError)):
		return "run plan again; mailpub router shows the router's answers, and mailpub verify what works from outside"
	case errors.Is(err, nat.ErrRefused):
		return "let the router open ports for this device (FRITZ!Box: permit independent port sharing; others: allow low ports in the UPnP settings), or forward them manually and set router.protocol: manual"
	case errors.Is(err, nat.ErrConflict):
		return "remove the other forward in the router (mailpub router lists them); senders use only port 25, so it cannot be replaced"
	case errors.Is(err, nat.ErrOtherHost):
		return "run mailpub on the mail server itself, or forward the ports manually and set router.protocol: manual"
	case errors.Is(err, nat.ErrSeveralRouters):
		return "set router.url or router.interface to the one that has the public address"
	case errors.Is(err, site.ErrPublicAddress):
		return "set it to the address that the provider gave you"
	case errors.Is(err, nat.ErrNoRouter):
		if why := hostfirewall.SearchAnswers(context.Background()); why != "" {
			return "this host's own firewall may drop the router's answers (" + why +
				"): let in UDP from the router, or name the router in router.url"
		}
		return "switch UPnP, PCP or NAT-PMP on in the router, or set router.protocol: manual"
	}

	return ""
}
