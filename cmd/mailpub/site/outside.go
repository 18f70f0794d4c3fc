package site

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	mailcheck "github.com/mailpub/mailpub/mailsvc/check"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/mailsvc/roundtrip"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// Ids of what a probe may report. Anything else in its answer is not believed.
var (
	outsidePorts = []string{catalog.PortOutside, catalog.PortUndeclared}
	outsideMail  = []string{catalog.SMTPBanner, catalog.SMTPSTARTTLS,
		catalog.AccountPostmaster, catalog.AccountAbuse, catalog.RelayOpen, catalog.RelaySpoof,
		catalog.RelaySender, catalog.RelayRecipient}
)

// probedIDs are the ids of what a message from the probe shows.
func probedIDs() []string { return []string{catalog.MailOutside, catalog.PortSource} }

// probeRun is one run of the probe, shared by the checks that need it.
type probeRun struct {
	site    *Site
	message bool // have a message sent

	once   sync.Once
	answer probe.Answer
	err    error
}

// ask asks the probe, once for all checks.
func (r *probeRun) ask(ctx context.Context) (probe.Answer, error) {
	r.once.Do(func() {
		spec := r.site.spec
		request := probe.Request{
			Hostname: strings.TrimSuffix(spec.Host, "."),
			Message:  r.message,
		}

		for _, f := range spec.Forwards {
			if f.Proto == "tcp" {
				request.Ports = append(request.Ports, probe.Port{Name: f.Name, Number: f.Port})
			}
		}

		if r.message {
			names := domainNames(spec)
			request.Domains = names[:min(len(names), probe.MaxDomains)]
		}

		r.answer, r.err = askProbe(ctx, r.site.probe, request)
		if r.err == nil {
			r.answer = r.site.retryGreylisted(ctx, request, r.answer)
		}
	})

	return r.answer, r.err
}

// lookPause is the first pause before the probe sends a greylisted message again.
const lookPause = 5 * time.Second

// retryGreylisted has the probe look again for as long as the mail host greylists its message, within the patience.
// The last look counts that the probe took; it may want to be asked later.
func (s *Site) retryGreylisted(ctx context.Context, request probe.Request, first probe.Answer) probe.Answer {
	for again := mailcheck.NewRetry(lookPause, s.cfg.Verify.Wait()); ; {
		words, is := greylistedMessage(first)
		if !is || !again.Wait(ctx, words) {
			return first
		}

		next, err := askProbe(ctx, s.probe, request)
		if err == nil {
			first = next
		}
	}
}

// greylistedMessage returns the words of the mail host if it deferred the probe's message as the sender is
// new to it.
func greylistedMessage(a probe.Answer) (words string, is bool) {
	for _, h := range a.Hops {
		if h.Greylisted() {
			return h.Said, true
		}
	}
	return "", false
}

const hintProbe = "check that mailpub probe serve runs there and its port is reachable; test it with mailpub probe test"

// checksWithoutProbe are the checks that can't be known without a probe: what answers at the public address from
// inside, or does not, is the router's doing, and not what strangers meet.
func checksWithoutProbe() []plan.Checker {
	one := func(area, id, subject, why, hint string) plan.Checker {
		return plan.Checker{
			Area: area,
			IDs:  []string{id},
			Run: func(context.Context) []plan.Check {
				return []plan.Check{{ID: id, Subject: plan.About(subject), Status: plan.Skip, Got: why, Hint: hint, Reason: plan.ReasonUnseen}}
			},
		}
	}

	return []plan.Checker{
		one("router", catalog.PortOutside, "every forward",
			"no probe in the config, and a test from inside cannot show whether a port is open outside",
			"run mailpub probe serve on an external machine and set verify.probe (docs/probe.md)"),
		one("mail", catalog.MailOutside, "a message from outside",
			"no probe in the config to send one",
			"see port.outside; or send one from an external mailbox"),
	}
}

