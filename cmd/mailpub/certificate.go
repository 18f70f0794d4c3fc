package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/certs"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

// challengeWait is how long the name servers have to agree on the answer to a challenge.
const challengeWait = 2 * time.Minute

// prover answers ACME challenges in a zone of the site.
type prover struct {
	w    *world
	zone *zone.Zone
}

// Publish implements certs.Prover.
func (p prover) Publish(ctx context.Context, name, text string) error {
	c, err := p.zone.AddText(ctx, name, text)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, challengeWait)
	defer cancel()
	c.Action = plan.Update
	if s := p.w.dnsFacts().Settle(ctx, []plan.Change{c}, nil); len(s.Behind) > 0 {
		return fmt.Errorf("not everywhere within %v: %s", challengeWait, behindText(s.Behind))
	}
	return nil
}

// Withdraw implements certs.Prover.
func (p prover) Withdraw(ctx context.Context, name, text string) error {
	_, err := p.zone.RemoveText(ctx, name, text)
	return err
}

// certificate returns what the receiver speaks TLS with, nil where the config has no
// certificate, and what ends its keeping once ctx is done.
func (a *app) certificate(ctx context.Context, cfg *config.Config) (current func() *tls.Config, end func(), err error) {
	t := cfg.Service.TLS
	switch t.Certificate {
	case "":
		return nil, func() {}, nil
	case config.ACME:
		return a.acme(ctx, cfg)
	}
	files, err := certs.FromFiles(cfg.Path(t.Certificate), cfg.Path(t.Key), a.logger())
	if err != nil {
		return nil, nil, err
	}
	if problem := files.Problem(cfg.Server.Hostname, time.Now()); problem != "" {
		fmt.Fprintf(a.err, "%s %s; most senders do not look, but those that heed MTA-STS do\n", a.look.yellow("certificate:"), clean(problem))
	}
	shown := files.Config()
	return func() *tls.Config { return shown }, func() {}, nil
}

func (a *app) acme(ctx context.Context, cfg *config.Config) (func() *tls.Config, func(), error) {
	w := &world{cfg: cfg, site: cfg.PlanSite(), resolver: &resolver.Resolver{Servers: cfg.Verify.Resolvers}}
	holder, _ := w.site.ZoneOf(w.site.Host) // config has checked that there is one
	i := slices.IndexFunc(cfg.Zones, func(z config.Zone) bool { return mail.FQDN(z.Name) == holder.Name })
	driver, err := a.zone(ctx, w, i)
	if err != nil {
		return nil, nil, err
	}
	t := cfg.Service.TLS
	o := certs.Options{
		Host: cfg.Server.Hostname, Directory: t.Directory, Email: t.Email, Storage: filepath.Join(stateDir(cfg), "acme"),
		Prover: prover{w, driver.(*zone.Zone)}, Logger: a.notices(),
	}
	if t.Roots != "" {
		o.Roots = cfg.Path(t.Roots)
	}
	made, err := certs.FromACME(ctx, o)
	if err != nil {
		return nil, nil, err
	}
	return made.Config, made.Close, nil
}
