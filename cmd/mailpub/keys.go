package main

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/mailsvc/dkim"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/dnscheck"
)

// signing fills in what DNS is to say of the domains' DKIM keys.
func (w *world) signing() error {
	for i, d := range w.cfg.Domains {
		for j, k := range d.DKIM {
			key, err := readKey(w.cfg, d, k)
			switch {
			case errors.Is(err, dkim.ErrNoKey):
				w.site.Domains[i].DKIM[j].Missing = "there is no key yet: mailpub apply makes it and publishes this; mailpub dkim --make makes it now"
			case err != nil:
				return err
			default:
				w.site.Domains[i].DKIM[j].Text = key.Record()
			}
		}
	}
	return nil
}

// readKey reads a key, which must be of the algorithm that the config says.
func readKey(cfg *config.Config, d config.Domain, k config.DKIM) (dkim.Key, error) {
	path := cfg.DKIMPath(d, k)
	key, err := dkim.Load(path)
	if err == nil && key.Algorithm() != k.Algorithm {
		err = fmt.Errorf("DKIM key %s: is for %s, but the config says %s for selector %q of %s", path, key.Algorithm(), k.Algorithm, k.Selector, d.Name)
	}
	return key, err
}

// makeKeys makes the DKIM keys that there are not yet. The caller holds the site's lock.
func (a *app) makeKeys(cfg *config.Config) error {
	for _, d := range cfg.Domains {
		for _, k := range d.DKIM {
			_, err := readKey(cfg, d, k)
			if !errors.Is(err, dkim.ErrNoKey) {
				if err != nil {
					return err
				}
				continue
			}
			path := cfg.DKIMPath(d, k)
			if _, err := dkim.Make(path, k.Algorithm); err != nil {
				return err
			}
			fmt.Fprintf(a.err, "made a DKIM key for %s, selector %s: %s\n", d.Name, k.Selector, path)
		}
	}
	return nil
}

// certificates fills in what DNS is to say of the mail host's keys, where the config asks
// for that: it asks the mail server, and whether the zone is signed.
func (w *world) certificates(ctx context.Context) {
	d := w.cfg.Server.DANE
	if d.Certificate == "" {
		return
	}
	sources := []string{d.Certificate, d.Next}
	for _, from := range sources {
		if from == "" {
			continue
		}
		digest, err := w.digest(ctx, from)
		if err != nil {
			w.site.DANE.Missing = "the key is not known, so nothing is published: " + err.Error()
			return
		}
		w.site.DANE.Digests = append(w.site.DANE.Digests, digest)
	}
	for i, z := range w.site.Zones {
		if mail.Within(w.site.Host, z.Name) {
			w.site.Zones[i].Unsigned = w.dnsFacts().Unsigned(ctx, z.Name)
		}
	}
}

// servedCertificate stands for the certificate that the mail server shows.
const servedCertificate = "served"

func (w *world) digest(ctx context.Context, from string) (string, error) {
	if from != servedCertificate {
		return smtpclient.KeyDigest(w.cfg.Path(from))
	}
	shown, err := smtpclient.Served(ctx, nil, w.smtpAddr(), w.cfg.Server.Hostname)
	if err != nil {
		return "", fmt.Errorf("asked at %s: %w", w.smtpAddr(), err)
	}
	return smtpclient.CertificateDigest(shown[0]), nil
}

// shown returns the certificates that the mail server shows on a port, seen from outside; none
// where it answers and offers no TLS.
func (w *world) shown(ctx context.Context, port uint16) ([]*x509.Certificate, error) {
	addr := w.smtpAddr()
	for _, f := range w.site.Forwards {
		if f.Proto == "tcp" && f.Port == port {
			addr = netip.AddrPortFrom(w.site.Address, f.Internal).String()
		}
	}
	shown, err := smtpclient.Served(ctx, nil, addr, w.cfg.Server.Hostname)
	if errors.Is(err, smtpclient.ErrNoTLS) {
		return nil, nil
	}
	return shown, err
}

// selectors are the DKIM keys of a domain, as the checks need them.
func (w *world) selectors(d config.Domain) (list []dnscheck.Selector) {
	for _, k := range d.DKIM {
		s := dnscheck.Selector{Name: k.Selector}
		if key, err := readKey(w.cfg, d, k); err == nil {
			s.Proves = key.SignedBy
		}
		list = append(list, s)
	}
	return list
}

type dkimJSON struct {
	Domain    string `json:"domain"`
	Selector  string `json:"selector"`
	Algorithm string `json:"algorithm"`
	File      string `json:"file"`
	Made      bool   `json:"made"` // there is a key
	Name      string `json:"name"`
	Record    string `json:"record,omitempty"`
}

func (a *app) dkimCommand() *cobra.Command {
	var make bool
	cmd := &cobra.Command{
		Use:   "dkim",
		Short: "the keys that mail is signed with",
		Long: `Lists the DKIM keys of the config: the file with the private key, for the mail server
to sign with, and the record with the public one. Keys that there are not yet are made
by "mailpub apply", or by --make; a key that is there is never replaced.

To change keys, add a second selector, apply, let the mail server sign with it, and take
the first one away some days later, when no mail signed with it is under way.`,
		Example: "  mailpub dkim\n  mailpub dkim --make",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}
			if make {
				err = a.locked(cmd.Context(), cfg, func(plan.Lock, *plan.Ledger) error { return a.makeKeys(cfg) })
				if err != nil {
					return err
				}
			}
			return a.showKeys(cfg)
		},
	}
	cmd.Flags().BoolVar(&make, "make", false, "make the keys that there are not yet")
	return cmd
}

func (a *app) showKeys(cfg *config.Config) error {
	list := []dkimJSON{}
	for _, d := range cfg.Domains {
		for _, k := range d.DKIM {
			j := dkimJSON{Domain: d.Name, Selector: k.Selector, Algorithm: k.Algorithm, File: cfg.DKIMPath(d, k),
				Name: k.Selector + "._domainkey." + d.Name}
			key, err := readKey(cfg, d, k)
			if err != nil && !errors.Is(err, dkim.ErrNoKey) {
				return err
			}
			if err == nil {
				j.Made, j.Record = true, key.Record()
			}
			list = append(list, j)
		}
	}
	if a.json {
		return printJSON(a.out, list)
	}
	for _, j := range list {
		made := a.look.green("made")
		if !j.Made {
			made = a.look.yellow("not made yet; mailpub dkim --make")
		}
		fmt.Fprintf(a.out, "%s  %s, %s\n", a.look.bold(j.Name), j.Algorithm, made)
		fmt.Fprintf(a.out, "  private  %s\n", j.File)
		if j.Made {
			fmt.Fprintf(a.out, "  public   %s\n", j.Record)
		}
	}
	if len(list) == 0 {
		fmt.Fprintln(a.out, "The config has no DKIM keys; mailpub help config shows how to ask for them (domains: dkim:).")
	}
	return nil
}
