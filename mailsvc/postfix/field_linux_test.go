package postfix

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
)

// installed is a real Postfix with its Dovecot at 10.10.10.10, configured as people do.
type installed struct {
	*lab.MailServer
	lab    *lab.Lab
	driver *Driver
	ledger *plan.Ledger
}

// Save implements plan.Store: the ledger is in memory.
func (*installed) Save(*plan.Ledger) error { return nil }

// set writes settings of main.cf.
func (i *installed) set(t *testing.T, settings ...string) {
	t.Helper()
	i.postconf(t, append([]string{"-e"}, settings...)...)
}

func (i *installed) postconf(t *testing.T, args ...string) {
	t.Helper()
	if _, err := i.driver.postconf(t.Context(), args...); err != nil {
		t.Fatal(err)
	}
}

func (i *installed) write(t *testing.T, name, text string, index ...string) {
	t.Helper()
	path := filepath.Join(i.Postfix, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}

	for _, kind := range index {
		if _, err := i.driver.run(t.Context(), "postmap", "-c", i.Postfix,
			kind+":"+path); err != nil {
			t.Fatal(err)
		}
	}
}

// siteNeeds are what the site of these tests needs of its server.
func siteNeeds() []plan.Item {
	spec := mail.Spec{
		Host:    "mail.nomeazienda.it.",
		Address: netip.MustParseAddr("10.10.10.10"),
		Domains: []mail.Domain{{Name: "nomeazienda.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}}},
		Service: mail.MailService{Aliases: []mail.Alias{{Address: "postmaster", To: "mario"},
			{Address: "abuse", To: "mario"}}},
	}

	return spec.ServiceItems()
}

// plan plans the site, or with wanted false that it goes.
func (i *installed) plan(t *testing.T, wanted bool) (*plan.Plan, []plan.Party) {
	t.Helper()
	party := plan.Party{Target: plan.Target{Kind: mail.TargetService}, Driver: i.driver}
	if wanted {
		for _, it := range i.driver.Spell(siteNeeds()) {
			if it.ByHand == "" {
				party.Wanted = append(party.Wanted, it)
			}
		}
	}

	p, err := plan.Make(t.Context(), []plan.Party{party}, i.ledger, time.Now())
	if err != nil {
		t.Fatal(err)
	}

	return p, []plan.Party{party}
}

func (i *installed) apply(t *testing.T, wanted, adopt bool) error {
	t.Helper()
	p, parties := i.plan(t, wanted)
	return plan.Apply(t.Context(), p, parties, i.ledger, i, plan.Options{Adopt: adopt})
}

// fieldCase is a configuration that people run, reduced to what matters.
type fieldCase struct {
	name  string
	setup func(*testing.T, *installed)

	accepted []string // recipients that are accepted before, and after
	keeps    []string // settings that stay as they are
	refuses  string   // what the error of apply says; "" where it succeeds
	arrives  bool     // a message for mario@nomeazienda.it does
}

func fieldCases() []fieldCase {
	const mario, anna = "mario@nomeazienda.it", "anna@nomeazienda.it"
	return []fieldCase{
		{
			name: "virtual alias domain, accounts of the system",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "virtual", "mario@nomeazienda.it mario\n", "hash")
				i.set(t, "virtual_alias_domains=nomeazienda.it", "virtual_alias_maps=hash:"+i.Postfix+"/virtual")
			},
			accepted: []string{mario},
			keeps:    []string{"myorigin", "virtual_alias_domains"},
			arrives:  true,
		},
		{
			name: "gateway before another server",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "transport", "nomeazienda.it smtp:[10.10.10.99]:25\nb.it smtp:[10.10.10.99]:25\n", "hash")
				i.set(t, "relay_domains=nomeazienda.it, b.it", "mydestination=", "local_recipient_maps=", "transport_maps=hash:"+i.Postfix+"/transport")
			},
			accepted: []string{mario, anna, "somebody@b.it"},
			keeps:    []string{"relay_domains", "local_recipient_maps", "mydestination"},
		},
		{
			name: "texthash for addresses",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "virtual", "info@nomeazienda.it mario\n")
				i.set(t, "virtual_alias_maps=texthash:"+i.Postfix+"/virtual", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario, "info@nomeazienda.it"},
			arrives:  true,
		},
		{
			name: "a forgotten table beside a pattern",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "virtual", "colleague@nomeazienda.it elsewhere@example.org\n@nomeazienda.it mario\n")
				i.write(t, "patterns", "/^info@nomeazienda\\.it$/ mario\n")
				i.set(t, "virtual_alias_maps=regexp:"+i.Postfix+"/patterns", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario, "info@nomeazienda.it"},
			arrives:  true,
		},
		{
			name: "login maps that other rules ask",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "owners", "direzione@nomeazienda.it anna\n", "hash")
				i.set(t, "smtpd_sender_login_maps=hash:"+i.Postfix+"/owners", "mydestination=$myhostname, nomeazienda.it")
				i.submission(t, "smtpd_sender_restrictions=reject_known_sender_login_mismatch")
			},
			accepted: []string{mario},
			keeps:    []string{"smtpd_sender_login_maps", "smtpd_sasl_auth_enable"},
		},
		{
			name: "every address its own login",
			setup: func(t *testing.T, i *installed) {
				i.write(t, "owners", "/^(.*)$/ ${1}\n")
				i.set(t, "smtpd_sender_login_maps=regexp:"+i.Postfix+"/owners", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
			keeps:    []string{"smtpd_sender_login_maps"},
			arrives:  true,
		},
		{
			name: "Dovecot knows the users",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "local_transport=lmtp:unix:private/dovecot-lmtp", "local_recipient_maps=", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario, anna},
			keeps:    []string{"local_recipient_maps", "local_transport"},
		},
		{
			name: "ownership before everything else",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "smtpd_sender_restrictions=reject_authenticated_sender_login_mismatch", "mydestination=$myhostname, nomeazienda.it",
					"smtpd_recipient_restrictions=reject_unknown_recipient_domain, permit_mynetworks")
			},
			accepted: []string{mario},
			arrives:  true,
		},
		{
			name: "Dovecot in one file",
			setup: func(t *testing.T, i *installed) {
				if _, err := command.Execute(t.Context(), "", "install", "-d", "-o", "postfix", "-m", "700", i.Root+"/spool/private"); err != nil {
					t.Fatal(err)
				}

				conf, err := os.ReadFile(i.Dovecot)
				if err != nil {
					t.Fatal(err)
				}

				alone := strings.ReplaceAll(string(conf), "!include conf.d/*.conf", "service auth {\n  unix_listener "+i.Root+"/spool/private/dovecot-auth {\n    mode = 0666\n  }\n}\nssl = no\n")
				if err := os.WriteFile(i.Dovecot, []byte(alone), 0o644); err != nil {
					t.Fatal(err)
				}

				i.set(t, "smtpd_sasl_auth_enable=yes", "smtpd_sasl_type=dovecot", "smtpd_sasl_path=private/dovecot-auth", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
			keeps:    []string{"smtpd_sasl_path"},
		},
		{
			name: "a rule that only warns",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "smtpd_sender_restrictions=warn_if_reject reject_unlisted_sender, reject_unknown_sender_domain", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
		},
		{
			name: "a parameter twice",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "mydestination=$myhostname, nomeazienda.it", "virtual_alias_maps=inline:{{info@nomeazienda.it=mario}}")
				main := filepath.Join(i.Postfix, "main.cf")
				text, err := os.ReadFile(main)
				if err == nil {
					err = os.WriteFile(main, append(text, "smtpd_banner = $myhostname ESMTP\nsmtpd_banner = $myhostname ESMTP\n"...), 0o644)
				}

				if err != nil {
					t.Fatal(err)
				}
			},
			accepted: []string{mario, "info@nomeazienda.it"},
		},
		{
			name: "listeners by address",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "mydestination=$myhostname, nomeazienda.it")
				i.postconf(t, "-M#", "smtp/inet")
				i.postconf(t, "-M", "10.10.10.10:smtp/inet=10.10.10.10:smtp inet n - n - - smtpd", "127.0.0.1:smtp/inet=127.0.0.1:smtp inet n - n - - smtpd")
				i.postconf(t, "-P", "127.0.0.1:smtp/inet/smtpd_sender_restrictions=")
			},
			accepted: []string{mario},
		},
		{
			name: "networks as mynetworks_style has them",
			setup: func(t *testing.T, i *installed) {
				i.postconf(t, "-X", "mynetworks")
				i.set(t, "mynetworks_style=subnet", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
			keeps:    []string{"mynetworks_style"},
		},
		{
			name: "stricter than needed",
			setup: func(t *testing.T, i *installed) {
				i.set(t, "smtpd_forbid_bare_newline=yes", "mynetworks=127.0.0.1", "smtpd_banner=${myhostname} ESMTP", "mydestination=$myhostname, nomeazienda.it")
			},
			accepted: []string{mario},
			keeps:    []string{"smtpd_forbid_bare_newline", "mynetworks", "smtpd_banner"},
		},
	}
}

