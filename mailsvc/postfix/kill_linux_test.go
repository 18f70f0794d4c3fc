package postfix

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc/command"
	"github.com/mailpub/mailpub/mailsvc/smtpclient"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/durable"
	"github.com/mailpub/mailpub/plan/ledger"
	"github.com/mailpub/mailpub/plan/mail"
)

const (
	// killsEnv says how many times a process is killed; a soak of it runs 200.
	killsEnv = "MAILPUB_KILLS"

	// killsFromEnv is the first point of a soak in several parts: from it on, each cycle takes the next point.
	killsFromEnv = "MAILPUB_KILLS_FROM"

	// siteEnv is what the test binary does when it is started again on a host of the lab.
	siteEnv = "MAILPUB_POSTFIX_SITE"
)

func TestMain(m *testing.M) {
	text := os.Getenv(siteEnv)
	if text == "" {
		os.Exit(m.Run())
	}

	var s siteRun
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	if err := s.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}

	fmt.Println(s.points)
	os.Exit(0)
}

// siteRun is a run of mailpub for the mail server alone, with a ledger on disk: what is killed.
type siteRun struct {
	Root, Postfix, Dovecot string
	Remove                 bool // everything, as destroy does
	KillAt                 int  // at this point it kills itself; 0: never

	points int // commands begun and ended, and steps of writing files
}

// point is a moment at which the process may be killed.
func (s *siteRun) point() {
	if s.points++; s.points == s.KillAt {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it is
	}
}

func (s *siteRun) driver() *Driver {
	return &Driver{
		Dir:     s.Postfix,
		Dovecot: s.Dovecot,
		PAM:     s.Root + "/common-password",
		Hosts:   s.Root + "/hosts",
		Addr:    "10.10.10.10:25",
		Public:  []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		Disk: durable.Disk{Fail: func(string, string) error {
			s.point()
			return nil
		}},
		Run: func(ctx context.Context, input, name string, args ...string) (string, error) {
			writes := name == "doveadm" || name == "postmap" || name == "postfix"
			if writes {
				s.point()
			}

			out, err := command.Execute(ctx, input, name, args...)
			if writes {
				s.point()
			}

			return out, err
		},
	}
}

// run plans and applies once, and fails where something could not be read.
func (s *siteRun) run(ctx context.Context) error {
	lock, err := ledger.Files{Dir: s.Root + "/state", Site: "office"}.Lock(ctx, 5*time.Second)
	if err != nil {
		return err
	}

	defer lock.Unlock()

	d := s.driver()
	party := plan.Party{Target: plan.Target{Kind: mail.TargetService}, Driver: d}
	if !s.Remove {
		spec := mail.Spec{
			Host:    "mail.nomeazienda.it.",
			Address: netip.MustParseAddr("10.10.10.10"),
			Domains: []mail.Domain{{Name: "nomeazienda.it.", MX: []mail.MX{{Host: "mail.nomeazienda.it.", Preference: 10}}}},
			Service: mail.MailService{Aliases: []mail.Alias{{Address: "postmaster", To: "mario"},
				{Address: "abuse", To: "mario"}}},
		}

		for _, it := range d.Spell(spec.ServiceItems()) {
			if it.ByHand == "" {
				party.Wanted = append(party.Wanted, it)
			}
		}
	}

	l := lock.Ledger()
	p, err := plan.Make(ctx, []plan.Party{party}, l, time.Now())
	if err != nil {
		return err
	}
	if err := plan.Apply(ctx, p, []plan.Party{party}, l, lock,
		plan.Options{Adopt: true}); err != nil {
		return err
	}

	return plan.Unread(p.Changes)
}

// A process is killed at any command and at any step of writing a file while it sets up a real Postfix and
// Dovecot, or takes that back. One more run, and both run and are as wanted; after destroy every byte is
// as it was.
func TestKilledInLab(t *testing.T) {
	kills := 4
	if n, err := strconv.Atoi(os.Getenv(killsEnv)); err == nil {
		kills = n
	}

	from, err := strconv.Atoi(os.Getenv(killsFromEnv))
	if err != nil {
		from = rand.IntN(1000)
	}

	var next atomic.Int64
	next.Store(int64(from))

	servers := min(kills/2, 4) // they mostly wait: Postfix does, for two seconds after each change
	var all sync.WaitGroup
	defer all.Wait()

	for n := range servers {
		all.Go(func() {
			t.Run(strconv.Itoa(n), func(t *testing.T) {
				k := newKiller(t)
				for k.killed < (kills+servers-1)/servers && !t.Failed() {
					k.cycle(t, int(next.Add(1)))
				}
			})
		})
	}
}

type killer struct {
	*lab.MailServer
	lab    *lab.Lab
	before map[string]string
	points map[bool]int // of a whole run
	killed int
}

