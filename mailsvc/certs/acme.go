package certs

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3/acme"
	"go.uber.org/zap"

	"github.com/mailpub/mailpub/plan/egress"
)

// LetsEncrypt is the directory of Let's Encrypt.
const LetsEncrypt = certmagic.LetsEncryptProductionCA

// DNSChallenge proves to an authority that a name is ours, by a TXT record (RFC 8555 section 8.4).
type DNSChallenge interface {
	// Publish adds a text at a name, beside what is there, and returns when the world sees it.
	Publish(ctx context.Context, name, text string) error
	// Withdraw takes it away again. That it is gone already is no error.
	Withdraw(ctx context.Context, name, text string) error
}

// Options say how a certificate is made.
type Options struct {
	Host      string // that the certificate is for
	Directory string // of the authority; "" is LetsEncrypt
	Email     string // that the authority warns; may be ""
	Roots     string // PEM file of who vouches for the directory itself; "" is the system's
	Storage   string // directory of the account and the certificates
	Prover    DNSChallenge
	Logger    *slog.Logger
}

// ACME is a certificate that is made and renewed by itself. Safe for concurrent use.
type ACME struct {
	magic *certmagic.Config
	cache *certmagic.Cache
	ready atomic.Bool
	ended chan struct{}
}

// FromACME begins to make, or takes from Storage, the certificate of a host, and keeps it
// renewed until ctx ends. It returns before there is one: see Config. What goes wrong is
// logged, and tried again with growing pauses. Wait for Close when ctx has ended.
func FromACME(ctx context.Context, o Options) (*ACME, error) {
	if err := egress.Refuse(ctx, "ordering certificates"); err != nil { // the library has dialers of its own
		return nil, err
	}

	issuer := certmagic.ACMEIssuer{
		CA:                      o.Directory,
		Email:                   o.Email,
		Agreed:                  true,
		DisableHTTPChallenge:    true,
		DisableTLSALPNChallenge: true,
		DNS01Solver:             solver{o.Prover},
		Logger:                  zap.NewNop(),
	}

	if issuer.CA == "" {
		issuer.CA = LetsEncrypt
	}

	if issuer.Email == "" {
		issuer.Email = "postmaster@" + o.Host // an empty one would be asked for on standard input
	}

	if o.Roots != "" {
		text, err := os.ReadFile(o.Roots)
		if err != nil {
			return nil, fmt.Errorf("roots of the ACME directory: %w", err)
		}

		issuer.TrustedRoots = x509.NewCertPool()
		if !issuer.TrustedRoots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("roots of the ACME directory: %s holds no certificate in PEM", o.Roots)
		}
	}

	a := &ACME{ended: make(chan struct{})}
	a.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) {
			return a.magic, nil
		},
		Logger: zap.NewNop(),
	})

	a.magic = certmagic.New(a.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: o.Storage}, Logger: zap.NewNop(),
		OnEvent: a.listen(o),
		// Senders that know of no SNI, or look for another name, get it too.
		DefaultServerName: o.Host, FallbackServerName: o.Host,
	})

	a.magic.Issuers = []certmagic.Issuer{certmagic.NewACMEIssuer(a.magic, issuer)}
	go func() {
		defer close(a.ended)

		if err := a.magic.ManageSync(ctx, []string{o.Host}); err != nil {
			if ctx.Err() == nil {
				o.Logger.Warn("certificate", "host", o.Host, "error", err)
				err = a.magic.ManageAsync(ctx, []string{o.Host}) // goes on trying
			}
			if err != nil {
				return
			}
		} else {
			a.ready.Store(true)
		}

		<-ctx.Done()
	}()

	return a, nil
}

// listen logs what happens to the certificate.
func (a *ACME) listen(o Options) func(context.Context, string, map[string]any) error {
	return func(_ context.Context, event string, data map[string]any) error {
		switch event {
		case "cert_obtained":
			a.ready.Store(true)
			o.Logger.Info("certificate was made", "host", o.Host, "renewal", data["renewal"])
		case "cert_failed":
			o.Logger.Warn("certificate was not made", "host", o.Host, "error", data["error"])
		}

		return nil
	}
}

// Config is what the server speaks TLS with, nil as long as there is no certificate.
func (a *ACME) Config() *tls.Config {
	if !a.ready.Load() {
		return nil
	}
	c := a.magic.TLSConfig()
	c.NextProtos = nil // those are for the web
	c.MinVersion = minVersion
	return c
}

// Close waits until what runs on ctx has ended.
func (a *ACME) Close() {
	<-a.ended
	a.cache.Stop()
}

// solver is a Prover in the words of the ACME library.
type solver struct{ DNSChallenge }

// Present publishes the answer to a challenge.
func (s solver) Present(ctx context.Context, c acme.Challenge) error {
	return s.Publish(ctx, c.DNS01TXTRecordName(), c.DNS01KeyAuthorization())
}

// CleanUp withdraws it, also when the attempt was called off.
func (s solver) CleanUp(ctx context.Context, c acme.Challenge) error {
	err := s.Withdraw(context.WithoutCancel(ctx), c.DNS01TXTRecordName(),
		c.DNS01KeyAuthorization())
	if err != nil && ctx.Err() != nil {
		return errors.Join(ctx.Err(), err)
	}
	return err
}
