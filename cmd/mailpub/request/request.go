// Package request writes what mailpub can't do itself, for the people who have to: a list of what is
// open, letters to providers, records of a zone, an MTA-STS policy.
//
// It knows how such a request is worded. What is open it learns from a site's plan.
package request

import (
	"context"
	"embed"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/lang"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// letters are the texts of what is asked of other people, by subject and language.
//
//go:embed letters/*.txt
var letters embed.FS

// Options say how a request is written.
type Options struct {
	Lang string // one of lang.Names; "": that of the config
	Form string // one of Forms
	All  bool   // include existing records
	Site site.Options
}

// Forms are those of a zone's records.
func Forms() []string { return []string{"letter", "table", "zone"} }

// Write prints a request of the site of u's config file: "ptr", "zone" NAME or "policy" DOMAIN;
// without a subject the list of what is open.
func Write(ctx context.Context, u *term.UI, o Options, words []string) error {
	if o.Lang != "" && !lang.Language(o.Lang).Known() {
		return fmt.Errorf("--lang is %q, want %s", o.Lang, strings.Join(lang.Names(), " or "))
	}
	if !slices.Contains(Forms(), o.Form) {
		return fmt.Errorf("--form is %q, want one of %s", o.Form, strings.Join(Forms(), ", "))
	}

	cfg, l, err := site.Load(ctx, u.ConfigFile, o.Site)
	if err != nil {
		return err
	}

	u.Language = lang.Language(o.Lang).Or(cfg.Addressed())
	subject, name, err := subjectOf(cfg, words)
	if err != nil {
		return err
	}
	if subject == "policy" {
		return printPolicy(u, cfg, name)
	}

	s, err := site.Open(ctx, cfg, l, o.Site)
	if err != nil {
		return err
	}

	p, err := s.Plan(ctx)
	if err != nil {
		return err
	}

	switch subject {
	case "ptr":
		return pointers(ctx, u, p, o)
	case "zone":
		return printZone(u, p, name, o)
	}

	printPending(u, p)
	return nil
}

// subjectOf reads what is requested.
func subjectOf(cfg *config.Config, words []string) (subject, name string, err error) {
	if len(words) > 0 {
		subject = words[0]
	}

	if len(words) > 1 {
		name = words[1]
	}

	switch {
	case subject == "" || subject == "ptr" && name == "" || subject == "zone" && name != "" ||
		subject == "policy" && name != "":
		return subject, name, nil
	case subject == "zone":
		return "", "", fmt.Errorf("request zone needs a zone; the config has %s",
			strings.Join(zoneNames(cfg), ", "))
	case subject == "policy":
		return "", "", fmt.Errorf("request policy needs a domain")
	}

	return "", "", fmt.Errorf("%q is not a request, want ptr, zone NAME or policy DOMAIN",
		strings.Join(words, " "))
}

func zoneNames(cfg *config.Config) (names []string) {
	for _, z := range cfg.Zones {
		names = append(names, z.Name)
	}
	return names
}

// printPending lists what only other people can do.
func printPending(u *term.UI, p *site.Plan) {
	open := map[plan.Target][]plan.Change{}
	for _, c := range p.Changes {
		if c.Action == plan.Manual {
			open[c.Target] = append(open[c.Target], c)
		}
	}

	for _, party := range p.Parties {
		changes := open[party.Target]
		if len(changes) == 0 {
			continue
		}

		command := ""
		switch party.Target.Kind {
		case mail.TargetReverse:
			command = "mailpub request ptr"
		case plan.TargetZone:
			command = "mailpub request zone " + party.Target.Name
		case mail.TargetWeb:
			command = "mailpub request policy " +
				strings.TrimPrefix(changes[0].Key.Name, "mta-sts.")
		}

		fmt.Fprintf(u.Out, "%s  %s\n", u.Bold(u.Language.Text(party.Target.String())),
			u.Dim(command))

		term.ShowChanges(u, changes)
		fmt.Fprintln(u.Out)
	}

	if len(open) == 0 {
		fmt.Fprintln(u.Out, u.Language.Text("No pending requests."))
	}
}

// printPolicy prints a policy as it has to be served. RFC 8461 section 3.2 allows either
// line end.
func printPolicy(u *term.UI, cfg *config.Config, domain string) error {
	for _, d := range cfg.PlanSite().Domains {
		if d.Name != mail.FQDN(domain) {
			continue
		}

		policy := d.Policy()
		if policy == nil {
			return fmt.Errorf("%s has no MTA-STS policy in the config (domains: mta_sts: mode:)", domain)
		}

		_, err := fmt.Fprintln(u.Out, strings.Join(policy, "\n"))
		return err
	}

	return fmt.Errorf("%q is not one of the domains in the config", domain)
}

// ptrRequest is a PTR to ask for.
type ptrRequest struct{ Address, Name string }

// pointers prints the letter to whoever holds the reverse names. One that is as it should be is not
// asked for.
func pointers(ctx context.Context, u *term.UI, p *site.Plan, o Options) error {
	s := p.Site
	open := map[string]bool{}
	for _, c := range p.Changes {
		open[c.Key.Name] = true
	}

	letter := struct {
		Host     string
		Pointers []ptrRequest
		Resolves bool
	}{Host: strings.TrimSuffix(s.Spec().Host, ".")}

	published, err := s.HostAddresses(ctx)
	letter.Resolves = err == nil
	for _, addr := range s.Spec().Public {
		name := mail.ReverseName(addr)
		if !o.All && !open[mail.DNSKey(name, "PTR").Name] {
			continue
		}

		if end := s.Spec().Pointers[addr.Unmap()]; end != "" {
			name = end
		}

		letter.Pointers = append(letter.Pointers, ptrRequest{addr.String(), name})
		letter.Resolves = letter.Resolves && slices.Contains(published, addr)
	}

	if len(letter.Pointers) == 0 {
		fmt.Fprintln(u.Err, u.Language.Text("No request needed: every PTR is correct (--all prints the letter anyway)."))
		return nil
	}

	return writeLetter(u, "ptr", letter)
}

func writeLetter(u *term.UI, subject string, data any) error {
	t, err := template.ParseFS(letters, fmt.Sprintf("letters/%s.%s.txt", subject, u.Language))
	if err != nil {
		return err
	}
	return t.Execute(u.Out, data)
}
