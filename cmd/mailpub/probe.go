package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/receive"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/mailsvc/certs"
	"github.com/mailpub/mailpub/mailsvc/probe"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/spf"
)

// minToken is the least length of a token, in characters.
const minToken = 20

// probeFlags is what the command line says of a probe.
type probeFlags struct {
	listen, certificate, key, state string
	sites, resolvers                []string
	pause                           time.Duration
	perHour                         int
}

func probeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "probe",
		Short: "Check a mail server from outside, as other servers see it",
		Long: `A probe runs on any small external machine. For "mailpub verify" it connects to the ports
of the config, sends a message as another mail server would, and runs the tests that only
work from outside, such as relaying. It reports the address of the client.`,
	}

	cmd.AddCommand(probeServeCommand(a), probeTestCommand(a))
	return cmd
}

func probeServeCommand(a *app) *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run a probe",
		Long: `Serves a probe over HTTPS for the sites whose tokens it has. It checks only the address of
the client, never a private one, one check at a time and with a rate limit, and sends it
only fixed commands. Its log on standard error names each client and request.

Without --certificate it creates a certificate and prints its fingerprint, for
verify.probe.fingerprint in the config of each site.`,
		Example: `  mailpub probe serve --site office=env:OFFICE_TOKEN
  mailpub probe serve --listen :443 --certificate cert.pem --key key.pem --site office=file:office.token`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return serveProbe(cmd.Context(), a, f)
		},
	}

	fl := cmd.Flags()
	fl.StringVar(&f.listen, "listen", ":8443", "`ADDRESS:PORT` to serve at")
	fl.StringArrayVar(&f.sites, "site", nil,
		"`NAME=REFERENCE` of a site and its token: env:NAME, file:PATH or exec:COMMAND")

	fl.StringVar(&f.certificate, "certificate", "",
		"PEM `FILE` of the certificate with its chain")

	fl.StringVar(&f.key, "key", "", "PEM `FILE` of its private key")
	fl.StringVar(&f.state, "state", ".mailpub", "`DIRECTORY` for its own certificate")
	fl.StringSliceVar(&f.resolvers, "resolver", nil,
		"name servers to ask; by default the system's")

	fl.DurationVar(&f.pause, "pause", 10*time.Second,
		"minimum time between two checks of one address")

	fl.IntVar(&f.perHour, "per-hour", 60, "checks allowed for one site in an hour")
	return cmd
}

func serveProbe(ctx context.Context, a *app, f probeFlags) error {
	tokens, err := tokensOf(ctx, f.sites)
	if err != nil {
		return err
	}

	own := f.certificate == ""
	if own {
		if f.certificate, f.key, err = certs.SelfSigned(f.state, "probe"); err != nil {
			return err
		}
	}

	log := a.notices()
	files, err := certs.FromFiles(f.certificate, f.key, log)
	if err != nil {
		return err
	}

	dns := spf.Senders{Resolver: &resolver.Resolver{Servers: f.resolvers}}
	mx := func(ctx context.Context, domain string) ([]string, error) { // the answer is the site's to read
		hosts, err := dns.Exchangers(ctx, domain)
		return hosts, resolver.Unnamed(err)
	}

	addresses := func(ctx context.Context, host string) ([]netip.Addr, error) {
		addrs, err := dns.Resolver.Addresses(ctx, host)
		return addrs, resolver.Unnamed(err)
	}

	s := &probe.Server{
		Tokens:    tokens,
		MX:        mx,
		Addresses: addresses,
		Pause:     f.pause,
		PerHour:   f.perHour,
		Logger:    log,
	}

	l, err := receive.Listen(ctx, f.listen)
	if err != nil {
		return err
	}

	fmt.Fprintf(a.ui.Err, "probing for %s at https://%s; Ctrl-C ends it\n",
		term.Count(len(tokens), "site"), l.Addr())

	if own {
		fmt.Fprintf(a.ui.Out, "fingerprint: %s\n", files.Fingerprint())
	}

	return serveUntil(ctx, s.HTTP(), tls.NewListener(l, files.Config()))
}

// serveUntil serves until ctx is done; requests under way then have a moment to end.
func serveUntil(ctx context.Context, s *http.Server, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		defer cancel()
		if s.Shutdown(ctx) != nil {
			s.Close()
		}
	})

	defer stop()

	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}

	return nil
}

// tokensOf reads the tokens of --site flags.
func tokensOf(ctx context.Context, sites []string) (map[string]string, error) {
	if len(sites) == 0 {
		return nil, errors.New("--site is missing, want NAME=REFERENCE for each site that may ask")
	}

	tokens := map[string]string{}
	for _, s := range sites {
		name, ref, ok := strings.Cut(s, "=")
		if !ok || name == "" || !config.IsReference(ref) { // not quoted: it may be the token itself
			return nil, errors.New("--site: want NAME=REFERENCE, the reference being env:NAME, file:PATH or exec:COMMAND, and never the token itself")
		}

		token, err := config.Resolve(ctx, ref, ".")
		if err != nil {
			return nil, fmt.Errorf("--site %s: %w", name, err)
		}
		if len(token) < minToken {
			return nil, fmt.Errorf("--site %s: the token has %d characters, want at least %d, such as openssl rand -hex 20 prints",
				name, len(token), minToken)
		}
		if tokens[name] != "" {
			return nil, fmt.Errorf("--site %s is given twice", name)
		}

		for other, same := range tokens {
			if same == token {
				return nil, fmt.Errorf("--site %s and --site %s have the same token, so the probe could not tell them apart: give each its own",
					other, name)
			}
		}

		tokens[name] = token
	}

	return tokens, nil
}

func probeTestCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "test",
		Short:   "Test the probe of the config",
		Long:    "Asks the probe of the config which address it sees. It runs no checks.",
		Example: "  mailpub probe test",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := a.config()
			if err != nil {
				return err
			}

			client, err := site.NewProbe(cmd.Context(), cfg)
			if err != nil {
				return err
			}
			if client == nil {
				return fmt.Errorf("%s has no probe (verify.probe)", cfg.File)
			}

			begin := time.Now()
			answer, err := client.Check(cmd.Context(), probe.Request{})
			if err != nil {
				return err
			}
			if a.ui.JSON {
				return a.ui.PrintJSON(answer)
			}

			_, err = fmt.Fprintf(a.ui.Out, "The probe answers after %v, and sees %s.\n",
				time.Since(begin).Round(time.Millisecond), answer.Seen)

			return err
		},
	}
}