// TestField sets up configurations as they are found, and asks before and after: what was accepted is
// accepted, a second apply does nothing, and in the end every file is as it was.
func TestField(t *testing.T) {
	var mu sync.Mutex
	var table strings.Builder
	t.Cleanup(func() { t.Logf("configurations as found:\n%s", table.String()) })
	var all sync.WaitGroup
	defer all.Wait()

	running := make(chan struct{}, 6) // they mostly wait: Postfix does, for two seconds after each change
	for _, c := range slices.Concat(fieldCases(), panelCases(), filedCases(t)) {
		all.Go(func() {
			running <- struct{}{}
			defer func() { <-running }()

			t.Run(c.name, func(t *testing.T) {
				l := lab.Up(t, lab.Options{NoDaemon: true})
				i := newInstalled(t, l)
				i.set(t, "smtpd_peername_lookup=no") // there is no DNS to wait for
				c.setup(t, i)
				i.age(t)
				i.Start(t, l, "lan")
				i.awaken(t)
				i.appendTo(t, i.Root+"/users",
					"anna:{PLAIN}correct horse:65534:65534::"+i.Root+"\n")

				all := probes(c)
				before := make([]int, len(all))
				for n, p := range all {
					if before[n] = p.ask(t, l); slices.Contains(c.accepted, p.to) &&
						p.name == "for "+p.to && before[n]/100 != 2 {
						t.Fatalf("%s is answered %d before", p.to, before[n])
					}
				}

				files := i.Files(t)
				kept := i.values(t, c.keeps)
				var told strings.Builder
				planned, _ := i.plan(t, true)

				for _, c := range planned.Changes {
					fmt.Fprintf(&told, "  %s %-34s %q\n", c.Action.Sign(), c.Key.Name, c.After)
				}

				for _, e := range planned.Effects {
					fmt.Fprintf(&told, "  effect: %s\n", e.Text)
				}

				err := i.apply(t, true, true)
				if c.refuses != "" {
					wantError(t, err, c.refuses)
				} else if err != nil {
					t.Fatal(err)
				}

				count := map[string]int{}
				for n, p := range all {
					after := p.ask(t, l)
					verdict := p.verdict(before[n], after)
					count[verdict]++
					fmt.Fprintf(&told, "  %-45s %3d -> %3d  %s\n", p.name, before[n], after,
						verdict)

					if verdict == "worse" {
						t.Errorf("%s: was answered %d and is answered %d", p.name, before[n],
							after)
					}
				}

				t.Logf("planned, and as senders and users see it:\n%s", told.String())
				if now := i.values(t, c.keeps); !maps.Equal(now, kept) {
					t.Errorf("settings are %q and were %q", now, kept)
				}

				if c.refuses != "" {
					sameBytes(t, i.Files(t), files)
					return
				}

				p, _ := i.plan(t, true)
				if p.Writes() > 0 {
					t.Errorf("a second plan has %+v", p.Changes)
				}

				i.inspect(t, p)

				if c.arrives {
					i.delivers(t, l)
				}

				if err := i.apply(t, false, false); err != nil {
					t.Fatal(err)
				}

				sameBytes(t, i.Files(t), files)
				mu.Lock()
				defer mu.Unlock()

				fmt.Fprintf(&table, "%-75s better %2d  worse %d  same %2d\n", c.name,
					count["better"], count["worse"], count["same"])
			})
		})
	}
}

