//go:build linux

package queue

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/miekg/dns"

	"github.com/mailpub/mailpub/cmd/mailpub/fleet/pgtest"
	"github.com/mailpub/mailpub/cmd/mailpub/fleet/store"
	"github.com/mailpub/mailpub/plan"
	_ "github.com/mailpub/mailpub/providers/rfc2136"
	"github.com/mailpub/mailpub/providers/servertest"
)

// workerVariable has the test binary work for the fleet of a database instead: a process that can be killed.
const workerVariable = "FARM_WORKER"

func TestMain(m *testing.M) {
	os.Setenv("FARM_KEY", key)
	if url := os.Getenv(workerVariable); url != "" {
		if err := work(url); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	pgtest.Main(m)
}

func work(url string) error {
	db, err := store.Connect(context.Background(), url, "a worker of a test")
	if err != nil {
		return err
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	w := &Worker{
		Opener: Opener{
			DB:  db,
			Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})),
		},
		Looks: 8,
	}
	return w.Run(ctx)
}

// process starts a worker that can be killed.
func (f *farm) process() *exec.Cmd {
	f.t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), workerVariable+"="+f.url)
	cmd.Stderr = f.t.Output()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}

	f.t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})

	return cmd
}

const key = "MTIzNDU2Nzg5MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTI="

// farm is a fleet with a BIND that has a zone for each of its sites.
type farm struct {
	t      testing.TB
	url    string
	db     *store.DB
	client *Client
	bind   string
	pause  time.Duration // before the mail servers greet

	defaults string // of the sites that are added
}

func newFarm(t testing.TB, url string, zones int) *farm {
	t.Helper()
	all := map[string]string{}
	for i := range zones {
		all[zoneName(i)] = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
	}

	f := &farm{
		t:    t,
		url:  url,
		bind: servertest.BIND{Zones: all, Secret: key, Transfer: `key "mailpub.";`}.Start(t),
	}

	f.db = f.connect()
	if _, err := f.db.Migrate(context.Background()); err != nil {
		t.Fatal(err)
	}

	var err error
	if f.client, err = NewClient(f.db); err != nil {
		t.Fatal(err)
	}

	return f
}

func zoneName(i int) string { return fmt.Sprintf("z%d.example", i) }

func (f *farm) connect() *store.DB {
	f.t.Helper()
	db, err := store.Connect(context.Background(), f.url, "a test")
	if err != nil {
		f.t.Fatal(err)
	}

	f.t.Cleanup(db.Close)
	return db
}

// config is the config of site i: a zone at BIND, nothing on the router, a mail server by hand.
func (f *farm) config(i int) string {
	zone := zoneName(i)
	return fmt.Sprintf(`site: s%[1]d
server: {hostname: mail.%[2]s, address: 127.0.0.1, public: {ipv4: 2.2.2.2}}
domains: [{name: %[2]s}]
zones:
  - name: %[2]s
    provider: rfc2136
    nameservers: ["%[3]s"]
    settings: {server: "%[3]s", key_name: mailpub., key: "env:FARM_KEY"}
router: {protocol: none, forwards: [{name: smtp, port: 25, internal: %[4]d}]}
service: {type: manual}
verify: {resolvers: ["%[3]s"]}
watch: {every: 1h, repair: [dns]}
`, i, zone, f.bind, greet(f.t, "mail."+zone, f.pause))
}

// greet is a mail server that takes mail for postmaster and relays nothing.
func greet(t testing.TB, name string, pause time.Duration) (port int) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go talk(c, name, pause)
		}
	}()

	return l.Addr().(*net.TCPAddr).Port
}

func talk(c net.Conn, name string, pause time.Duration) {
	defer c.Close()
	time.Sleep(pause)
	fmt.Fprint(c, "220 "+name+" ESMTP\r\n")
	for lines := bufio.NewScanner(c); lines.Scan(); {
		reply := "250 ok"
		switch line := strings.ToUpper(lines.Text()); {
		case strings.HasPrefix(line, "EHLO"), strings.HasPrefix(line, "HELO"):
			reply = "250 " + name
		case strings.HasPrefix(line, "RCPT"):
			reply = "554 no relaying"
		case strings.HasPrefix(line, "QUIT"):
			reply = "221 bye"
		}
		fmt.Fprint(c, reply+"\r\n")
	}
}

