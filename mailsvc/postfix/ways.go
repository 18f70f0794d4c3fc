package postfix

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/mailpub/mailpub/mailsvc/command"
)

// routingView is what decides where mail goes: the settings in force, and the addresses of our own table as
// they are, or as they are to be.
type routingView struct {
	in   map[string]string // settings, with variables expanded
	own  string            // our table
	rows map[string]string
}

func newRoutingView(s *state) routingView {
	return routingView{in: s.effective, own: s.table, rows: s.addresses}
}

// localNames are the names whose way is looked at: those that write to nobody in particular, as cron
// does, and the accounts of some people. No domain is theirs but the one that myorigin gives them.
func localNames() []string {
	names := []string{"root", "postmaster", "abuse"}
	all := personalAccounts()
	return append(names, all[:min(len(all), 3)]...)
}

// lookups are answers of tables, kept while nothing is written.
type lookups struct {
	d     *Driver
	known map[[2]string]string // by table and key; "" is no
}

func (d *Driver) newLookups() *lookups { return &lookups{d, map[[2]string]string{}} }

// fetch asks a table for several keys at once. What comes of it is of use where it succeeds.
func (l *lookups) fetch(ctx context.Context, table string, keys []string) {
	keys = slices.DeleteFunc(slices.Clone(keys), func(k string) bool {
		_, asked := l.known[[2]string{table, k}]
		return asked
	})

	if len(keys) == 0 {
		return
	}

	out, err := l.d.runWith(ctx, strings.Join(keys, "\n")+"\n", "postmap", "-c", l.d.Dir, "-q",
		"-", strings.TrimPrefix(table, "proxy:"))

	if err != nil && !command.SilentNo(err) {
		return
	}

	for _, k := range keys {
		l.known[[2]string{table, k}] = ""
	}

	for line := range strings.Lines(out) {
		if key, value, ok := strings.Cut(strings.TrimRight(line, "\n"), "\t"); ok {
			l.known[[2]string{table, key}] = strings.TrimSpace(value)
		}
	}
}

func (l *lookups) get(ctx context.Context, table, key string) (string, error) {
	at := [2]string{table, key}
	if to, asked := l.known[at]; asked {
		return to, nil
	}

	to, err := l.d.query(ctx, table, key)
	if err == nil {
		l.known[at] = to
	}

	return to, err
}

// routes tells where mail for names without a domain goes.
func (l *lookups) routes(ctx context.Context, v routingView) (map[string]string, error) {
	origin := v.in["myorigin"]
	if strings.HasPrefix(origin, "/") { // as Debian has it
		text, err := os.ReadFile(origin)
		if err != nil {
			return nil, err
		}
		origin, _, _ = strings.Cut(strings.TrimSpace(string(text)), "\n")
	}

	origin = strings.ToLower(strings.TrimSpace(origin))
	l.prefetch(ctx, v, origin)
	all := map[string]string{}

	for _, name := range localNames() {
		f := addressResolver{
			lookups: l,
			view:    v,
			origin:  origin,
			seen:    map[string]bool{},
		}

		ends, err := f.follow(ctx, name, 0)
		if err != nil {
			return nil, fmt.Errorf("where mail for %s goes cannot be determined: %w", name, err)
		}

		slices.Sort(ends)
		all[name] = strings.Join(slices.Compact(ends), " and ")
	}

	return all, nil
}

// prefetch asks each table once for the names.
func (l *lookups) prefetch(ctx context.Context, v routingView, origin string) {
	keys := []string{origin, "@" + origin}
	for _, name := range localNames() {
		keys = append(keys, name, name+"@"+origin)
	}

	asked := map[string]bool{}
	for _, class := range []string{"virtual_alias_maps", "virtual_alias_domains",
		"virtual_mailbox_domains", "relay_domains", "mydestination", "alias_maps",
		"local_recipient_maps"} {
		for _, t := range elements(v.in[class]) {
			if strings.Contains(t, ":") && !strings.HasPrefix(t, "[") && t != v.own &&
				!asked[t] {
				asked[t] = true
				l.fetch(ctx, t, keys)
			}
		}
	}
}

// Where a way ends.
const (
	bounces    = "nowhere: it bounces"
	inMailbox  = "the mailbox of "
	passedOn   = "the server of "
	toProgram  = "a program or file"
	isEndless  = "itself, in a circle"
	longestWay = 10
)

// isDiscarded reports whether mail that goes this way is lost.
func isDiscarded(way string) bool {
	return strings.Contains(way, bounces) || strings.Contains(way, isEndless)
}

// addressResolver follows an address as Postfix does (cleanup(8), virtual(5), local(8)).
type addressResolver struct {
	*lookups
	view   routingView
	origin string
	seen   map[string]bool
}

