package main

import (
	"context"
	"embed"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/template"

	"github.com/spf13/cobra"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// letters are the texts of what is asked of other people, by subject and language.
//
//go:embed letters/*.txt
var letters embed.FS

var (
	languages = []string{"en", "it"}
	forms     = []string{"letter", "table", "zone"}
)

// request is what the command line asks for.
type request struct {
	lang, form string
	all        bool
}

func (a *app) requestCommand() *cobra.Command {
	var r request
	cmd := &cobra.Command{
		Use:   "request [ptr | zone NAME | policy DOMAIN]",
		Short: "what to ask of others, as a letter one could send",
		Long: `What mailpub can't do itself, somebody else has to. This prints it in a form to hand on:

  request             what is open, and whose it is
  request ptr         a letter to the provider of the connection: the PTR of the
                      public address
  request zone NAME   the records of a zone that are not there yet, for whoever runs it:
                      a letter, a table or the lines of a zone file
  request policy DOMAIN
                      the MTA-STS policy, as a web server has to serve it

Whether it has been done, "mailpub plan" and "mailpub verify" see over DNS.`,
		Example: `  mailpub request ptr --lang it
  mailpub request zone nomeazienda.it --form zone
  mailpub request policy nomeazienda.it >mta-sts.txt`,
		Args: cobra.MaximumNArgs(2),
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			return completeRequest(args), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if !slices.Contains(languages, r.lang) {
				return fmt.Errorf("--lang is %q, want %s", r.lang, strings.Join(languages, " or "))
			}
			if !slices.Contains(forms, r.form) {
				return fmt.Errorf("--form is %q, want one of %s", r.form, strings.Join(forms, ", "))
			}
			return a.request(cmd.Context(), r, args)
		},
	}
	cmd.Flags().StringVar(&r.lang, "lang", systemLanguage(), "`LANGUAGE` of a letter: en or it")
	cmd.Flags().StringVar(&r.form, "form", "letter", "`FORM` of a zone's records: letter, table or zone")
	cmd.Flags().BoolVar(&r.all, "all", false, "also what is there already")
	for name, words := range map[string][]string{"lang": languages, "form": forms} {
		if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(words, cobra.ShellCompDirectiveNoFileComp)); err != nil {
			panic(err) // the flags are defined above
		}
	}
	return cmd
}

// systemLanguage is the language of the session, where there are letters in it.
func systemLanguage() string {
	for _, v := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		if s := os.Getenv(v); s != "" {
			if lang, _, _ := strings.Cut(s, "_"); slices.Contains(languages, lang) {
				return lang
			}
			break
		}
	}
	return "en"
}

func completeRequest(args []string) []cobra.Completion {
	if len(args) == 0 {
		return []cobra.Completion{
			cobra.CompletionWithDesc("ptr", "a letter to the provider of the connection"),
			cobra.CompletionWithDesc("zone", "the records of a zone"),
			cobra.CompletionWithDesc("policy", "the MTA-STS policy of a domain"),
		}
	}
	return nil
}

func (a *app) request(ctx context.Context, r request, args []string) error {
	cfg, l, err := a.site()
	if err != nil {
		return err
	}
	what, name := "", ""
	if len(args) > 0 {
		what = args[0]
	}
	if len(args) > 1 {
		name = args[1]
	}
	switch {
	case what == "policy" && name != "":
		return a.requestPolicy(cfg, name)
	case what == "" || what == "ptr" && name == "" || what == "zone" && name != "":
	case what == "zone":
		return fmt.Errorf("request zone which? The config has %s", strings.Join(zoneNames(cfg), ", "))
	case what == "policy":
		return fmt.Errorf("request policy of which domain?")
	default:
		return fmt.Errorf("%q can't be requested, want ptr, zone NAME or policy DOMAIN", strings.Join(args, " "))
	}
	w, p, err := a.plan(ctx, cfg, l)
	if err != nil {
		return err
	}
	switch what {
	case "ptr":
		return a.requestPointers(ctx, w, p, r)
	case "zone":
		return a.requestZone(w, p, name, r)
	}
	a.openRequests(w, p)
	return nil
}

func zoneNames(cfg *config.Config) (names []string) {
	for _, z := range cfg.Zones {
		names = append(names, z.Name)
	}
	return names
}

// openRequests lists what only other people can do.
func (a *app) openRequests(w *world, p *plan.Plan) {
	open := map[plan.Target][]plan.Change{}
	for _, c := range p.Changes {
		if c.Action == plan.Manual {
			open[c.Target] = append(open[c.Target], c)
		}
	}
	for _, t := range w.targets() {
		changes := open[t]
		if len(changes) == 0 {
			continue
		}
		command := ""
		switch t.Kind {
		case mail.TargetReverse:
			command = "mailpub request ptr"
		case plan.TargetZone:
			command = "mailpub request zone " + t.Name
		case mail.TargetWeb:
			command = "mailpub request policy " + strings.TrimPrefix(changes[0].Key.Name, "mta-sts.")
		}
		fmt.Fprintf(a.out, "%s  %s\n", a.look.bold(t.String()), a.look.dim(command))
		a.showChanges(a.out, changes)
		fmt.Fprintln(a.out)
	}
	if len(open) == 0 {
		fmt.Fprintln(a.out, "Nothing to ask of anybody.")
	}
}

