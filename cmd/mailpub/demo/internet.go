package demo

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/smtp"
	"strings"
	"time"

	"github.com/mailpub/mailpub/nat/igd"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/providers"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/resolver"
	"github.com/mailpub/mailpub/providers/zone"
)

// KeyVariable names the variable of the environment with the key of the zones.
const KeyVariable = "MAILPUB_TSIG_KEY"

// Internet is what a site of the demo meets: a name server, a router, and what listens on the other
// ports of the mail server.
type Internet struct {
	DNS    *authdns.Server
	Router *igd.Device
	Key    string // TSIG secret, base64
	Ports  map[string]int
	before string // the state at the start
	stops  []func()
}

const demoZone = `$TTL 3600
@    SOA  ns hostmaster 1 7200 900 1209600 300
@    NS   ns
ns   A    192.0.2.53
@    TXT  "somebody-elses-verification=3f2a91"
www  A    192.0.2.80
`

const demoReverseZone = `$TTL 3600
@    SOA  ns.nomeazienda.it. hostmaster.nomeazienda.it. 1 7200 900 1209600 300
@    NS   ns.nomeazienda.it.
`

var demoZones = map[string]string{"nomeazienda.it.": demoZone,
	"2.2.2.in-addr.arpa.": demoReverseZone}

// Start starts one with the zones of the demo.
func Start(ctx context.Context) (o *Internet, err error) {
	return StartWith(ctx, demoZones)
}

// StartWith is Start with other zones: their names and texts.
func StartWith(ctx context.Context, zones map[string]string) (_ *Internet, err error) {
	o := &Internet{Ports: map[string]int{}}
	defer func() {
		if err != nil {
			o.Close()
		}
	}()

	secret := make([]byte, 32)
	if _, err := rand.Read(secret); err != nil {
		return nil, err
	}

	o.Key = base64.StdEncoding.EncodeToString(secret)
	o.DNS, err = authdns.Start(ctx, authdns.Config{
		Zones: zones,
		Key:   authdns.Key{Name: "mailpub.", Alg: "hmac-sha256", Secret: o.Key},
	})

	if err != nil {
		return nil, err
	}

	o.stops = append(o.stops, func() { o.DNS.Close() })
	o.Router, err = igd.Start(ctx, igd.Config{
		External: netip.MustParseAddr("2.2.2.2"),
		Version:  2,
	})

	if err != nil {
		return nil, err
	}

	o.stops = append(o.stops, func() { o.Router.Close() })
	if err := o.listen(); err != nil {
		return nil, err
	}

	target := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 8080)
	if err := o.Router.Set(igd.Mapping{
		Proto:       "tcp",
		External:    8080,
		Internal:    target,
		Description: "somebody else's",
	}); err != nil {
		return nil, err
	}

	o.before = o.State()
	return o, nil
}

// listen opens the server's ports beside SMTP, each with the greeting of its protocol,
// and picks a free one for SMTP.
func (o *Internet) listen() error {
	for name, greeting := range map[string]string{
		"smtp": "", "pop3": "+OK mail.nomeazienda.it\r\n",
		"imap":        "* OK mail.nomeazienda.it\r\n",
		"worldclient": "", "webadmin": "",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}

		o.Ports[name] = l.Addr().(*net.TCPAddr).Port
		if name == "smtp" { // mailpub receive will listen there
			l.Close()
			continue
		}

		o.stops = append(o.stops, func() { l.Close() })
		go greet(l, greeting)
	}

	return nil
}

func greet(l net.Listener, greeting string) {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		fmt.Fprint(conn, greeting)
		conn.Close()
	}
}

// Close ends all of it.
func (o *Internet) Close() {
	for _, stop := range o.stops {
		stop()
	}
}

// Config is the site's config file. On loopback without root the server's ports are not
// those that are seen from outside, and the only address is 127.0.0.1.
func (o *Internet) Config() string {
	return fmt.Sprintf(`site: nomeazienda
server:
  hostname: mail.nomeazienda.it
  address: 127.0.0.1               # the server on the LAN; 10.10.10.10 in real life
  public: {ipv4: auto}             # asked of the router
domains:
  - name: nomeazienda.it
zones:
  - name: nomeazienda.it
    provider: rfc2136
    nameservers: ["%[1]s"]
    settings: {server: "%[1]s", key_name: mailpub., key: "env:%[2]s"}
  - name: 2.2.2.in-addr.arpa
    provider: rfc2136
    nameservers: ["%[1]s"]
    settings: {server: "%[1]s", key_name: mailpub., key: "env:%[2]s"}
router:
  url: %[3]s
  forwards:
    - {name: smtp,        port: 25,   internal: %[4]d}
    - {name: pop3,        port: 110,  internal: %[5]d}
    - {name: imap,        port: 143,  internal: %[6]d}
    - {name: worldclient, port: 3000, internal: %[7]d}
    - {name: webadmin,    port: 1000, internal: %[8]d}
service:
  type: receiver
  aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]
verify:
  resolvers: ["%[1]s"]
`, o.DNS.Addr(), KeyVariable, o.Router.URL(),
		o.Ports["smtp"], o.Ports["pop3"], o.Ports["imap"], o.Ports["worldclient"],
		o.Ports["webadmin"])
}

