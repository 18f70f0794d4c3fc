package mdaemon

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/mdaemon/mdaemontest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
)

// driven is a driver of the stand-in by its files, its XML API, or both.
func driven(t *testing.T, s *mdaemontest.Server, files, api bool) *Driver {
	t.Helper()
	d := New(s.SMTP, "nomeazienda.it")
	d.Own = addr("10.10.10.10")

	if files {
		d.App = &App{Dir: s.App, Patience: 2 * time.Second}
	}

	if api {
		sum := sha256.Sum256(s.API.Certificate().Raw)
		d.Client = &Client{
			URL:         s.API.URL + "/MdMgmtWS/",
			User:        mdaemontest.User,
			Fingerprint: hex.EncodeToString(sum[:]),
			Password: func(context.Context) (string, error) {
				return mdaemontest.Password, nil
			},
		}

		help, err := ReadHelp(filepath.Join(s.Root, "Docs"))
		if err != nil {
			t.Fatal(err)
		}

		d.Help = help
	}

	d.Mailbox = "test"
	d.Password = func(context.Context) (string, error) { return "a-long-password", nil }
	return d
}

func service(name string, lines ...string) plan.Item {
	return plan.Item{Key: key(name), Lines: lines, Stage: plan.StageService}
}

// everything is all that is in the App folder.
func everything(t *testing.T, s *mdaemontest.Server) (all []string) {
	t.Helper()
	files, err := os.ReadDir(s.App)
	if err != nil {
		t.Fatal(err)
	}

	for _, f := range files {
		all = append(all, f.Name()+"\n"+s.File(f.Name()))
	}

	return all
}

// The driver passes the suite in both channels, and every octet is as it was when all is taken away.
func TestSuite(t *testing.T) {
	foreign := func(s *mdaemontest.Server) func(*testing.T, plan.Key, []string) {
		return func(t *testing.T, k plan.Key, lines []string) {
			_, address := mailsvc.SplitNeed(k)
			data, err := os.ReadFile(filepath.Join(s.App, aliasFile))
			if err != nil {
				t.Fatal(err)
			}

			a, err := parseAliases(data)
			if err != nil {
				t.Fatal(err)
			}

			a.set(address, strings.Join(lines, ""))
			if err := os.WriteFile(filepath.Join(s.App, aliasFile), a.bytes(),
				0o600); err != nil {
				t.Fatal(err)
			}
		}
	}

	for _, channel := range []struct {
		name       string
		files, api bool
	}{{"files", true, false}, {"XML API", false, true}, {"both", true, true}} {
		t.Run(channel.name, func(t *testing.T) {
			plantest.Run(t, func(t *testing.T) plantest.Harness {
				s := mdaemontest.Start(t)
				return plantest.Harness{
					Driver: driven(t, s, channel.files, channel.api),
					Items: []plan.Item{service("alias postmaster@nomeazienda.it",
						"mario@nomeazienda.it"),
						service("alias abuse@nomeazienda.it", "admin@nomeazienda.it")},
					Other:   []string{"admin@nomeazienda.it"},
					Foreign: foreign(s),
					Strangers: func(*testing.T) (others []string) {
						for _, line := range strings.Split(s.File(aliasFile), "\r\n") {
							if !strings.HasPrefix(line, "postmaster@") &&
								!strings.HasPrefix(line, "abuse@") {
								others = append(others, line)
							}
						}
						return append(others, s.File(mainFile), s.File(userFile))
					},
				}
			})
		})
	}
}

