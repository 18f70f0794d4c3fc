package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// gates are what must hold before senders are led here: before the AAAA record, that the
// server answers over IPv6, and before MX, that it does on the LAN.
func (s *Site) gates(p *Plan) (gates []plan.Gate) {
	answers := func(stage plan.Stage, addr string) {
		gates = append(gates, plan.Gate{
			Stage: stage,
			Name:  fmt.Sprintf("%s answers at %s", s.cfg.Server.Hostname, addr),
			Check: func(ctx context.Context) error {
				return smtpclient.GateAnswers(ctx, nil, addr, s.cfg.Server.Hostname)
			},
		})
	}

	if s.spec.Router == mail.RouterProtocol {
		forwards := func(stage plan.Stage) {
			gates = append(gates, plan.Gate{
				Stage: stage,
				Name:  "every forward is in the router",
				Check: s.forwardsInPlace,
			})
		}

		if s.publishesAddress(p) {
			forwards(plan.StageAddress)
		}

		forwards(plan.StageMail)
	}

	if six := mail.DNSKey(s.spec.Host, "AAAA"); slices.ContainsFunc(p.Changes,
		func(c plan.Change) bool {
			return c.Key == six && !c.Release
		}) {
		answers(plan.StageAddress, netip.AddrPortFrom(s.spec.IPv6(), 25).String())
	}

	if errors.Is(s.router.wanErr, nat.ErrDoubleNAT) && !s.cfg.Router.BehindNAT {
		gates = append(gates, plan.Gate{
			Stage: plan.StageMail,
			Name:  "the router has a public address",
			Check: func(context.Context) error { return s.bothAddresses() },
		})
	}

	answers(plan.StageMail, s.SMTPAddr())
	if s.probe != nil {
		gates = append(gates, plan.Gate{
			Stage: plan.StageMail,
			Name:  s.cfg.Server.Hostname + " answers from outside",
			Check: s.gateExternalAnswer,
		})
	}

	if moving := s.policyDomains(p); len(moving) > 0 {
		gates = append(gates, plan.Gate{
			Stage: plan.StageMail,
			Name:  "no served MTA-STS policy forbids the new MX",
			Check: func(ctx context.Context) error {
				return s.policies().Gate(ctx, moving)
			},
		})
	}

	return gates
}

// policyDomains are the domains that have an MX already and that the plan gives another one:
// senders may remember an MTA-STS policy of the server that had their mail before.
func (s *Site) policyDomains(p *Plan) (domains []mail.Domain) {
	for _, d := range s.spec.Domains {
		mx := mail.DNSKey(d.Name, "MX")
		if !slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
			return c.Key == mx && c.Action == plan.Update && !c.Release
		}) {
			continue
		}
		domains = append(domains, d)
	}

	return domains
}

// bothAddresses is s.router.wanErr with the address that stands in front of the router's.
func (s *Site) bothAddresses() error {
	if front := s.outerAddress(); front != "" {
		return fmt.Errorf("%w; %s", s.router.wanErr, front)
	}
	return s.router.wanErr
}

// ErrForwards says that a forward that the config wants is not in the router, or was not seen there.
var ErrForwards = errors.New("a forward is missing")

// publishesAddress reports whether a plan gives the mail host an address that it did not have.
func (s *Site) publishesAddress(p *Plan) bool {
	a := mail.DNSKey(s.spec.Host, "A")
	aaaa := mail.DNSKey(s.spec.Host, "AAAA")
	return slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
		return (c.Key == a || c.Key == aaaa) && !c.Release && c.Writes()
	})
}

// forwardsInPlace reads every wanted forward once more. One that is absent, leads elsewhere or
// can't be read is an error: senders would be led to a closed port. What a protocol can't list
// counts while its grant lasts and the router has not restarted, which was asked just now.
func (s *Site) forwardsInPlace(ctx context.Context) error {
	if errors.Is(s.router.err, errNotAsked) { // a plan without it still leads senders there
		s.router = openRouter(ctx, s.cfg, s.ledger, pinholeAddress(s.spec, s.ledger),
			s.options.logger())
	}

	if s.router.err != nil {
		return fmt.Errorf("%w: %w", ErrForwards, s.router.err)
	}

	var wanted []plan.Item
	var keys []plan.Key
	for _, w := range s.spec.ForwardItems() {
		if _, blocked := s.spec.Shut[w.Key]; blocked || w.ByHand != "" {
			continue
		}
		wanted = append(wanted, w)
		keys = append(keys, w.Key)
	}

	items, err := s.router.Read(ctx, keys)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrForwards, err)
	}

	found := map[plan.Key]plan.Item{}
	for _, it := range items {
		found[it.Key] = it
	}

	for _, w := range wanted {
		if why := forwardProblem(w, found); why != "" {
			return fmt.Errorf("%w: %s: %s", ErrForwards, w.Key.Name, why)
		}
	}

	return nil
}

// forwardProblem says what is the matter with a forward as it was read; "" for nothing.
func forwardProblem(want plan.Item, found map[plan.Key]plan.Item) string {
	is, there := found[want.Key]
	switch {
	case !there:
		return "it is not in the router"
	case is.Unreadable != "":
		return "cannot find out whether it is in the router: " + is.Unreadable
	case len(is.Lines) == 0:
		return "cannot find out whether it is in the router: " + is.Again
	case !plan.EqualLines(is.Lines, want.Lines):
		return fmt.Sprintf("its target is %s, not %s", strings.Join(is.Lines, " "),
			strings.Join(want.Lines, " "))
	}

	return ""
}
