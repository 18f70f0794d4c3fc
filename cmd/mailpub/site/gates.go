package site

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

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
				return smtpclient.Answers(ctx, nil, addr, s.cfg.Server.Hostname)
			},
		})
	}
	if six := mail.DNSKey(s.spec.Host, "AAAA"); slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Key == six && !c.Release }) {
		answers(plan.StageAddress, netip.AddrPortFrom(s.spec.IPv6(), 25).String())
	}
	if errors.Is(s.router.wanErr, nat.ErrDoubleNAT) && !s.cfg.Router.BehindNAT {
		gates = append(gates, plan.Gate{Stage: plan.StageMail, Name: "the router has a public address",
			Check: func(context.Context) error { return s.bothAddresses() }})
	}
	answers(plan.StageMail, s.SMTPAddr())
	if s.probe != nil {
		gates = append(gates, plan.Gate{Stage: plan.StageMail, Name: s.cfg.Server.Hostname + " answers from outside", Check: s.answersOutside})
	}
	if moving := s.policyDomains(p); len(moving) > 0 {
		gates = append(gates, plan.Gate{Stage: plan.StageMail, Name: "the MTA-STS policies that are served allow the new MX",
			Check: func(ctx context.Context) error { return s.policies().Gate(ctx, moving) }})
	}
	return gates
}

// policyDomains are the domains that have an MX already and that the plan gives another one:
// senders may remember an MTA-STS policy of the server that had their mail before.
func (s *Site) policyDomains(p *Plan) (domains []mail.Domain) {
	for _, d := range s.spec.Domains {
		mx := mail.DNSKey(d.Name, "MX")
		if !slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Key == mx && c.Action == plan.Update && !c.Release }) {
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