// State is everything that mailpub could change, in a form for people.
func (o *Internet) State() string {
	var b strings.Builder
	for _, zone := range []string{"nomeazienda.it.", "2.2.2.in-addr.arpa."} {
		for _, line := range o.DNS.Dump(zone) {
			fmt.Fprintln(&b, strings.ReplaceAll(line, "\t", "  "))
		}
	}

	for _, m := range o.Router.Mappings() {
		fmt.Fprintf(&b, "%s/%d -> %s  %q\n", m.Proto, m.External, m.Internal, m.Description)
	}

	return b.String()
}

// WaitForReceiver returns when something answers on the server's SMTP port, or ctx ends.
func (o *Internet) WaitForReceiver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()

	var d net.Dialer
	for ctx.Err() == nil {
		conn, err := d.DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", o.Ports["smtp"]))
		if err == nil {
			conn.Close()
			return
		}

		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Send delivers a message as any sender's server does: MX, address, connection to the
// router's WAN side, SMTP. It returns what it saw.
func (o *Internet) Send(ctx context.Context, to, nonce string) (transcript string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()

	var b strings.Builder
	note := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	domain := to[strings.LastIndex(to, "@")+1:]
	resolver := &resolver.Resolver{Servers: []string{o.DNS.Addr()}}
	mx, err := resolver.Lookup(ctx, mail.FQDN(domain), "MX")
	if err != nil || len(mx.Records) == 0 {
		return b.String(), fmt.Errorf("no MX of %s: %w", domain, errors.Join(err))
	}

	_, host, _ := strings.Cut(mx.Records[0].Data, " ")
	note("MX of %s is %s", domain, host)
	addrs, err := resolver.Addresses(ctx, host)
	if err != nil || len(addrs) == 0 {
		return b.String(), fmt.Errorf("no address of %s: %w", host, errors.Join(err))
	}

	note("its address is %s", addrs[0])
	conn, err := o.Router.DialWAN(ctx, 25)
	if err != nil {
		return b.String(), fmt.Errorf("connecting to %s port 25: %w", addrs[0], err)
	}

	note("connected to %s port 25, the router", addrs[0])
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return b.String(), err
	}

	return b.String() + deliver(conn, host, to, nonce, &err), err
}

// deliver speaks SMTP on conn, and notes each step.
func deliver(conn net.Conn, host, to, nonce string, failed *error) string {
	var b strings.Builder
	step := func(what string, err error) bool {
		if err != nil {
			*failed = fmt.Errorf("%s: %w", what, err)
			return false
		}
		fmt.Fprintf(&b, "%s: accepted\n", what)
		return true
	}

	c, err := smtp.NewClient(conn, host)
	if !step("greeting of "+host, err) {
		return b.String()
	}

	defer c.Close()

	message := "From: someone@example.org\r\nTo: " + to +
		"\r\nSubject: hello\r\nMessage-ID: <" + nonce +
		"@example.org>\r\n\r\nDoes mail arrive?\r\n"

	if step("EHLO sender.example.org", c.Hello("sender.example.org")) &&
		step("MAIL FROM:<someone@example.org>", c.Mail("someone@example.org")) &&
		step("RCPT TO:<"+to+">", c.Rcpt(to)) {
		w, err := c.Data()
		if err == nil {
			_, err = w.Write([]byte(message))
			err = errors.Join(err, w.Close())
		}

		if step("DATA", err) {
			c.Quit()
		}
	}

	return b.String()
}

// sabotage deletes the MX record with a key of its own right, as anyone with access to
// the zone could, and takes the forward of port 143 from the router.
func (o *Internet) sabotage(ctx context.Context) error {
	zone, err := providers.Open("rfc2136", zone.Options{
		Zone: "nomeazienda.it",
		Settings: map[string]string{
			"server": o.DNS.Addr(), "key_name": "mailpub.", "key": o.Key,
		},
	})

	if err != nil {
		return err
	}

	key := mail.DNSKey("nomeazienda.it", "MX")
	items, err := zone.Read(ctx, []plan.Key{key})
	if err != nil || len(items) == 0 {
		return fmt.Errorf("no MX to delete: %w", errors.Join(err))
	}

	change := plan.Change{Key: key, Action: plan.Delete, Before: items[0].Lines}
	if err := zone.Apply(ctx, []plan.Change{change}, func(plan.Change, error) {}); err != nil {
		return err
	}

	o.Router.Remove("tcp", 143)
	return nil
}
