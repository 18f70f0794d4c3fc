package postfix

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// Inspect implements mailsvc.Inspector: not the files are read, but what the servers' own
// commands say is in force, with every default and variable filled in.
func (d *Driver) Inspect(ctx context.Context, needs []plan.Item) ([]mailsvc.Setting, error) {
	var out []mailsvc.Setting
	names := []string{"virtual_alias_maps", "queue_directory"}
	wanted := d.spell(needs)

	for _, it := range wanted {
		if domain, name := splitMain(it.Key.Name); strings.HasPrefix(it.Key.Name, inMain) &&
			domain == "" {
			names = append(names, name)
		}
	}

	printed, err := d.postconf(ctx, append([]string{"-x"}, names...)...)
	if err != nil {
		return nil, err
	}

	inForce := settings(printed)
	state, err := d.load(ctx)
	if err != nil {
		return nil, err
	}

	for _, it := range wanted {
		if it.ByHand == "" {
			s := mailsvc.Setting{Need: it.need, Subject: it.Key.Name, Want: it.Lines[0]}
			if it.Key.Name == dovecotKey {
				s.Got, s.Good, s.Unknown = state.loginSocket(inForce["queue_directory"])
			} else {
				s.Got, s.Good = d.inForce(ctx, state, inForce, it.Item)
			}

			out = append(out, s)
		}
	}

	return append(out, d.outboundRoutes(ctx, state, wanted)...), ctx.Err()
}

// loginSocket sees whether somebody listens where Postfix asks for logins: at our socket, or at that which
// the administrator has. One in another place than a file of the queue can't be seen from here.
func (s *state) loginSocket(queue string) (got string, good, unknown bool) {
	got, good, unknown = listening(filepath.Join(queue, socket))
	other := s.asksElsewhere()
	switch {
	case good, other == "":
		return got, good, unknown
	case strings.Contains(other, ":"), strings.HasPrefix(other, "/"):
		return other, false, true
	}

	_, good, unknown = listening(filepath.Join(queue, other))
	return other, good, unknown
}

// outboundRoutes sees whether mail for elsewhere goes where the site's delivery says, whatever relayhost has: by a
// table of transports, or by the sender (transport(5), postconf(5)). Nothing is said of what has no say.
func (d *Driver) outboundRoutes(ctx context.Context, s *state, wanted []setting) (out []mailsvc.Setting) {
	hop := ""
	relay := slices.IndexFunc(wanted, func(w setting) bool {
		return w.need == mail.NeedDelivery && w.Key.Name == inMain+" relayhost"
	})

	if relay < 0 {
		return nil
	}

	if text := wanted[relay].Lines[0]; text != empty {
		hop = text
	}

	const foreign = "relay-test.invalid"
	keys := map[string][]string{"transport_maps": {"mailpub@" + foreign, foreign, "*"}}
	for _, name := range []string{"sender_dependent_relayhost_maps",
		"sender_dependent_default_transport_maps"} {
		for _, w := range wanted {
			if domain, setting := splitMain(w.Key.Name); setting == "mydestination" &&
				domain != "" {
				keys[name] = append(keys[name], "postmaster@"+domain, "@"+domain)
			}
		}
	}

	for _, name := range slices.Sorted(maps.Keys(keys)) {
		to, by, err := d.firstOf(ctx, elements(s.effective[name]), keys[name])
		one := mailsvc.Setting{
			Need:    mail.NeedDelivery,
			Subject: inMain + " " + name,
			Want:    "no route for mail to other domains",
		}

		if hop != "" {
			one.Want = hop + ", or nothing"
		}

		switch {
		case err != nil:
			one.Got = err.Error()
			one.Unknown = true
		case to == "" || isPlainTransport(to):
			continue
		default:
			one.Got = fmt.Sprintf("%s goes to %s", by, to)
			one.Good = hop != "" && strings.HasSuffix(to, hop)
		}

		out = append(out, one)
	}

	return out
}

// isPlainTransport reports whether a transport leaves the way to the recipient's own server.
func isPlainTransport(to string) bool {
	service, hop, _ := strings.Cut(to, ":")
	return hop == "" && (service == "" || service == "smtp" || service == "relay") ||
		to == "DUNNO"
}

// firstOf returns what tables have for the first key that any of them knows.
func (d *Driver) firstOf(ctx context.Context, tables, keys []string) (to, key string, err error) {
	for _, k := range keys {
		for _, t := range tables {
			to, err := d.query(ctx, t, k)
			if to != "" || err != nil {
				return to, k, err
			}
		}
	}

	return "", "", nil
}

// listening reports whether somebody made a socket at path. Postfix's queue is closed to all but
// root and its own users.
func listening(path string) (got string, good, unknown bool) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return err.Error(), false, true
	case err != nil || info.Mode()&fs.ModeSocket == 0:
		return "no socket " + path, false, false
	}

	return socket, true, false
}

// inForce compares one item.
func (d *Driver) inForce(ctx context.Context, s *state, all map[string]string, it plan.Item) (got string, good bool) {
	where, name, _ := strings.Cut(it.Key.Name, " ")
	switch {
	case where == mail.NeedHosts: // config.hosts compares it with DNS
		lines, unknown := d.readHosts(name)
		return strings.Join(lines, "") + unknown, plan.EqualLines(lines, it.Lines)
	case where == inTable:
		for _, t := range elements(all["virtual_alias_maps"]) {
			to, err := d.query(ctx, t, name)
			if err != nil {
				return err.Error(), false
			}
			if to != "" {
				return destinations(to), destinations(to) == it.Lines[0]
			}
		}

		return "in no table", false
	}

	domain, name := splitMain(it.Key.Name)
	if v, ok := s.override[name]; ok {
		return fmt.Sprintf("%s, by master.cf", v), false
	}

	if domain != "" {
		lines, unknown := d.readDomain(ctx, s, domain)
		if lines == nil && unknown == "" {
			unknown = "not served"
		}
		return strings.Join(lines, "") + unknown, lines != nil
	}

	got, ok := all[name]
	if !ok {
		return "this Postfix does not know it", false
	}

	if name == "local_recipient_maps" && !s.delivers() && !isSet(s.effective["luser_relay"]) {
		return got, true // who delivers knows the users; luser_relay takes those that nobody has
	}

	if text := s.metElsewhere(name); text != "" {
		got = text
	}

	if it.Merge != nil {
		return got, plan.EqualLines(it.Merge([]string{got}, nil, nil), []string{got})
	}

	return got, got == it.Lines[0]
}
