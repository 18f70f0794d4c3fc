package guard

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/notify"
	"github.com/mailpub/mailpub/cmd/mailpub/site"
	"github.com/mailpub/mailpub/cmd/mailpub/watch"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/egress"
)

// reaching is a config that leads everything at one address: what the guard would let pass if names led
// there.
const reaching = `site: customer
server:
  hostname: mail.customer.example
  address: 127.0.0.1
  public: {ipv4: 192.0.2.9}
  dane: {certificate: served}
domains:
  - name: customer.example
    mta_sts: {mode: testing}
    dmarc: {policy: none}
    services: [{name: imaps}]
zones:
  - name: customer.example
    provider: rfc2136
    nameservers: ["ADDR"]
    settings: {server: "ADDR", key_name: customer., key: "secret:tsig"}
  - name: second.example
    provider: powerdns
    settings: {url: "http://ADDR", key: "secret:tsig"}
  - name: third.example
    provider: manual
    nameservers: ["ADDR"]
router:
  protocol: none
  forwards: [{name: smtp, port: 25, internal: PORT}, {name: imaps, port: 993, internal: PORT}]
service: {type: manual, collectors: [{host: 127.0.0.1}]}
verify:
  resolvers: ["ADDR"]
  egress: ["ADDR"]
  dnsbl: [bl.customer.example]
  probe: {url: "https://ADDR", token: "secret:tsig"}
  mailbox: {imap: "ADDR", user: mario, password: "secret:tsig"}
  mailboxes: [{address: a@other.example, submission: "ADDR", imap: "ADDR", oauth: {client_id: x, refresh_token: "secret:tsig", token_url: "https://ADDR/"}}]
  reports: {imap: "ADDR", user: mario, password: "secret:tsig"}
`

// Everything that a site dials keeps to the rules of the context: nothing arrives at the trap. Without rules
// the same run arrives there, so the run dials.
func TestLimitedSite(t *testing.T) {
	run := func(ctx context.Context, t *testing.T) string {
		tr := newTrap(t)
		_, port, _ := strings.Cut(tr.addr, ":")
		text := strings.NewReplacer("ADDR", tr.addr, "PORT", port).Replace(reaching)
		cfg, err := config.Parse(t.TempDir()+"/customer.yaml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}

		cfg.ResolveWith(func(context.Context, string) (string, error) {
			return "c2VjcmV0LXRzaWcta2V5", nil
		})

		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()

		s, err := site.Open(ctx, cfg, plan.NewLedger("customer"), site.Options{})
		switch {
		case err != nil && !egress.Limited(ctx):
			return tr.sprung() // it waits for an answer of the trap
		case err != nil:
			t.Fatal(err)
		}

		if _, err := s.Plan(ctx); err != nil {
			t.Logf("plan: %v", err)
		}

		if egress.Limited(ctx) { // without limits it would leave this machine
			if r := s.Verify(ctx, nil); len(r.Checks) < 20 {
				t.Errorf("only %d checks", len(r.Checks))
			}
		}

		for _, c := range []watch.Channel{notify.Webhook("http://"+tr.addr+"/", "x"),
			notify.Webhook("https://"+tr.addr+"/", "")} {
			if err := c.Send(ctx, watch.Notice{Site: "customer"}); err == nil {
				t.Error("a notice arrived")
			}
		}

		for _, url := range []string{"generic+http://" + tr.addr + "/x",
			"smtp://" + tr.addr + "/?fromAddress=a@b.example&toAddresses=c@d.example",
			"gotify://" + tr.addr + "/AzyoeNS.D4iJLVa", "matrix://u:p@" + tr.addr + "/",
			"ntfy://" + tr.addr + "/topic"} {
			if _, err := notify.Service(ctx, url); egress.Limited(ctx) && err == nil {
				t.Errorf("%s is allowed", url)
			}
		}

		return tr.sprung()
	}

	t.Run("limited", func(t *testing.T) {
		if s := run(egress.With(t.Context(), egress.Rules{}), t); s != "" {
			t.Error(s)
		}
	})

	t.Run("unlimited", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if run(ctx, t) == "" {
			t.Error("nothing was dialled: the test proves nothing")
		}
	})

	c, err := notify.Service(egress.With(t.Context(), egress.Rules{}),
		"telegram://110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw@telegram?channels=@c")

	if err != nil || c.Name != "telegram" {
		t.Errorf("a service with a host of its own: %v", err)
	}

	run1 := notify.Exec(t.TempDir(), "/bin/true")
	if err := run1.Send(egress.With(t.Context(), egress.Rules{}), watch.Notice{}); err == nil {
		t.Error("a program was run")
	}
}