func newKiller(t *testing.T) *killer {
	l := lab.Up(t, lab.Options{NoDaemon: true})
	m := lab.InstallMailServer(t)
	for name, text := range map[string]string{"hosts": hostsText,
		"common-password": "password requisite pam_pwquality.so retry=3\n"} {
		if err := os.WriteFile(filepath.Join(m.Root, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	main := m.Postfix + "/main.cf"
	old := time.Now().Add(-time.Minute)
	if _, err := command.Execute(t.Context(), "", "postconf", "-c", m.Postfix, "-e",
		"smtpd_peername_lookup=no"); err != nil {
		t.Fatal(err)
	}

	if err := os.Chtimes(main, old, old); err != nil {
		t.Fatal(err)
	}

	m.Start(t, l, "lan")
	k := &killer{
		MailServer: m,
		lab:        l,
		before:     m.Files(t),
		points:     map[bool]int{},
	}

	k.finish(t, false)
	k.finish(t, true)
	t.Logf("apply has %d points, destroy %d", k.points[false], k.points[true])

	return k
}

// start runs mailpub on the server's host, killed at a point, and returns what it printed.
func (k *killer) start(t *testing.T, remove bool, at int) (out string, killed bool) {
	t.Helper()
	order, err := json.Marshal(siteRun{
		Root:    k.Root,
		Postfix: k.Postfix,
		Dovecot: k.Dovecot,
		Remove:  remove,
		KillAt:  at,
	})

	if err != nil {
		t.Fatal(err)
	}

	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}

	cmd := k.lab.Command(t.Context(), "lan", self)
	cmd.Env = append(os.Environ(), siteEnv+"="+string(order))
	var text strings.Builder
	cmd.Stdout = &text
	cmd.Stderr = &text
	cmd.WaitDelay = time.Second
	err = cmd.Run()
	state, ok := cmd.ProcessState.Sys().(syscall.WaitStatus)
	killed = ok && state.Signaled()
	if err != nil && !killed && !errors.Is(err, os.ErrProcessDone) &&
		cmd.ProcessState.ExitCode() != 0 {
		t.Fatalf("remove %t, killed at %d: %v: %s", remove, at, err, text.String())
	}

	return text.String(), killed
}

// cycle kills a run that applies and goes on, and then one that takes everything back, each at its n-th point.
func (k *killer) cycle(t *testing.T, n int) {
	t.Helper()
	for _, remove := range []bool{false, true} {
		at := 1 + n%k.points[remove]
		if _, killed := k.start(t, remove, at); killed {
			k.killed++
		}
		k.finish(t, remove)
		t.Logf("kill %d: point %d, remove %t", k.killed, at, remove)
	}
}

// finish runs to the end. Then the servers run, and are as they should be.
func (k *killer) finish(t *testing.T, remove bool) {
	t.Helper()
	out, killed := k.start(t, remove, 0)
	points, err := strconv.Atoi(strings.TrimSpace(out))
	if err != nil || killed {
		t.Fatalf("it prints %q, killed: %t", out, killed)
	}

	if k.points[remove] == 0 {
		k.points[remove] = points
	}

	name := "vm.localdomain"
	if !remove {
		name = "mail.nomeazienda.it"
	}

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	if err := smtpclient.GateAnswers(ctx, k.lab.Dial("lan"), "10.10.10.10:25",
		name); err != nil {
		t.Errorf("remove %t: %v", remove, err)
	}

	a := probe{name: "for abuse", addr: "10.10.10.10:25", to: "abuse@nomeazienda.it"}
	if code := a.ask(t, k.lab); (code == 250) == remove {
		t.Errorf("remove %t: mail for abuse is answered %d", remove, code)
	}

	if out, err := k.lab.Command(ctx, "lan", "doveadm", "-c", k.Dovecot, "service", "status",
		"auth").CombinedOutput(); err != nil {
		t.Errorf("remove %t: Dovecot does not run: %v: %s", remove, err, out)
	}

	err = (&Driver{}).retryUntil(ctx, time.Minute, func(context.Context) error { // it takes a moment after a reload
		if _, err := os.Stat(k.Root + "/spool/" + socket); (err != nil) != remove {
			return fmt.Errorf("Dovecot's socket: %v", err)
		}
		return nil
	})

	if err != nil {
		t.Errorf("remove %t: %v", remove, err)
	}

	if remove {
		sameBytes(t, k.Files(t), k.before)
		hosts, err := os.ReadFile(k.Root + "/hosts")
		if err != nil || string(hosts) != hostsText {
			t.Errorf("the hosts file is (%v)\n%s", err, hosts)
		}

		if left, _ := filepath.Glob(k.Root + "/*hosts.*"); len(left) > 0 {
			t.Errorf("left: %s", left)
		}

		return
	}

	l, err := ledger.Files{Dir: k.Root + "/state", Site: "office"}.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}

	for _, e := range l.Entries() {
		if e.Pending != nil || e.Removing {
			t.Errorf("%s is under way in the ledger", e.Key)
		}
	}
}
