package postfix

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/plan"
)

// Effects implements plan.Foreteller: where mail for names without a domain goes, who is trusted
// for an address, and where logins are taken, as far as that is otherwise than before.
func (d *Driver) Effects(ctx context.Context, changes []plan.Change) []string {
	s, err := d.load(ctx)
	if err != nil {
		return nil // which the plan says by itself
	}

	e, err := d.edit(s)
	if err != nil {
		return nil
	}

	writes := false
	for _, c := range changes {
		if !c.Writes() {
			continue
		}

		writes = true
		e.release = c.Release
		if d.set(e, c.Key, c.After) != nil {
			return nil
		}
	}

	if !writes {
		return nil
	}

	then, err := d.routingAfter(ctx, e)
	if err != nil {
		return []string{fmt.Sprintf("cannot predict the effects on mail without a domain: %v",
			err)}
	}

	return slices.Concat(d.newLookups().routeEffects(ctx, newRoutingView(s), then),
		trustEffects(s.effective, then.in), logins(s.effective, then.in))
}

// routingAfter is what decides where mail goes when an edit is done.
func (d *Driver) routingAfter(ctx context.Context, e *edit) (routingView, error) {
	in, err := d.settingsAfter(ctx, e)
	if err != nil {
		return routingView{}, err
	}

	rows := maps.Clone(e.s.addresses)
	for _, address := range e.rows {
		if to, there := e.table.get(address); there {
			rows[address] = destinations(to)
		} else {
			delete(rows, address)
		}
	}

	return routingView{in: in, own: e.s.table, rows: rows}, nil
}

// settingsAfter are the settings in force when an edit is done.
func (d *Driver) settingsAfter(ctx context.Context, e *edit) (map[string]string, error) {
	names := slices.Compact(slices.Sorted(slices.Values(e.names)))
	if len(names) == 0 {
		return e.s.effective, nil
	}

	printed, err := d.postconf(ctx, append([]string{"-d"}, names...)...)
	if err != nil {
		return nil, err
	}

	byDefault := settings(printed)
	args := []string{"-x"}
	for _, name := range names {
		value, there := e.settings.get(name)
		if !there {
			value = literal(byDefault[name])
		}
		args = append(args, "-o", name+"="+value)
	}

	out, err := d.postconf(ctx, append(args, needed...)...)
	return settings(out), err
}

// routeEffects names where mail goes that goes elsewhere than before.
func (l *lookups) routeEffects(ctx context.Context, now, then routingView) (effects []string) {
	was, err := l.routes(ctx, now)
	if err != nil {
		return []string{err.Error()}
	}

	is, err := l.routes(ctx, then)
	if err != nil {
		return []string{err.Error()}
	}

	for _, name := range slices.Sorted(maps.Keys(was)) {
		if was[name] != is[name] {
			effects = append(effects, fmt.Sprintf("mail for %s, written without a domain: now to %s, then to %s",
				name, was[name], is[name]))
		}
	}

	return effects
}

// trustEffects names the networks that may send anywhere without a login, and will not, and the reverse.
func trustEffects(now, then map[string]string) (effects []string) {
	beyond := func(a, b map[string]string) (list []string) {
		for _, e := range elements(a["mynetworks"]) {
			network, ok := networkOf(e)
			if ok && !slices.ContainsFunc(elements(b["mynetworks"]), func(o string) bool {
				return covers(o, network)
			}) {
				list = append(list, e)
			}
		}

		return list
	}

	if lost := beyond(now, then); len(lost) > 0 {
		effects = append(effects, fmt.Sprintf("from %s mail for anywhere is taken without a login now, and not then (service.networks keeps a network)",
			strings.Join(lost, ", ")))
	}

	if more := beyond(then, now); len(more) > 0 {
		effects = append(effects, fmt.Sprintf("from %s mail for anywhere is not taken without a login now, and is then",
			strings.Join(more, ", ")))
	}

	return effects
}

func logins(now, then map[string]string) []string {
	if now["smtpd_sasl_auth_enable"] != "yes" && then["smtpd_sasl_auth_enable"] == "yes" {
		return []string{"port 25 takes no logins now, and does then"}
	}
	return nil
}