func (f *addressResolver) follow(ctx context.Context, address string, depth int) ([]string, error) {
	if depth > longestWay {
		return []string{isEndless}, nil
	}

	switch {
	case strings.HasPrefix(address, "/") && strings.HasSuffix(address, "/"): // a Maildir
		return []string{inMailbox + address}, nil
	case strings.HasPrefix(address, "|"), strings.HasPrefix(address,
		"/"), strings.HasPrefix(address, ":include:"), strings.HasPrefix(address, "\"|"):
		return []string{toProgram}, nil
	case !strings.Contains(address, "@"):
		address += "@" + f.origin
	}

	address = strings.ToLower(strings.TrimPrefix(address, "\\"))
	at := strings.LastIndex(address, "@")
	local := address[:at]
	domain := address[at+1:]

	if f.seen[address] {
		return nil, nil // an alias that names itself means the mailbox, which was found already
	}

	f.seen[address] = true
	is, err := f.class(ctx, domain)
	if err != nil {
		return nil, err
	}

	keys := []string{address}
	if is == "mydestination" || domain == f.origin {
		keys = append(keys, local)
	}

	to, err := f.find(ctx, "virtual_alias_maps", append(keys, "@"+domain))
	if err != nil {
		return nil, err
	}
	if to != "" && !slices.Contains(elements(strings.ToLower(to)), address) {
		return f.all(ctx, to, depth)
	}

	switch is {
	case "mydestination":
		return f.local(ctx, local, depth)
	case "virtual_alias_domains":
		return []string{bounces}, nil
	case "virtual_mailbox_domains":
		if len(elements(f.view.in["virtual_mailbox_maps"])) == 0 {
			return []string{inMailbox + address}, nil
		}

		found, err := f.find(ctx, "virtual_mailbox_maps", []string{address, "@" + domain})
		if found == "" {
			return []string{bounces}, err
		}

		return []string{inMailbox + address}, err
	}

	return []string{passedOn + domain}, nil
}

// all follows every destination of an alias.
func (f *addressResolver) all(ctx context.Context, to string, depth int) (ends []string, err error) {
	for _, e := range strings.Split(to, ",") {
		more, err := f.follow(ctx, strings.TrimSpace(e), depth+1)
		if err != nil {
			return nil, err
		}
		ends = append(ends, more...)
	}

	return ends, nil
}

// local is what local(8) does with a name, or whoever delivers in its place.
func (f *addressResolver) local(ctx context.Context, name string, depth int) ([]string, error) {
	transport, _, _ := strings.Cut(f.view.in["local_transport"], ":")
	if transport != "" && transport != "local" {
		return []string{inMailbox + name}, nil
	}

	to, err := f.find(ctx, "alias_maps", []string{name})
	if err != nil {
		return nil, err
	}

	if to != "" {
		ends, err := f.all(ctx, to, depth)
		if len(ends) == 0 && err == nil { // it names itself
			ends = []string{inMailbox + name}
		}
		return ends, err
	}

	if maps := elements(f.view.in["local_recipient_maps"]); len(maps) > 0 {
		found, err := f.find(ctx, "local_recipient_maps", []string{name})
		if found == "" || err != nil {
			return []string{bounces}, err
		}
	}

	return []string{inMailbox + name}, nil
}

// class returns the class of domains that serves one; "" where none does.
func (f *addressResolver) class(ctx context.Context, domain string) (string, error) {
	for _, class := range []string{"mydestination", "virtual_alias_domains",
		"virtual_mailbox_domains", "relay_domains"} {
		for _, e := range elements(f.view.in[class]) {
			if e == f.view.own { // virtual_alias_domains is virtual_alias_maps by default
				if f.view.rows[domain] != "" {
					return class, nil
				}
				continue
			}

			in := strings.EqualFold(e, domain)
			var err error
			switch {
			case in:
			case strings.Contains(e, ":") && !strings.HasPrefix(e, "["):
				to := ""
				to, err = f.get(ctx, e, domain)
				in = to != ""
			default:
				in, err = f.d.holds(ctx, e, domain)
			}

			if err != nil {
				return "", err
			}
			if in {
				return class, nil
			}
		}
	}

	return "", nil
}

// find returns what the tables of a setting have for the first of some keys that any of them knows.
func (f *addressResolver) find(ctx context.Context, name string, keys []string) (string, error) {
	for _, key := range keys {
		for _, t := range elements(f.view.in[name]) {
			if t == f.view.own {
				if to := f.view.rows[key]; to != "" {
					return to, nil
				}
				continue
			}

			to, err := f.get(ctx, t, key)
			if to != "" || err != nil {
				return to, err
			}
		}
	}

	return "", nil
}

// personalAccounts are the accounts of this machine that belong to a person: those with a home and a shell.
func personalAccounts() (names []string) {
	data, err := os.ReadFile("/etc/passwd")
	if err != nil {
		return nil
	}

	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSpace(line), ":")
		if len(f) == 7 && strings.HasPrefix(f[5], "/home/") &&
			!strings.HasSuffix(f[6], "nologin") && !strings.HasSuffix(f[6], "false") {
			names = append(names, f[0])
		}
	}

	return names
}
