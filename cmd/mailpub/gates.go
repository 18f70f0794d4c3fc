package main

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

// gates are what must hold before the world is sent here: before the AAAA record, that the
// server answers by IPv6, and before MX, that it does on the LAN.
func (w *world) gates(p *plan.Plan) (gates []plan.Gate) {
	answers := func(stage plan.Stage, addr string) {
		gates = append(gates, plan.Gate{
			Stage: stage,
			Name:  fmt.Sprintf("%s answers at %s", w.cfg.Server.Hostname, addr),
			Check: func(ctx context.Context) error {
				return smtpclient.Answers(ctx, nil, addr, w.cfg.Server.Hostname)
			},
		})
	}
	if six := mail.DNSKey(w.site.Host, "AAAA"); slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Key == six && !c.Release }) {
		answers(plan.StageAddress, netip.AddrPortFrom(w.site.IPv6(), 25).String())
	}
	if errors.Is(w.wanErr, nat.ErrDoubleNAT) && !w.cfg.Router.BehindNAT {
		gates = append(gates, plan.Gate{Stage: plan.StageMail, Name: "the router has a public address",
			Check: func(context.Context) error { return w.bothAddresses() }})
	}
	answers(plan.StageMail, w.smtpAddr())
	if w.probe != nil {
		gates = append(gates, plan.Gate{Stage: plan.StageMail, Name: w.cfg.Server.Hostname + " answers from outside", Check: w.answersOutside})
	}
	if moving := w.policyDomains(p); len(moving) > 0 {
		gates = append(gates, plan.Gate{Stage: plan.StageMail, Name: "the MTA-STS policies that are served allow the new MX",
			Check: func(ctx context.Context) error { return w.policies().Gate(ctx, moving) }})
	}
	return gates
}

// policyDomains are the domains that have an MX already and that the plan gives another one:
// senders may remember an MTA-STS policy for them, made by whoever had their mail before.
func (w *world) policyDomains(p *plan.Plan) (domains []mail.Domain) {
	for _, d := range w.site.Domains {
		mx := mail.DNSKey(d.Name, "MX")
		if !slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Key == mx && c.Action == plan.Update && !c.Release }) {
			continue
		}
		domains = append(domains, d)
	}
	return domains
}

// bothAddresses is w.wanErr with the address that stands in front of the router's.
func (w *world) bothAddresses() error {
	if front := w.front(); front != "" {
		return fmt.Errorf("%w; %s", w.wanErr, front)
	}
	return w.wanErr
}

// front says which public IPv4 address the network has, as others than the router tell; "" where
// nobody does.
func (w *world) front() string {
	if a, err := netip.ParseAddr(w.cfg.Server.Public.IPv4); err == nil {
		return fmt.Sprintf("the public address is %s, as the config says", a)
	}
	for _, p := range w.public {
		for _, s := range p.seen {
			if !p.ipv6 && s.err == nil && s.source != routerSource {
				return fmt.Sprintf("%s sees %s", s.source, s.addr)
			}
		}
	}
	return ""
}