// add adds site i to a tenant, and returns its id.
func (f *farm) add(tenant string, i int) int64 {
	f.t.Helper()
	s := store.Site{
		Tenant: tenant,
		Name:   fmt.Sprintf("s%d", i),
		File:   fmt.Sprintf("s%d.yaml", i),
		Config: []byte(f.config(i)),
		Every:  time.Hour,
	}
	if f.defaults != "" {
		s.Defaults = "common.yml"
		s.Body = []byte(f.defaults)
		s.Config = append([]byte("defaults: common.yml\n"), s.Config...)
	}

	err := f.db.InTx(context.Background(), func(tx pgx.Tx) error {
		_, err := store.PutSite(context.Background(), tx, &s, 0)
		return err
	})
	if err != nil {
		f.t.Fatal(err)
	}

	return s.ID
}

// worker runs a worker until the returned function is called.
func (f *farm) worker() (stop func()) {
	f.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &Worker{
		Opener: Opener{
			DB:  f.connect(),
			Log: slog.New(slog.NewTextHandler(f.t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
		},
		Looks: 8,
	}

	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			f.t.Errorf("worker: %v", err)
		}
	}

	f.t.Cleanup(stop)
	return stop
}

// wait waits until something holds.
func (f *farm) wait(what string, holds func() bool) {
	f.t.Helper()
	for range 600 {
		if holds() {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
	f.t.Fatalf("not within a minute: %s", what)
}

// looked is how many sites were looked at.
func (f *farm) looked() (n int) {
	f.t.Helper()
	if err := f.db.Pool.QueryRow(context.Background(), "SELECT count(*) FROM look").Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// plan has a plan made, and returns it.
func (f *farm) plan(id int64, kind string) store.StoredPlan {
	f.t.Helper()
	ctx := context.Background()
	var plan int64
	err := f.db.InTx(ctx, func(tx pgx.Tx) (err error) {
		if plan, err = store.WantPlan(ctx, tx, id, kind, store.Actor{Name: "tester"}); err != nil {
			return err
		}
		return f.client.Plan(ctx, tx, plan)
	})
	if err != nil {
		f.t.Fatal(err)
	}

	return f.planIs(plan, store.PlanPlanned, store.PlanEmpty, store.PlanFailed)
}

// planIs waits until a plan has one of some states.
func (f *farm) planIs(id int64, states ...string) (p store.StoredPlan) {
	f.t.Helper()
	f.wait(fmt.Sprintf("plan %d is %v", id, states), func() bool {
		var err error
		if p, err = f.db.Plan(context.Background(), id); err != nil {
			f.t.Fatal(err)
		}
		return strings.Contains(" "+strings.Join(states, " ")+" ", " "+p.State+" ")
	})
	return p
}

// apply has a plan applied, and returns it.
func (f *farm) apply(id int64) store.StoredPlan {
	f.t.Helper()
	ctx := context.Background()
	err := f.db.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := store.StartApply(ctx, tx, id); err != nil {
			return err
		}
		return f.client.Apply(ctx, tx, id)
	})
	if err != nil {
		f.t.Fatal(err)
	}

	return f.planIs(id, store.PlanApplied, store.PlanFailed, store.PlanStale)
}

// records are what BIND has at a name.
func (f *farm) records(name string, kind uint16) (all []string) {
	f.t.Helper()
	q := new(dns.Msg)
	q.SetQuestion(dns.Fqdn(name), kind)
	a, err := dns.Exchange(q, f.bind)
	if err != nil {
		f.t.Fatal(err)
	}

	for _, r := range a.Answer {
		all = append(all, strings.TrimPrefix(r.String(), r.Header().String()))
	}

	return all
}

// A site is looked at, planned, applied and planned again with nothing to do; what somebody takes away is put back by the
// next look.
func TestLookPlanApply(t *testing.T) {
	f := newFarm(t, pgtest.Database(t), 2)
	id := f.add("", 0)
	f.add("", 1)
	f.worker()
	f.wait("both are looked at", func() bool { return f.looked() == 2 })

	p := f.plan(id, store.KindApply)
	if p.State != store.PlanPlanned || p.Error != "" {
		t.Fatalf("%+v", p)
	}
	if got := f.records("z0.example", dns.TypeMX); got != nil {
		t.Fatalf("planning wrote %q", got)
	}

	if p = f.apply(p.ID); p.State != store.PlanApplied || p.Done == 0 {
		t.Fatalf("%s after %d changes: %s", p.State, p.Done, p.Error)
	}
	if got := f.records("z0.example", dns.TypeMX); len(got) != 1 || got[0] != "10 mail.z0.example." {
		t.Errorf("MX %q", got)
	}

	if again := f.plan(id, store.KindApply); again.State != store.PlanEmpty {
		t.Errorf("a second plan is %s: %s", again.State, again.Doc)
	}

	f.remove("z0.example", dns.TypeMX)
	f.ask(id)
	f.wait("the MX is put back", func() bool { return f.records("z0.example", dns.TypeMX) != nil })

	gone := f.apply(f.plan(id, store.KindDestroy).ID)
	if got := f.records("z0.example", dns.TypeMX); gone.State != store.PlanApplied || got != nil {
		t.Errorf("destroy is %s (%s), MX %q", gone.State, gone.Error, got)
	}
}

// remove takes an RRset away, as somebody at the provider's page does.
func (f *farm) remove(name string, kind uint16) {
	f.t.Helper()
	u := new(dns.Msg)
	u.SetUpdate(dns.Fqdn(name))
	u.RemoveRRset([]dns.RR{&dns.ANY{Hdr: dns.RR_Header{Name: dns.Fqdn(name), Rrtype: kind, Class: dns.ClassINET}}})
	u.SetTsig("mailpub.", dns.HmacSHA256, 300, time.Now().Unix())
	c := dns.Client{TsigSecret: map[string]string{"mailpub.": key}}
	if a, _, err := c.Exchange(u, f.bind); err != nil || a.Rcode != dns.RcodeSuccess {
		f.t.Fatalf("update: %v, %v", a, err)
	}
}

// ask has a site looked at.
func (f *farm) ask(id int64) {
	f.t.Helper()
	err := f.db.InTx(context.Background(), func(tx pgx.Tx) error {
		return store.Ask(context.Background(), tx, id, store.PriorityAsked, "the test asks")
	})
	if err != nil {
		f.t.Fatal(err)
	}
}

// A plan is carried out exactly as it was approved: what changed since makes it stale, and nothing is written.
func TestStalePlan(t *testing.T) {
	for name, change := range map[string]func(f *farm, id int64){
		"a record changed": func(f *farm, _ int64) { f.insert("mail.z0.example. 60 IN A 9.9.9.9") },
		"the config changed": func(f *farm, id int64) {
			s, err := f.db.Site(context.Background(), id)
			if err != nil {
				f.t.Fatal(err)
			}
			s.Config = append(s.Config, "# touched\n"...)
			if err := f.db.InTx(context.Background(), func(tx pgx.Tx) error {
				_, err := store.PutSite(context.Background(), tx, &s, s.Rev)
				return err
			}); err != nil {
				f.t.Fatal(err)
			}
		},
		"the ledger changed": func(f *farm, id int64) {
			other := f.plan(id, store.KindApply)
			if got := f.apply(other.ID); got.State != store.PlanApplied {
				f.t.Fatalf("%+v", got)
			}
			f.remove("z0.example", dns.TypeMX) // and what is left to do is not what was approved
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFarm(t, pgtest.Database(t), 1)
			id := f.add("", 0)
			f.worker()
			f.wait("it is looked at", func() bool { return f.looked() == 1 })
			p := f.plan(id, store.KindApply)
			change(f, id)
			before := fmt.Sprint(f.records("z0.example", dns.TypeMX), f.records("z0.example", dns.TypeTXT))
			p = f.apply(p.ID)
			after := fmt.Sprint(f.records("z0.example", dns.TypeMX), f.records("z0.example", dns.TypeTXT))
			if p.State != store.PlanStale || !strings.Contains(p.Error, plan.ErrStale.Error()) && p.Error == "" || before != after {
				t.Errorf("%s (%s); before %s, after %s", p.State, p.Error, before, after)
			}
		})
	}
}

// insert adds a record, as somebody at the provider's page does.
func (f *farm) insert(text string) {
	f.t.Helper()
	r, err := dns.NewRR(text)
	if err != nil {
		f.t.Fatal(err)
	}

	u := new(dns.Msg)
	u.SetUpdate("z0.example.")
	u.Insert([]dns.RR{r})
	u.SetTsig("mailpub.", dns.HmacSHA256, 300, time.Now().Unix())
	c := dns.Client{TsigSecret: map[string]string{"mailpub.": key}}
	if a, _, err := c.Exchange(u, f.bind); err != nil || a.Rcode != dns.RcodeSuccess {
		f.t.Fatalf("update: %v, %v", a, err)
	}
}
