package check

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/mailsvc/smuggling"
	"github.com/mailpub/mailpub/plan"
)

func TestServiceConfig(t *testing.T) {
	f := facts((&smtptest.Server{}).Start(t))
	want(t, one(t, run(t, f, "service.config"), ""), plan.Skip, "can't be read from here")
	f.Aliases = []string{"abuse@nomeazienda.it", "sales@nomeazienda.it"}
	f.Inspect = func(context.Context) ([]mailsvc.Setting, error) {
		return []mailsvc.Setting{
			{Need: "hostname", Subject: "main.cf myhostname", Want: smtptest.Host, Got: smtptest.Host, Good: true},
			{Need: "vrfy", Subject: "main.cf disable_vrfy_command", Want: "yes", Got: "no"},
			{Need: "delivery", Subject: "main.cf relayhost", Want: empty, Got: "[x]"},
			{Need: "logins", Subject: "dovecot auth", Want: "private/auth", Got: "stat: permission denied", Unknown: true},
		}, nil
	}

	found := run(t, f, "service.config")
	want(t, one(t, found, "myhostname"), plan.Pass, smtptest.Host)
	want(t, one(t, found, "disable_vrfy"), plan.Fail, "no")
	want(t, one(t, found, "dovecot auth"), plan.Skip, "permission denied")
	want(t, one(t, found, "alias abuse"), plan.Pass, "250")
	want(t, one(t, found, "alias sales"), plan.Fail, "550")

	if len(found) != 5 {
		t.Errorf("%+v", found)
	}

	f.Sends = true
	want(t, one(t, run(t, f, "service.delivery"), ""), plan.Fail, "[x]")
	f.Inspect = func(context.Context) ([]mailsvc.Setting, error) {
		return nil, errors.New("postconf: permission denied")
	}

	want(t, one(t, run(t, f, "service.config"), "the server's settings"), plan.Skip,
		"permission denied")

	want(t, one(t, run(t, f, "service.delivery"), ""), plan.Skip, "permission denied")
	f.Inspect = nil
	want(t, one(t, run(t, f, "service.delivery"), ""), plan.Skip, "can't be seen from here")
}

const empty = "(empty)"

func TestCollectors(t *testing.T) {
	f := facts("127.0.0.1:25")
	f.Collectors = []string{"pop.provider.example", "mail.nomeazienda.it", "gone.example",
		"2.2.2.2", "192.0.2.9"}

	f.Own = []netip.Addr{netip.MustParseAddr("10.10.10.10"), netip.MustParseAddr("2.2.2.2")}
	f.Lookup = func(_ context.Context, name string) ([]netip.Addr, error) {
		switch name {
		case "pop.provider.example":
			return []netip.Addr{netip.MustParseAddr("192.0.2.7")}, nil
		case "mail.nomeazienda.it":
			return []netip.Addr{netip.MustParseAddr("192.0.2.7"),
				netip.MustParseAddr("::ffff:2.2.2.2")}, nil
		}

		return nil, nil
	}

	found := run(t, f, "service.collector")
	want(t, one(t, found, "pop.provider"), plan.Pass, "192.0.2.7")
	want(t, one(t, found, "mail.nomeazienda.it"), plan.Fail, "2.2.2.2")
	want(t, one(t, found, "gone.example"), plan.Skip, "has no address")
	want(t, one(t, found, "192.0.2.9"), plan.Pass, "192.0.2.9")

	for _, c := range found {
		if c.Subject.String() == "2.2.2.2" {
			want(t, c, plan.Fail, "2.2.2.2")
		}
	}
}

func TestVRFY(t *testing.T) {
	for _, c := range []struct {
		name   string
		reply  func(string) string
		status plan.Status
		got    string
	}{
		{"one of them off", func(l string) string {
			switch {
			case strings.HasPrefix(l, "VRFY"):
				return "502 no"
			case strings.HasPrefix(l, "EXPN"):
				return "250 mario"
			}
			return ""
		}, plan.Warn, "EXPN postmaster@nomeazienda.it: 250"},
		{"both off", func(l string) string {
			if strings.HasPrefix(l, "VRFY") || strings.HasPrefix(l, "EXPN") {
				return "502 no"
			}
			return ""
		}, plan.Pass, "tell nothing"},
		{"says nothing", func(l string) string {
			if strings.HasPrefix(l, "VRFY") || strings.HasPrefix(l, "EXPN") {
				return "252 who knows"
			}
			return ""
		}, plan.Pass, "tell nothing"},
		{"tells", func(l string) string {
			switch {
			case strings.HasPrefix(l, "VRFY postmaster"):
				return "252 postmaster"
			case strings.HasPrefix(l, "VRFY"), strings.HasPrefix(l, "EXPN"):
				return "550 unknown"
			}
			return ""
		}, plan.Warn, "VRFY mailpub-nobody@nomeazienda.it: 550 unknown"},
		{"breaks off", smtptest.Answer("VRFY", "-"), plan.Skip, "the connection was closed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want(t, one(t, run(t, facts((&smtptest.Server{Reply: c.reply}).Start(t)),
				"smtp.vrfy"), ""), c.status, c.got)
		})
	}
}

func TestRelaySender(t *testing.T) {
	f := facts((&smtptest.Server{}).Start(t))
	want(t, one(t, run(t, f, "relay.sender"), "nomeazienda.it"), plan.Pass, "550")
	f = facts((&smtptest.Server{Reply: smtptest.Answer("", "250 ok")}).Start(t))
	want(t, one(t, run(t, f, "relay.sender"), ""), plan.Warn, "250 ok")
	f.Closed = true
	want(t, one(t, run(t, f, "relay.sender"), ""), plan.Fail, "250 ok")
}

// splitter is a server that takes some false ends for the end of a message.
func splitter(ends ...string) func(net.Conn) {
	return func(conn net.Conn) {
		defer conn.Close()

		fmt.Fprintf(conn, "220 %s ESMTP\r\n", smtptest.Host)
		var got strings.Builder
		data := false

		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}

			got.Write(buf[:n])
			text := got.String()
			switch {
			case data:
				for _, end := range ends {
					if strings.HasSuffix(text, "deleted."+end) {
						fmt.Fprint(conn, "250 queued\r\n")
						data = false
					}
				}
			case strings.HasSuffix(text, "DATA\r\n"):
				data = true
				fmt.Fprint(conn, "354 go\r\n")
			default:
				fmt.Fprint(conn, "250 ok\r\n")
			}
		}
	}
}

func TestSmugglingCheck(t *testing.T) {
	f := facts(smtptest.Serve(t, splitter("\n.\r\n", "\n.\n")))
	want(t, one(t, run(t, f, "smtp.smuggling"), ""), plan.Fail,
		"2 of 8 other forms end it too: LF dot CRLF (250 queued); LF dot LF (250 queued)")

	want(t, one(t, run(t, facts(smtptest.Serve(t, splitter())), "smtp.smuggling"), ""),
		plan.Pass, "none of 8")

	want(t, one(t, run(t, facts((&smtptest.Server{Reply: smtptest.Answer("DATA",
		"451 later")}).Start(t)), "smtp.smuggling"), ""), plan.Skip,
		"DATA was answered 451 later")

	for _, form := range smuggling.Forms() {
		if form.HoldsEnd() != (form.Name == "CRCRLF dot CRLF") {
			t.Errorf("%s holds the true end: %v", form.Name, form.HoldsEnd())
		}
	}
}