// needs are those of the site of this project, with a host that may send without a password.
func needs() []plan.Item {
	site := mail.Spec{
		Host:    "mail.nomeazienda.it.",
		Address: addr("10.10.10.10"),
		Domains: []mail.Domain{
			{Name: "nomeazienda.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}},
			{Name: "second.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}},
		},
		Service: mail.MailService{
			Aliases: []mail.Alias{{Address: "postmaster", To: "mario"},
				{Address: "abuse", To: "mario"}, {Address: "info@nomeazienda.it", To: "test"}},
			Networks: prefixes("192.168.1.50/32"),
		},
	}

	return site.ServiceItems()
}

// world plans and applies on a driver, with a ledger that is kept.
type world struct {
	d      *Driver
	ledger *plan.Ledger
}

func (w *world) parties(wanted []plan.Item) []plan.Party {
	return []plan.Party{{Target: plan.Target{Kind: "mail server"}, Driver: w.d, Wanted: wanted}}
}

func (w *world) plan(t *testing.T, wanted []plan.Item) *plan.Plan {
	t.Helper()
	p, err := plan.Make(t.Context(), w.parties(wanted), w.ledger, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

type keep struct{}

func (keep) Save(*plan.Ledger) error { return nil }

func (w *world) apply(t *testing.T, wanted []plan.Item) error {
	t.Helper()
	return plan.Apply(t.Context(), w.plan(t, wanted), w.parties(wanted), w.ledger, keep{},
		plan.Options{Adopt: true})
}

func changes(p *plan.Plan, actions ...plan.Action) (names []string) {
	for _, c := range p.Changes {
		if slices.Contains(actions, c.Action) {
			names = append(names, c.Action.Sign()+" "+c.Key.Name)
		}
	}
	slices.Sort(names)
	return names
}

// All that is known is planned, applied and seen, and goes without a trace.
func TestWhole(t *testing.T) {
	s := mdaemontest.Start(t)
	before := everything(t, s)
	w := &world{driven(t, s, true, true), plan.NewLedger("site")}
	wanted := w.d.Spell(needs())
	got := changes(w.plan(t, wanted), plan.Create, plan.Update, plan.Unreadable)
	want := []string{
		"+ alias abuse@nomeazienda.it", "+ alias abuse@second.it",
		"+ alias info@nomeazienda.it", "+ alias postmaster@nomeazienda.it",
		"+ alias postmaster@second.it",
		"+ domain second.it", "+ mailbox test", "+ shield nomeazienda.it",
		"+ trusted 192.168.1.50", "~ password-length",
	}

	if !slices.Equal(got, want) {
		t.Fatalf("the plan is\n%q, want\n%q", got, want)
	}

	if err := w.apply(t, wanted); err != nil {
		t.Fatal(err)
	}

	if again := changes(w.plan(t, wanted), plan.Create, plan.Update,
		plan.Unreadable); len(again) > 0 {
		t.Errorf("planned again: %q", again)
	}

	for file, line := range map[string]string{
		aliasFile:     "postmaster@second.it = mario@nomeazienda.it\r\n",
		trustedFile:   "192.168.1.50\r\n",
		shieldFile:    "nomeazienda.it\t10.10.10.10\r\n",
		mainFile:      "MinPasswordLength=10\r\nCompany=Societ\xe0 Esempio\r\n",
		"Domains.dat": "second.it\r\n",
	} {
		if !strings.Contains(s.File(file), line) {
			t.Errorf("%s lacks %q:\n%s", file, line, s.File(file))
		}
	}

	if taken := s.Taken(); !slices.Contains(taken, reloadAliases) ||
		!slices.Contains(taken, reloadAll) || !slices.Contains(taken, reloadTrusted) ||
		!slices.Contains(taken, reloadShield) {
		t.Errorf("taken: %q", taken)
	}

	if err := w.apply(t, nil); err != nil {
		t.Fatal(err)
	}

	if after := everything(t, s); !slices.Equal(before, after) {
		t.Errorf("after destroy\n%q\nbefore\n%q", after, before)
	}
}

// What a run was cut off in is ended by the next, wherever it was.
func TestCutOff(t *testing.T) {
	s := mdaemontest.Start(t)
	before := everything(t, s)
	wanted := []plan.Item{service("alias postmaster@nomeazienda.it", "mario@nomeazienda.it"),
		service("trusted 192.168.1.50", trusted)}

	for step := range 12 {
		w := &world{driven(t, s, true, false), plan.NewLedger("site")}
		ctx, cancel := context.WithCancelCause(t.Context())
		app := w.d.App
		app.interrupt = func(n int) {
			if n == step {
				panic("killed")
			}
		}

		died := func() (died bool) {
			defer func() { died = recover() != nil }()
			p := w.plan(t, wanted)
			plan.Apply(ctx, p, w.parties(wanted), w.ledger, keep{}, plan.Options{})
			return false
		}()

		cancel(nil)
		next := &world{driven(t, s, true, false), w.ledger}
		if err := next.apply(t, wanted); err != nil {
			t.Fatalf("step %d, killed %v: %v", step, died, err)
		}

		if !strings.Contains(s.File(aliasFile),
			"postmaster@nomeazienda.it = mario@nomeazienda.it") {
			t.Errorf("step %d: %q", step, s.File(aliasFile))
		}

		if p := next.plan(t, wanted); p.Differs() {
			t.Errorf("step %d: left %q", step,
				changes(p, plan.Create, plan.Update, plan.Delete))
		}

		if err := next.apply(t, nil); err != nil {
			t.Fatal(err)
		}

		if after := everything(t, s); !slices.Equal(before, after) {
			t.Errorf("step %d (killed %v): after destroy\n%q\nbefore\n%q", step, died, after,
				before)
		}
	}
}

// Each fault is said, and nothing is left half-written.
func TestDriverFaults(t *testing.T) {
	alias := service("alias postmaster@nomeazienda.it", "mario@nomeazienda.it")
	for _, c := range []struct {
		name, want string
		items      []plan.Item
		files, api bool
		spoil      func(t *testing.T, s *mdaemontest.Server)
		changed    bool // by somebody else
	}{
		{"MDaemon stopped", "did not take ALIAS.SEM within", []plan.Item{alias}, true, false,
			func(_ *testing.T, s *mdaemontest.Server) { s.Break(func(f *mdaemontest.Faults) { f.Stopped = true }) }, false},
		{"semaphores locked", "LOCKSEMS.SEM is in", []plan.Item{alias}, true, false,
			func(t *testing.T, s *mdaemontest.Server) { write(t, s, lockedSems, "") }, false},
		{"an open configuration session", "another program has overwritten", []plan.Item{alias}, true, false,
			func(_ *testing.T, s *mdaemontest.Server) {
				old := []byte(s.File(aliasFile))
				s.Break(func(f *mdaemontest.Faults) {
					f.Session = func(name string) []byte {
						if name == aliasFile {
							return old
						}
						return nil
					}
				})
			}, true},
		{"no effect", "has no effect", []plan.Item{service("setting hostname", "mail.nomeazienda.it")}, true, false,
			func(_ *testing.T, s *mdaemontest.Server) { s.Break(func(f *mdaemontest.Faults) { f.NoEffect = true }) }, false},
		{"aliases in an unknown layout", "the layout is not known", []plan.Item{alias}, true, false,
			func(t *testing.T, s *mdaemontest.Server) { write(t, s, aliasFile, "<aliases>\r\n  <alias/>\r\n") }, true},
		{"a section is missing", "has no section [StandIn]", []plan.Item{service("setting relaying", "Yes")}, true, false,
			func(t *testing.T, s *mdaemontest.Server) { write(t, s, mainFile, "[Special]\r\nA=1\r\n") }, true},
		{"an operation that this version refuses", "MDaemon refuses UpdateUser", []plan.Item{service("alias postmaster@nomeazienda.it", "nobody@nomeazienda.it")}, false, true,
			func(_ *testing.T, s *mdaemontest.Server) { s.Break(func(f *mdaemontest.Faults) { f.Localised = true }) }, false},
		{"an address that is not allowed", "Address Restrictions", []plan.Item{alias}, false, true,
			func(_ *testing.T, s *mdaemontest.Server) {
				s.Break(func(f *mdaemontest.Faults) { f.Refuse = func(string) int { return 403 } })
			}, false},
		{"an account that is not wanted away", "has accounts (admin, mario)", []plan.Item{}, false, true, nil, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := mdaemontest.Start(t)
			if c.spoil != nil {
				c.spoil(t, s)
			}

			d := driven(t, s, c.files, c.api)
			if d.App != nil {
				d.App.Patience = 300 * time.Millisecond
			}

			d.Dialect = learnt()
			before := everything(t, s)
			var batch []plan.Change

			for _, it := range c.items {
				now, err := d.read(t.Context(), it.Key)
				if err != nil {
					t.Fatal(err)
				}

				change := plan.Change{Key: it.Key, Action: plan.Create, After: it.Lines}
				if now != nil && now.Unreadable == "" {
					change.Action = plan.Update
					change.Before = now.Lines
				}

				batch = append(batch, change)
			}

			if len(batch) == 0 {
				batch = []plan.Change{{Key: key("domain nomeazienda.it"), Action: plan.Delete, Before: []string{mail.Served}}}
			}

			err := d.Apply(t.Context(), batch, func(plan.Change, error) {})
			if err == nil || !strings.Contains(err.Error(), c.want) ||
				strings.Contains(err.Error(), mdaemontest.Password) {
				t.Errorf("%v, want %q", err, c.want)
			}

			after := slices.DeleteFunc(everything(t, s), func(f string) bool {
				return strings.HasPrefix(f, unfinishedFile) ||
					c.changed && strings.Contains(f, durable.CopySuffix)
			})

			if !slices.Equal(before, after) {
				t.Errorf("after\n%q\nbefore\n%q", after, before)
			}
		})
	}
}

func write(t *testing.T, s *mdaemontest.Server, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(s.App, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// learnt is what a person would have let mailpub learn of the stand-in.
func learnt() *Dialect {
	at := func(key, on, off string) Placement {
		return Placement{mainFile, "StandIn", key, on, off}
	}

	return &Dialect{Version: mdaemontest.Version, Settings: map[string]Placement{
		"relaying":         at("NoRelay", "Yes", "No"),
		"known-senders":    at("MailMustExist", "Yes", "No"),
		"known-recipients": at("RcptMustExist", "Yes", "No"),
		"postmaster-login": at("PostmasterAuth", "Yes", "No"),
		"strong-passwords": at("StrongPasswords", "Yes", "No"),
		"direct-delivery":  at("Deliver", "0", "1"),
		"hostname":         at("FQDN", "", ""),
	}}
}

// With a dialect the settings are planned and applied like the rest, and SMTP shows them; of another
// version they are not known.
func TestDialect(t *testing.T) {
	s := mdaemontest.Start(t)
	before := everything(t, s)
	w := &world{driven(t, s, true, false), plan.NewLedger("site")}
	w.d.Dialect = learnt()
	wanted := w.d.Spell(needs())
	got := changes(w.plan(t, wanted), plan.Update)
	want := []string{"~ password-length", "~ setting direct-delivery", "~ setting hostname",
		"~ setting known-recipients", "~ setting known-senders",
		"~ setting postmaster-login", "~ setting relaying", "~ setting strong-passwords"}

	if !slices.Equal(got, want) {
		t.Fatalf("%q, want %q", got, want)
	}

	if err := w.apply(t, wanted); err != nil {
		t.Fatal(err)
	}

	seen, err := w.d.Manual.Read(t.Context(),
		[]plan.Key{key("hostname"), key("relaying"), key("recipients"), key("senders")})

	if err != nil || len(seen) != 4 {
		t.Errorf("%+v %v", seen, err)
	}

	if p := w.plan(t, wanted); len(changes(p, plan.Create, plan.Update, plan.Unreadable)) > 0 {
		t.Errorf("planned again: %q", changes(p, plan.Create, plan.Update, plan.Unreadable))
	}

	w.d.Dialect.Version = "25.5.2"
	p := w.plan(t, wanted)
	if got := changes(p, plan.Unreadable); len(got) != 7 ||
		!strings.Contains(p.Changes[len(p.Changes)-1].Reason+p.Changes[0].Reason,
			"was learnt on MDaemon 25.5.2") {
		t.Errorf("of another version: %q", got)
	}

	w.d.Dialect.Version = mdaemontest.Version
	if err := w.apply(t, nil); err != nil {
		t.Fatal(err)
	}

	if after := everything(t, s); !slices.Equal(before, after) {
		t.Errorf("after destroy\n%q\nbefore\n%q", after, before)
	}
}

// An XML API that does not answer is one thing that is not known.
func TestUnreachable(t *testing.T) {
	s := mdaemontest.Start(t)
	s.Break(func(f *mdaemontest.Faults) { f.Refuse = func(string) int { return 403 } })
	w := &world{driven(t, s, true, true), plan.NewLedger("site")}
	w.d.Help = nil // as on another machine
	w.d.Mailbox = ""
	p := w.plan(t, w.d.Spell(needs()))

	if got := changes(p, plan.Unreadable); !slices.Equal(got, []string{"? " + needAPI}) {
		t.Errorf("not known: %q", got)
	}
}