// outsideChecks are the checks from the probe; where the config has none, that this can't be
// known. A message is sent only where only, as in plan.Pick, asks for something that takes one.
func (s *Site) outsideChecks(only []string) []plan.Checker {
	if s.probe == nil {
		none := checksWithoutProbe()
		if len(s.cfg.Verify.Mailboxes) > 0 { // they show whether a message arrives
			none = none[:1]
		}
		return none
	}

	run := &probeRun{
		site: s,
		message: len(only) == 0 || slices.ContainsFunc(append(probedIDs(), outsideMail...),
			func(id string) bool {
				return slices.Contains(only, id) || slices.Contains(only, "mail")
			}),
	}

	timeout := 2*time.Minute + busyPause + s.cfg.Verify.Wait()
	ports := plan.Checker{
		Area:    catalog.AreaRouter,
		IDs:     outsidePorts,
		Timeout: timeout,
		Run: func(ctx context.Context) []plan.Check {
			return run.report(ctx, outsidePorts)
		},
	}

	switch {
	case run.message && len(domainNames(s.spec)) == 0:
		run.message = false
		return []plan.Checker{ports, checksWithoutSender("this server receives mail for no domain of the config")}
	case !run.message:
		return []plan.Checker{ports}
	}

	return []plan.Checker{
		ports,
		{Area: catalog.AreaMail, IDs: probedIDs(), Also: outsideMail, Timeout: timeout, Run: func(ctx context.Context) []plan.Check {
			found := run.report(ctx, outsideMail)
			if run.err != nil {
				return run.unknown(probedIDs()...)
			}
			return append(found, s.mailFacts().CheckMessage(ctx, domainNames(s.spec)[0], run.answer.Hops, run.answer.Word, run.answer.From)...)
		}},
	}
}

// externalMessageChecks are the checks by mailboxes elsewhere, where only asks for something that takes a message.
func (s *Site) externalMessageChecks(only []string) []plan.Checker {
	asked := len(only) == 0 || slices.Contains(only, catalog.AreaMail) ||
		slices.ContainsFunc(append(roundtrip.OutboundIDs(), catalog.MailOutside),
			func(id string) bool {
				return slices.Contains(only, id)
			})

	if !asked {
		return nil
	}

	return s.mailboxChecks()
}

// checksWithoutSender are the checks of a message that nobody can send.
func checksWithoutSender(why string) plan.Checker {
	return plan.Checker{
		Area: catalog.AreaMail,
		IDs:  probedIDs(),
		Run: func(context.Context) (found []plan.Check) {
			for _, id := range probedIDs() {
				c := plan.Check{
					ID:      id,
					Subject: plan.About("a message from outside"),
					Status:  plan.Skip,
					Got:     why,
				}

				c.Hint = "no action is needed if other servers receive the mail of every domain"
				found = append(found, c)
			}

			return found
		},
	}
}

// report returns what the probe found under some ids.
func (r *probeRun) report(ctx context.Context, ids []string) (found []plan.Check) {
	answer, err := r.ask(ctx)
	if err != nil {
		return r.unknown(ids...)
	}

	for _, c := range answer.Checks {
		if slices.Contains(ids, c.ID) && slices.Contains([]plan.Status{plan.Pass, plan.Warn,
			plan.Fail, plan.Skip}, c.Status) {
			if !strings.HasPrefix(c.ID, "port.") {
				c.Subject.Outside = true
			}
			found = append(found, c)
		}
	}

	return found
}

func (r *probeRun) unknown(ids ...string) (found []plan.Check) {
	for _, id := range ids {
		found = append(found, plan.Check{
			ID:      id,
			Subject: plan.About("from outside"),
			Status:  plan.Skip,
			Got:     r.err.Error(),
			Hint:    hintProbe,
			Reason:  plan.ReasonUnseen,
		})
	}

	return found
}

// gateExternalAnswer is the gate before MX where there is a probe: the mail host answers outside.
func (s *Site) gateExternalAnswer(ctx context.Context) error {
	answer, err := askProbe(ctx, s.probe, probe.Request{
		Hostname: strings.TrimSuffix(s.spec.Host, "."),
		Ports:    []probe.Port{{Name: "smtp", Number: 25}},
	})

	if err != nil {
		return err
	}

	for _, c := range answer.Checks {
		if c.ID == catalog.PortOutside && c.Status != plan.Pass {
			return errors.New(c.Subject.String() + ", seen from outside: " + c.Got)
		}
	}

	return nil
}