func newInstalled(t *testing.T, l *lab.Lab) *installed {
	t.Helper()
	m := lab.InstallMailServer(t)
	i := &installed{MailServer: m, lab: l, ledger: plan.NewLedger("office")}
	run := func(ctx context.Context, input, name string, args ...string) (string, error) {
		return command.Execute(ctx, input, "ip",
			append([]string{"netns", "exec", l.Name + "-lan", name}, args...)...)
	}

	i.driver = &Driver{
		Dir:     m.Postfix,
		Dovecot: m.Dovecot,
		PAM:     m.Root + "/common-password",
		Hosts:   m.Root + "/hosts",
		Addr:    "10.10.10.10:25",
		Public:  []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Run:     run,
		Dial:    l.Dial("lan"),
	}

	return i
}

// inspect compares what verify says of the settings with a plan that changes nothing: only what the plan
// can't read or leaves to a person may be wrong.
func (i *installed) inspect(t *testing.T, p *plan.Plan) {
	t.Helper()
	settings, err := i.driver.Inspect(t.Context(), siteNeeds())
	if err != nil {
		t.Fatal(err)
	}

	for _, s := range settings {
		open := slices.ContainsFunc(p.Changes, func(c plan.Change) bool {
			return c.Key.Name == s.Subject
		})
		if !s.Good && !s.Unknown && !open {
			t.Errorf("verify says of %s: want %q, got %q", s.Subject, s.Want, s.Got)
		}
	}
}

