package site

import (
	"context"
	"fmt"
	"time"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/nat/forward"
	"github.com/mailpub/mailpub/nat/hostfirewall"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/catalog"
)

// RouterStatus is how the router is: its protocols, its address and the wanted forwards.
type RouterStatus struct {
	nat.Report
	Firewall []hostfirewall.Finding `json:"firewall"` // of this machine, where it is the mail server
}

// RouterStatus looks at the router. The error is that of a router that does not answer.
func (s *Site) RouterStatus(ctx context.Context) (RouterStatus, error) {
	if s.router.err != nil {
		return RouterStatus{}, s.router.err
	}

	report, err := s.router.Status(ctx, s.spec.ForwardItems())
	if err != nil {
		return RouterStatus{}, err
	}

	return RouterStatus{
		Report:   report,
		Firewall: hostfirewall.Inspect(ctx, s.spec.ForwardItems()),
	}, nil
}

// RouterScript returns the forwards as text for nft(8), where the router is nftables.
func (s *Site) RouterScript(ctx context.Context) (string, error) {
	if s.router.err != nil {
		return "", s.router.err
	}
	return s.router.Script(ctx)
}

// RouterProtocol is the protocol that the router is asked by; "" for a router that does not answer.
func (s *Site) RouterProtocol() string {
	if s.router.err != nil {
		return ""
	}
	return s.router.Protocol()
}

// Drift is what is no longer as it should be.
type Drift struct {
	Report plan.Report
	Failed []plan.PartyError // parties that could not be read
}

// Drift plans and verifies. It writes nothing.
func (s *Site) Drift(ctx context.Context) (Drift, error) {
	release, err := s.options.Shared.useMailHost(ctx, s.SMTPAddr())
	if err != nil {
		return Drift{}, err
	}

	defer release()

	p, err := s.Plan(ctx)
	if err != nil {
		return Drift{}, err
	}

	report := catalog.NewReport(s.cfg.Site, s.ignore(s.check(ctx, nil), time.Now()))
	report.Changes = p.Changes
	report.Drift = true

	return Drift{Report: report, Failed: p.Failed}, ctx.Err()
}

// Strays are forwards in the router that bear the site's mark and that the config does not
// want.
func (s *Site) Strays(ctx context.Context) ([]nat.ForwardStatus, error) {
	if s.router.err != nil {
		return nil, s.router.err
	}
	return s.router.Strays(ctx, s.spec.ForwardItems())
}

// RemoveStrays takes strays away, and out of the ledger where that has them. It stops at the
// first that is not gone.
func (s *Site) RemoveStrays(ctx context.Context, strays []nat.ForwardStatus) error {
	if s.lock == nil {
		return ErrReadOnly
	}

	for _, stray := range strays {
		if err := s.router.RemoveStray(ctx, stray); err != nil {
			return err
		}

		k := plan.Key{Kind: forward.Kind, Name: stray.Name}
		if _, known := s.ledger.Get(k); known {
			s.ledger.Drop(k)
			if err := s.lock.Save(s.ledger); err != nil {
				return fmt.Errorf("ledger: %w", err)
			}
		}
	}

	return nil
}
