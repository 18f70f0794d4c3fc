package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/plan"
)

// Ids of what a probe may report. Anything else in its answer is not believed.
var (
	outsidePorts = []string{"port.outside", "port.undeclared"}
	outsideMail  = []string{"smtp.banner", "smtp.starttls", "account.postmaster", "account.abuse", "relay.open", "relay.spoof", "relay.sender", "relay.recipient"}
)

// messageIDs are the ids of what a message from the probe shows.
func messageIDs() []string { return []string{"mail.outside", "port.source"} }

// busyPause is how long a probe that wants to be asked later is left alone.
const busyPause = 12 * time.Second

// vantage is one look from outside, shared by the checks that need it.
type vantage struct {
	w       *world
	message bool // have a message sent

	once   sync.Once
	answer probe.Answer
	err    error
}

// look asks the probe, once; a second time where it wants to be asked later.
func (v *vantage) look(ctx context.Context) (probe.Answer, error) {
	v.once.Do(func() {
		r := probe.Request{Hostname: strings.TrimSuffix(v.w.site.Host, "."), Message: v.message}
		for _, f := range v.w.site.Forwards {
			if f.Proto == "tcp" {
				r.Ports = append(r.Ports, probe.Port{Name: f.Name, Number: f.Port})
			}
		}
		if v.message {
			r.Domains = v.w.domainNames()
		}
		v.answer, v.err = v.w.ask(ctx, r)
	})
	return v.answer, v.err
}

// ask asks the probe, and once more where it was busy.
func (w *world) ask(ctx context.Context, r probe.Request) (probe.Answer, error) {
	a, err := w.probe.Look(ctx, r)
	if !errors.Is(err, probe.ErrBusy) {
		return a, err
	}
	select {
	case <-ctx.Done():
		return a, err
	case <-time.After(busyPause):
		return w.probe.Look(ctx, r)
	}
}

const hintProbe = "see that mailpub probe serve runs there, and that its port can be reached; mailpub probe test tells when it answers"

// unseen are the checks that can't be known without a probe: what answers at the public address from
// inside, or does not, is the router's doing, and not what strangers meet.
func unseen() []plan.Checker {
	one := func(area, id, subject, why, hint string) plan.Checker {
		return plan.Checker{Area: area, IDs: []string{id}, Run: func(context.Context) []plan.Check {
			return []plan.Check{{ID: id, Subject: subject, Status: plan.Skip, Got: why, Hint: hint, Reason: plan.ReasonUnseen}}
		}}
	}
	return []plan.Checker{
		one("router", "port.outside", "every forward", "no probe is in the config, and from inside nothing shows whether a port is open outside",
			"run mailpub probe serve on a machine elsewhere and name it under verify.probe (docs/probe.md)"),
		one("mail", "mail.outside", "a message from outside", "no probe is in the config to send one", "see port.outside; or send one from a mailbox elsewhere"),
	}
}

// outsideChecks are the checks from the probe; where the config has none, that this can't be
// known. A message is sent only where only, as in plan.Pick, asks for something that takes one.
func (w *world) outsideChecks(only []string) []plan.Checker {
	if w.probe == nil {
		return unseen()
	}
	v := &vantage{w: w, message: len(only) == 0 || slices.ContainsFunc(append(messageIDs(), outsideMail...), func(id string) bool {
		return slices.Contains(only, id) || slices.Contains(only, "mail")
	})}
	timeout := 2*time.Minute + busyPause
	ports := plan.Checker{Area: "router", IDs: outsidePorts, Timeout: timeout, Run: func(ctx context.Context) []plan.Check {
		return v.report(ctx, outsidePorts)
	}}
	if !v.message {
		return []plan.Checker{ports}
	}
	return []plan.Checker{
		ports,
		{Area: "mail", IDs: messageIDs(), Also: outsideMail, Timeout: timeout, Run: func(ctx context.Context) []plan.Check {
			found := v.report(ctx, outsideMail)
			if v.err != nil {
				return v.unknown(messageIDs()...)
			}
			return append(found, w.mailFacts().CheckMessage(ctx, w.domainNames()[0], v.answer.Hops, v.answer.Word, v.answer.From)...)
		}},
	}
}

// fromOutside ends the subject of what the probe found where others look too.
const fromOutside = ", from outside"

// report returns what the probe found under some ids.
func (v *vantage) report(ctx context.Context, ids []string) (found []plan.Check) {
	answer, err := v.look(ctx)
	if err != nil {
		return v.unknown(ids...)
	}
	for _, c := range answer.Checks {
		if slices.Contains(ids, c.ID) && slices.Contains([]plan.Status{plan.Pass, plan.Warn, plan.Fail, plan.Skip}, c.Status) {
			if !strings.HasPrefix(c.ID, "port.") {
				c.Subject += fromOutside
			}
			found = append(found, c)
		}
	}
	return found
}

func (v *vantage) unknown(ids ...string) (found []plan.Check) {
	for _, id := range ids {
		found = append(found, plan.Check{ID: id, Subject: "from outside", Status: plan.Skip, Got: v.err.Error(), Hint: hintProbe, Reason: plan.ReasonUnseen})
	}
	return found
}

// answersOutside is the gate before MX where there is a probe: the mail host answers outside.
func (w *world) answersOutside(ctx context.Context) error {
	answer, err := w.ask(ctx, probe.Request{Hostname: strings.TrimSuffix(w.site.Host, "."), Ports: []probe.Port{{Name: "smtp", Number: 25}}})
	if err != nil {
		return err
	}
	for _, c := range answer.Checks {
		if c.ID == "port.outside" && c.Status != plan.Pass {
			return errors.New(c.Subject + ", seen from outside: " + c.Got)
		}
	}
	return nil
}

const probeSource = "the probe"

// fromProbe is what the probe sees of the public address.
func (w *world) fromProbe(ctx context.Context) []sighting {
	if w.probe == nil {
		return nil
	}
	answer, err := w.ask(ctx, probe.Request{})
	return []sighting{{probeSource, answer.Seen, err}}
}

// seenOutside returns what tells the address that the probe sees; nil without a probe.
func (w *world) seenOutside() func(context.Context) (netip.Addr, error) {
	if w.probe == nil {
		return nil
	}
	return func(ctx context.Context) (netip.Addr, error) {
		for _, p := range w.public { // it was asked already
			for _, s := range p.seen {
				if s.source == probeSource && !p.ipv6 {
					return s.addr, s.err
				}
			}
		}
		answer, err := w.ask(ctx, probe.Request{})
		return answer.Seen, err
	}
}