// age makes main.cf an old file: Postfix's commands wait until one is more than a second old.
func (i *installed) age(t *testing.T) {
	t.Helper()
	old := time.Now().Add(-time.Minute)
	if err := os.Chtimes(filepath.Join(i.Postfix, "main.cf"), old, old); err != nil {
		t.Fatal(err)
	}
}

// awaken waits until the server answers.
func (i *installed) awaken(t *testing.T) {
	t.Helper()
	err := i.driver.retryUntil(t.Context(), 20*time.Second, func(ctx context.Context) error {
		_, err := smtpclient.Greeting(ctx, i.driver.Dial, i.driver.Addr)
		return err
	})

	if err != nil {
		log, _ := os.ReadFile(i.Root + "/log")
		t.Fatalf("%v\n%s", err, log)
	}
}

func (i *installed) values(t *testing.T, names []string) map[string]string {
	t.Helper()
	values := map[string]string{}
	for _, n := range names {
		out, err := i.driver.postconf(t.Context(), "-h", n)
		if err != nil {
			t.Fatal(err)
		}
		values[n] = strings.TrimSpace(out)
	}

	return values
}

// delivers sends a message and waits for it in mario's Maildir.
func (i *installed) delivers(t *testing.T, l *lab.Lab) {
	t.Helper()
	c, err := smtpclient.Hello(t.Context(), l.Dial("lan"), "10.10.10.10:25")
	if err != nil {
		t.Fatal(err)
	}

	defer c.Close()

	step, r, err := c.Deliver(t.Context(), "a@example.org", "mario@nomeazienda.it",
		"Subject: field\r\n\r\nhello\r\n")

	if err != nil || !r.Accepted() {
		t.Fatalf("%s: %v, %v", step, r, err)
	}

	err = i.driver.retryUntil(t.Context(), 20*time.Second, func(context.Context) error {
		if found, _ := filepath.Glob(i.Maildir + "/mario/new/*"); len(found) > 0 {
			return nil
		}
		return fmt.Errorf("the message is not in the mailbox")
	})

	if err != nil {
		log, _ := os.ReadFile(i.Root + "/log")
		t.Errorf("%v\n%s", err, log)
	}
}

func sameBytes(t *testing.T, now, before map[string]string) {
	t.Helper()
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if was, there := before[name]; !there || was != now[name] {
			t.Errorf("%s is\n%s\nand was (%v)\n%s", name, now[name], there, was)
		}
	}

	for name := range before {
		if _, there := now[name]; !there {
			t.Errorf("%s is gone", name)
		}
	}
}

var _ mailsvc.Server = (*Driver)(nil)