// requestPolicy prints a policy as it has to be served. RFC 8461 section 3.2 allows either
// line end.
func (a *app) requestPolicy(cfg *config.Config, domain string) error {
	for _, d := range cfg.PlanSite().Domains {
		if d.Name != mail.FQDN(domain) {
			continue
		}
		policy := d.Policy()
		if policy == nil {
			return fmt.Errorf("%s has no MTA-STS policy in the config (domains: mta_sts: mode:)", domain)
		}
		_, err := fmt.Fprintln(a.out, strings.Join(policy, "\n"))
		return err
	}
	return fmt.Errorf("%q is not one of the domains in the config", domain)
}

// pointer is a PTR to ask for.
type pointer struct{ Address, Name string }

// requestPointers prints a letter to whoever holds the reverse names. One that is as it should be is
// not asked for.
func (a *app) requestPointers(ctx context.Context, w *world, p *plan.Plan, r request) error {
	letter := struct {
		Host     string
		Pointers []pointer
		Resolves bool
	}{Host: strings.TrimSuffix(w.site.Host, ".")}
	published, err := w.resolver.Addresses(ctx, w.site.Host)
	letter.Resolves = err == nil
	open := map[string]bool{}
	for _, c := range p.Changes {
		open[c.Key.Name] = true
	}
	for _, addr := range w.site.Public {
		name := mail.ReverseName(addr)
		if !r.all && !open[mail.DNSKey(name, "PTR").Name] {
			continue
		}
		if end := w.site.Pointers[addr.Unmap()]; end != "" {
			name = end
		}
		letter.Pointers = append(letter.Pointers, pointer{addr.String(), name})
		letter.Resolves = letter.Resolves && slices.Contains(published, addr)
	}
	if len(letter.Pointers) == 0 {
		fmt.Fprintln(a.err, "Nothing to ask for: every PTR is as it should be (--all prints the letter anyway).")
		return nil
	}
	return a.writeLetter("ptr", r.lang, letter)
}

func (a *app) writeLetter(subject, lang string, data any) error {
	t, err := template.ParseFS(letters, "letters/"+subject+"."+lang+".txt")
	if err != nil {
		return err
	}
	return t.Execute(a.out, data)
}

// requestZone prints the records that a zone lacks, in the form that was asked for.
func (a *app) requestZone(w *world, p *plan.Plan, zone string, r request) error {
	i := slices.IndexFunc(w.cfg.Zones, func(z config.Zone) bool { return mail.FQDN(z.Name) == mail.FQDN(zone) })
	if i < 0 {
		return fmt.Errorf("%q is not one of the zones in the config, want %s", zone, strings.Join(zoneNames(w.cfg), " or "))
	}
	z := w.cfg.Zones[i]
	asked, err := zoneRecords(w, p, z, r.all)
	if err != nil {
		return err
	}
	if len(asked.lines) == 0 {
		fmt.Fprintf(a.err, "Nothing to ask for: zone %s has all that it should (--all prints it anyway).\n", z.Name)
		return nil
	}
	switch r.form {
	case "zone":
		_, err = fmt.Fprintln(a.out, strings.Join(asked.lines, "\n"))
		return err
	case "table":
		return table(a.out, asked.rows)
	}
	return a.writeLetter("zone", r.lang, map[string]any{
		"Zone": z.Name, "Host": strings.TrimSuffix(w.site.Host, "."), "Lines": asked.lines, "Removed": asked.removed,
	})
}

// asked are the records of a zone, in the forms that they are printed in.
type asked struct {
	lines, removed []string
	rows           [][]string
}

// zoneRecords returns the records that the zone should have and does not; all of them if all
// is set.
func zoneRecords(w *world, p *plan.Plan, z config.Zone, all bool) (out asked, err error) {
	add := func(k plan.Key, lines []string) error {
		name, rrtype, _, err := mail.SplitDNSKey(k)
		if err != nil {
			return err
		}
		file, err := record.ZoneFile(k, lines, z.TTL)
		if err != nil {
			return err
		}
		out.lines = append(out.lines, file...)
		for _, l := range lines {
			data, _ := mail.SplitRecordLine(l)
			out.rows = append(out.rows, []string{name, rrtype, plan.Spell(z.TTL), data})
		}
		return nil
	}
	differs := map[plan.Key]plan.Change{}
	for _, c := range p.Changes {
		differs[c.Key] = c
	}
	i := slices.IndexFunc(w.parties, func(p plan.Party) bool { return p.Target == mail.ZoneTarget(z.Name) })
	for _, it := range w.parties[i].Wanted {
		c, open := differs[it.Key]
		if !open && !all || it.Lines == nil {
			continue
		}
		lines := it.Lines
		if open && c.After != nil {
			lines = c.After
		}
		if err := add(it.Key, lines); err != nil {
			continue // a key that is not known yet: no record
		}
		if open && c.Before != nil {
			removed, err := record.ZoneFile(it.Key, c.Before, z.TTL)
			if err != nil {
				return out, err
			}
			out.removed = append(out.removed, removed...)
		}
	}
	return out, nil
}

// table prints rows in columns.
func table(w io.Writer, rows [][]string) error {
	widths := make([]int, 0, 4)
	rows = append([][]string{{"name", "type", "ttl", "value"}}, rows...)
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, r := range rows {
		line := ""
		for i, cell := range r {
			line += pad(cell, widths[i]) + "  "
		}
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " ")); err != nil {
			return err
		}
	}
	return nil
}
