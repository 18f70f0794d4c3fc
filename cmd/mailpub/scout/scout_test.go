package scout

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/providers/authdns"
	"github.com/mailpub/mailpub/providers/resolver"
)

const zone = `$TTL 600
@    SOA  ns hostmaster 1 7200 900 1209600 300
@    NS   ns
ns   A    192.0.2.53
@    MX   20 backup.example.net.
@    MX   10 mail
@    TXT  "v=spf1 mx -all"
@    TXT  "v=spf1-looks-alike"
@    TXT  "somebody-elses=1"
mail A    2.2.2.2
mail CAA  0 issue "letsencrypt.org"
_25._tcp.mail TLSA 3 1 1 0000000000000000000000000000000000000000000000000000000000000000
_dmarc TXT "v=DMARC1; p=none"
_imaps._tcp SRV 0 1 993 mail
_pop3._tcp  SRV 5 1 110 mail
autoconfig CNAME mail
autodiscover CNAME mail
m1._domainkey TXT "v=DKIM1; p=AAAA"
`

// TestLook looks at a name server and a port of this machine's own, and at no router.
func TestLook(t *testing.T) {
	dns, err := authdns.Start(t.Context(), authdns.Config{Zones: map[string]string{"nomeazienda.it.": zone}})
	if err != nil {
		t.Fatal(err)
	}

	defer dns.Close()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer l.Close()

	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(conn, "220 mail.nomeazienda.it ESMTP Postfix (Debian/GNU)\r\n")
			conn.Close()
		}
	}()

	inside := uint16(l.Addr().(*net.TCPAddr).Port)
	f, err := Detect(t.Context(), Options{
		Domains:     []string{"nomeazienda.it", "nobody.nomeazienda.it"},
		Address:     netip.MustParseAddr("127.0.0.1"),
		NoRouter:    true,
		Ports:       []Port{{Number: 25, Internal: inside}},
		Resolver:    &resolver.Resolver{Servers: []string{dns.Addr()}},
		Nameservers: []string{dns.Addr()},
		Egress:      []string{l.Addr().String(), "127.0.0.1:1"},
	})

	if err != nil {
		t.Fatal(err)
	}

	d := f.DNS.Domains[0]
	if got := fmt.Sprint(d.Zone.Name, d.Zone.Nameservers, d.MX, d.TTL, d.DMARC, d.Services,
		d.Autoconfig, d.Selectors); got !=
		"nomeazienda.it[ns.nomeazienda.it] [{mail.nomeazienda.it 10} {backup.example.net 20}] 600v=DMARC1; p=none[{imaps mail.nomeazienda.it 993} {pop3 mail.nomeazienda.it 110}]mail.nomeazienda.it[m1]" {
		t.Errorf("the domain: %s", got)
	}

	if d.SPF != "" { // two records begin so: none is the one
		t.Errorf("SPF of several: %q", d.SPF)
	}

	if h := f.DNS.Host; h.Name != "mail.nomeazienda.it" || len(h.Addresses) != 1 ||
		len(h.CAA) != 1 || len(h.TLSA) != 1 || h.Zone.Name != "nomeazienda.it" {
		t.Errorf("the mail host: %+v", h)
	}

	if s := f.Server; s.Kind != "postfix" || s.Name != "mail.nomeazienda.it" || !s.Here ||
		len(s.Listens) == 0 || s.Listens[0].Name != "smtp" {
		t.Errorf("the server: %+v", s)
	}

	if !strings.Contains(f.Egress[0].Says, "Postfix") || f.Egress[1].Silent == "" {
		t.Errorf("port 25 outwards: %+v", f.Egress)
	}

	if f.Router.Silent == "" || f.Public() != netip.MustParseAddr("2.2.2.2") {
		t.Errorf("the router %+v, public %v", f.Router, f.Public())
	}
}

func TestPublic(t *testing.T) {
	a := netip.MustParseAddr
	router := func(addr, kind string) Router {
		return Router{Report: nat.Report{WAN: nat.WANAddress{Address: a(addr), Kind: kind}}}
	}

	for _, c := range []struct {
		name string
		f    Result
		want string
	}{
		{"the router's", Result{Router: router("2.2.2.2", "public")}, "2.2.2.2"},
		{"behind another router, as DNS has it", Result{Router: router("100.64.0.2", "cgnat"), DNS: DNS{Host: Host{Addresses: []netip.Addr{a("2001:db8::1"), a("2.2.2.3")}}}}, "2.2.2.3"},
		{"behind another router, and nothing published", Result{Router: router("192.168.0.2", "private")}, "invalid IP"},
		{"the server's own", Result{Router: Router{Silent: "none"}, Server: Server{Address: a("2.2.2.4")}}, "2.2.2.4"},
		{"nobody knows", Result{Router: Router{Silent: "none"}, Server: Server{Address: a("10.0.0.1")}}, "invalid IP"},
	} {
		if got := c.f.Public().String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"mail.nomeazienda.it": true, "mail.example.co.uk": true, "server.fritz.box": false,
		"server.lan": false, "printer.local": false, "localhost": false, "co.uk": false,
		"host": false,
	} {
		if isPublicName(name) != want {
			t.Errorf("%s: want %v", name, want)
		}
	}

	if d := DomainOf("mail.sub.example.co.uk"); d != "example.co.uk" {
		t.Errorf("the domain is %q", d)
	}
}

func TestPorts(t *testing.T) {
	all := Ports([]Port{{Number: 25, Internal: 2525}, {Number: 8443},
		{Name: "x", Number: 8444}})
	if all[0].Inside() != 2525 || all[0].Name != "smtp" ||
		all[len(all)-2].Name != "port8443" || all[len(all)-1].Name != "x" {
		t.Errorf("%v", all)
	}
}
