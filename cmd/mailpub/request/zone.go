package request

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/term"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers/record"
)

// printZone prints the records that a zone lacks, in the form that was asked for.
func printZone(u *term.UI, p *site.Plan, name string, o Options) error {
	cfg := p.Site.Config()
	i := slices.IndexFunc(cfg.Zones, func(z config.Zone) bool {
		return mail.FQDN(z.Name) == mail.FQDN(name)
	})

	if i < 0 {
		return fmt.Errorf("%q is not one of the zones in the config, want %s", name,
			strings.Join(zoneNames(cfg), " or "))
	}

	z := cfg.Zones[i]
	asked, err := zoneRecords(p, z, o.All)
	if err != nil {
		return err
	}

	if len(asked.lines) == 0 {
		fmt.Fprintln(u.Err, u.Language.Text(
			fmt.Sprintf("No request needed: zone %s is complete (--all prints it anyway).",
				z.Name)))
		return nil
	}

	switch o.Form {
	case "zone":
		_, err = fmt.Fprintln(u.Out, strings.Join(asked.lines, "\n"))
		return err
	case "table":
		return table(u.Out, asked.rows)
	}

	return writeLetter(u, "zone", map[string]any{
		"Zone":    z.Name,
		"Host":    strings.TrimSuffix(p.Site.Spec().Host, "."),
		"Lines":   asked.lines,
		"Removed": asked.removed,
	})
}

// records are those of a zone, in the forms that they are printed in.
type records struct {
	lines, removed []string
	rows           [][]string
}

// zoneRecords returns the records that the zone should have and does not; all of them if all
// is set.
func zoneRecords(p *site.Plan, z config.Zone, all bool) (out records, err error) {
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
			out.rows = append(out.rows, []string{name, rrtype, plan.FormatDuration(z.TTL),
				data})
		}

		return nil
	}

	differs := map[plan.Key]plan.Change{}
	for _, c := range p.Changes {
		differs[c.Key] = c
	}

	wanted := p.Wanted(z.Name)
	for _, c := range p.Changes { // what has to be there so that the others take nothing away
		beside := !slices.ContainsFunc(wanted, func(it plan.Item) bool {
			return it.Key == c.Key
		})

		if c.Target != mail.ZoneTarget(z.Name) || c.Action != plan.Manual || !beside ||
			c.Key == mail.DNSKey(z.Name, "NS") {
			continue
		}
		if err := add(c.Key, c.After); err != nil {
			return out, err
		}
	}

	for _, it := range wanted {
		c, open := differs[it.Key]
		if !open && !all || it.Lines == nil || slices.Contains(p.Unmade, it.Key) { // a key that is yet to be made has no record
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
	t := term.NewTable(w)
	for _, r := range append([][]string{{"name", "type", "ttl", "value"}}, rows...) {
		if _, err := fmt.Fprintln(t, strings.Join(r, "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}
