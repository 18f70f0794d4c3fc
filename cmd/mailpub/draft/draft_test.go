package draft

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/cmd/mailpub/config"
	"github.com/mailpub/mailpub/cmd/mailpub/scout"
	"github.com/mailpub/mailpub/nat"
	"github.com/mailpub/mailpub/providers"
)

// found is what there is at the site of the README: a server behind a router, nothing published.
func found() scout.Result {
	return scout.Result{
		Machine: scout.Machine{Address: netip.MustParseAddr("10.10.10.10"), User: "mario"},
		Router: scout.Router{Report: nat.Report{
			Device:   "router at http://10.10.10.1/",
			Protocol: "upnp",
			WAN:      nat.WANAddress{Address: netip.MustParseAddr("2.2.2.2"), Kind: "public"},
		}},
		DNS: scout.DNS{
			Domains: []scout.Domain{{Name: "nomeazienda.it", Zone: scout.Zone{Name: "nomeazienda.it", Nameservers: []string{"ns.nomeazienda.it"}, Server: "192.0.2.53:53"}}},
			Reverse: scout.Reverse{Zone: scout.Zone{
				Name:        "2.2.2.in-addr.arpa",
				Nameservers: []string{"ns.nomeazienda.it"},
			}},
		},
		Server: scout.Server{
			Address: netip.MustParseAddr("10.10.10.10"),
			Here:    true,
			Silent:  "connection refused",
		},
	}
}

// write makes the file, which must load.
func write(t *testing.T, f scout.Result, c Choices) (*config.Config, string) {
	t.Helper()
	c = Suggest(f, c)
	if missing := c.Missing(); missing != nil {
		t.Fatalf("not known: %v", missing)
	}

	text, err := From(f, c).YAML()
	if err != nil {
		t.Fatal(err)
	}

	cfg, err := config.Parse("mailpub.yaml", text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}

	return cfg, string(text)
}

// What is found decides what is suggested.
func TestSuggest(t *testing.T) {
	t.Setenv(keyVariable, "secret")
	host := func(f *scout.Result, z scout.Zone) { f.DNS.Domains[0].Zone = z }
	for _, c := range []struct {
		name   string
		change func(*scout.Result, *Choices)
		want   func(*config.Config) any
		is     any
	}{
		{"a key of one's own name server", nil, func(c *config.Config) any { return c.Zones[0].Provider + " " + c.Zones[0].Settings["server"] }, "rfc2136 192.0.2.53"},
		{"its reverse zone", nil, func(c *config.Config) any { return c.Zones[1].Name }, "2.2.2.in-addr.arpa"},
		{"Cloudflare", func(f *scout.Result, _ *Choices) {
			host(f, scout.Zone{Name: "nomeazienda.it", Nameservers: []string{"ada.ns.cloudflare.com"}, Host: providers.Host{Name: "cloudflare", Provider: "cloudflare"}})
		}, func(c *config.Config) any { return c.Zones[0].Settings["token"] }, "env:MAILPUB_CLOUDFLARE_TOKEN"},
		{"a host without a driver", func(f *scout.Result, _ *Choices) {
			host(f, scout.Zone{Name: "nomeazienda.it", Nameservers: []string{"dns.technorail.com"}, Host: providers.Host{Name: "Aruba", Provider: "manual"}})
		}, func(c *config.Config) any { return c.Zones[0].Provider }, "manual"},
		{"a domain that is not delegated", func(f *scout.Result, _ *Choices) { host(f, scout.Zone{Silent: "nobody has registered it"}) },
			func(c *config.Config) any { return c.Zones[0].Name + " " + c.Zones[0].Provider }, "nomeazienda.it manual"},
		{"the address of the router", nil, func(c *config.Config) any { return c.Server.Public.IPv4 }, "auto"},
		{"no router", func(f *scout.Result, c *Choices) {
			f.Router = scout.Router{Silent: "nothing answers"}
			c.Public = "2.2.2.2"
		},
			func(c *config.Config) any { return c.Router.Protocol }, "manual"},
		{"a server in the open", func(f *scout.Result, _ *Choices) {
			f.Router = scout.Router{Silent: "nothing answers"}
			f.Server.Address = netip.MustParseAddr("2.2.2.2")
		}, func(c *config.Config) any { return c.Router.Protocol + " " + c.Server.Public.IPv4 }, "none 2.2.2.2"},
		{"a router in front", func(f *scout.Result, c *Choices) {
			f.Router.WAN = nat.WANAddress{Address: netip.MustParseAddr("100.64.0.2"), Kind: "cgnat"}
			c.Public = "2.2.2.2"
		}, func(c *config.Config) any { return c.Router.BehindNAT }, false},
		{"the hostname of the machine", func(f *scout.Result, _ *Choices) { f.Machine.Name = "mx1.nomeazienda.it" },
			func(c *config.Config) any { return c.Server.Hostname }, "mx1.nomeazienda.it"},
		{"a machine of another domain", func(f *scout.Result, _ *Choices) { f.Machine.Name = "mx1.example.org" },
			func(c *config.Config) any { return c.Server.Hostname }, "mail.nomeazienda.it"},
		{"an MX that is there", func(f *scout.Result, _ *Choices) {
			f.DNS.Domains[0].MX = []scout.MX{{Host: "post.nomeazienda.it", Preference: 10}}
			f.DNS.Host = scout.Host{Name: "post.nomeazienda.it", Zone: f.DNS.Domains[0].Zone}
		}, func(c *config.Config) any { return c.Server.Hostname }, "post.nomeazienda.it"},
		{"nothing listens", nil, func(c *config.Config) any { return c.Service.Type }, "receiver"},
		{"Postfix here", func(f *scout.Result, _ *Choices) {
			f.Server.Kind = "postfix"
			f.Server.Installed = []string{"postfix"}
		},
			func(c *config.Config) any { return c.Service.Type }, "postfix"},
		{"Postfix elsewhere", func(f *scout.Result, _ *Choices) {
			f.Server.Kind = "postfix"
			f.Server.Here = false
		},
			func(c *config.Config) any { return c.Service.Type }, "manual"},
		{"MDaemon, wherever", func(f *scout.Result, _ *Choices) {
			f.Server.Kind = "mdaemon"
			f.Server.Here = false
		},
			func(c *config.Config) any { return c.Service.Type }, "mdaemon"},
		{"a server nobody knows", func(f *scout.Result, _ *Choices) { f.Server.Greeting = "220 mail ESMTP ready" },
			func(c *config.Config) any { return c.Service.Type }, "manual"},
		{"what listens is forwarded", func(f *scout.Result, _ *Choices) { f.Server.Listens = []scout.Port{{Name: "imaps", Number: 993}} },
			func(c *config.Config) any { return len(c.Router.Forwards) }, 2},
		{"who sits there reads postmaster's mail", nil, func(c *config.Config) any { return c.Service.Aliases[0].To }, "mario"},
		{"a site that begins with a digit", func(f *scout.Result, _ *Choices) {
			f.DNS.Domains[0].Name = "1a-b.example"
			f.DNS.Domains[0].Zone.Name = "1a-b.example"
		},
			func(c *config.Config) any { return c.Site }, "1a-b"},
	} {
		f := found()
		choices := Choices{}
		if c.change != nil {
			c.change(&f, &choices)
		}

		if cfg, text := write(t, f, choices); c.want(cfg) != c.is {
			t.Errorf("%s: %v, want %v\n%s", c.name, c.want(cfg), c.is, text)
		}
	}
}

// With MDaemon the draft shows how it is driven, by the loopback address.
func TestMDaemon(t *testing.T) {
	f := found()
	f.Server.Kind = "mdaemon"
	if _, text := write(t, f, Choices{}); !strings.Contains(text,
		"#   url: https://127.0.0.1:444/MdMgmtWS/\n  #   user: admin@nomeazienda.it\n") {
		t.Error(text)
	}
}

// What nobody can know is named, by the flag that gives it.
func TestMissing(t *testing.T) {
	f := found()
	f.Router.WAN = nat.WANAddress{Address: netip.MustParseAddr("192.168.0.2"), Kind: "private"}
	c := Suggest(f, Choices{Provider: "inwx"})
	if got := strings.Join(c.Missing(), ", "); got != "--public, --set user=..." {
		t.Errorf("missing: %s", got)
	}
}

// All that mailpub writes itself is read from what exists; what says more is left alone.
func TestExisting(t *testing.T) {
	f := found()
	d := &f.DNS.Domains[0]
	d.MX = []scout.MX{{Host: "mail.nomeazienda.it", Preference: 5},
		{Host: "mx2.example.net", Preference: 20}}

	d.TTL = 300
	d.SPF = "v=spf1 mx ip4:2.2.2.2 include:_spf.example.net +include:b.example -all"
	d.DMARC = "v=DMARC1; p=reject; rua=mailto:a@nomeazienda.it,mailto:b@example.org"
	d.TLSRPT = "v=TLSRPTv1; rua=https://example.org/r"
	d.Services = []scout.Service{{Name: "imaps", Host: ".", Port: 993}}
	d.Selectors = []string{"m1"}
	d.MTASTS = "v=STSv1; id=1"
	f.DNS.Host = scout.Host{
		Name: "mail.nomeazienda.it",
		Zone: d.Zone,
		Addresses: []netip.Addr{netip.MustParseAddr("2.2.2.2"),
			netip.MustParseAddr("2001:db9::1")},
		CAA:  []string{"letsencrypt.org"},
		TLSA: []int{25},
	}

	f.Router.Forwards = []nat.ForwardStatus{{Name: "tcp/25", Is: "10.10.10.10:2525"},
		{Name: "tcp/993", Is: "10.10.10.10:993"}, {Name: "tcp/143", Is: "10.10.10.20:143"}}

	cfg, text := write(t, f, Choices{Existing: true, Provider: "manual"})
	dom := cfg.Domains[0]
	switch {
	case len(dom.MX) != 2 || dom.MX[0].Preference != 5, strings.Contains(text, "ttl:"): // what is there keeps its own
		t.Errorf("MX: %+v", dom.MX)
	case strings.Join(dom.SPF.Include, " ") != "_spf.example.net b.example", dom.SPF.All != "fail":
		t.Errorf("SPF: %+v", dom.SPF)
	case dom.DMARC.Policy != "reject", len(dom.DMARC.RUA) != 2, dom.TLSRPT[0] != "https://example.org/r":
		t.Errorf("DMARC: %+v, %v", dom.DMARC, dom.TLSRPT)
	case len(dom.Services) != 1 || dom.Services[0].Host != ".", cfg.Server.CAA[0] != "letsencrypt.org", cfg.Server.Public.IPv6 != "2001:db9::1", cfg.Router.IPv6 != "open":
		t.Errorf("the rest: %+v, %+v", dom, cfg.Server)
	case len(cfg.Router.Forwards) != 2 || cfg.Router.Forwards[0].Internal != 2525:
		t.Errorf("forwards: %+v", cfg.Router.Forwards)
	}

	for _, left := range []string{"# TLSA records", "# MTA-STS",
		"# DKIM of nomeazienda.it, selector m1"} {
		if !strings.Contains(text, left) {
			t.Errorf("it does not say what is left alone: %s\n%s", left, text)
		}
	}

	for record, policy := range map[string]string{
		"v=DMARC1; p=none": "none", "v=DMARC1;p=quarantine;": "quarantine",
		"v=DMARC1; p=reject; pct=50": "", "v=DMARC1; p=ban": "", "p=none": "", "": "",
	} {
		if got, _ := dmarc(record); got != policy {
			t.Errorf("%q: %q, want %q", record, got, policy)
		}
	}
}

// Whatever a name server or a person says, the file says the same and no more.
func TestHostileText(t *testing.T) {
	f := found()
	f.DNS.Domains[0].Zone.Nameservers = []string{"ns.example.net\n  evil: yes # x"}
	f.Server.Greeting = "220 x\nservice: {type: postfix}"
	c := Choices{
		Provider: "inwx",
		Settings: map[string]string{"user": `a: "b" # c`, "password": "file:C:\\keys\\a b.txt"},
		Service:  "manual",
	}

	cfg, text := write(t, f, c)
	if cfg.Zones[0].Settings["user"] != `a: "b" # c` ||
		cfg.Zones[0].Settings["password"] != `file:C:\keys\a b.txt` ||
		cfg.Service.Type != "manual" {
		t.Errorf("%+v, %s", cfg.Zones[0], text)
	}

	c.Settings["password"] = "file:a\nevil: yes"
	if _, err := From(f, Suggest(f, c)).YAML(); err == nil {
		t.Error("a line end in a value is written")
	}
}

// What says more than the config can, or is kept by others, is left alone and listed; nothing of it
// keeps the config from being written.
func TestExistingLeavesAlone(t *testing.T) {
	f := found()
	d := &f.DNS.Domains[0]
	d.MX = []scout.MX{{Host: "aspmx.l.google.com", Preference: 1}}
	d.TTL = 30 * 24 * 3600
	d.SPF = "v=spf1 ip4:2.2.2.2 include:_spf.google.com ~all"
	d.DMARC = "v=DMARC1; p=none; rua=mailto:d@nomeazienda.it!10m"
	d.TLSRPT = "v=TLSRPTv1;rua=mailto:t@nomeazienda.it"
	d.OtherServices = []string{"_imaps._tcp 0 0 993 mail.nomeazienda.it."}
	d.Elsewhere = []scout.AliasedName{{Name: "k1._domainkey.nomeazienda.it", Alias: "dkim.mcsv.net"}}
	f.DNS.Host = scout.Host{
		Name:      "mail.nomeazienda.it",
		Zone:      d.Zone,
		Addresses: []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		OtherCAA:  []string{`0 iodef "mailto:a@nomeazienda.it"`},
	}

	cfg, text := write(t, f, Choices{
		Existing: true,
		Provider: "manual",
		Hostname: "mail.nomeazienda.it",
	})

	dom := cfg.Domains[0]
	if dom.MX == nil || len(dom.MX) != 0 || dom.DMARC.Policy != "" || len(dom.TLSRPT) != 1 ||
		dom.TLSRPT[0] != "t@nomeazienda.it" || len(cfg.Server.CAA) != 0 {
		t.Errorf("%+v", dom)
	}

	for _, want := range []string{
		"it says more than domains.dmarc can",
		"SRV of nomeazienda.it with its own priorities or weights: _imaps._tcp 0 0 993",
		"k1._domainkey.nomeazienda.it: an alias of dkim.mcsv.net",
		"CAA of mail.nomeazienda.it, 0 iodef",
		"mail is taken there, and this server only sends",
	} {
		if !strings.Contains(strings.ReplaceAll(text, "\n# ", " "), want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

// A mail host whose name no host may have keeps no config from being written: the name of its address takes its place.
func TestHostWithUnderscore(t *testing.T) {
	for _, c := range []struct {
		reverse []string
		want    string
	}{
		{[]string{"mx_1.nomeazienda.it", "posta.nomeazienda.it"}, "posta.nomeazienda.it"},
		{[]string{"host-2-2-2-2.provider.example"}, "mail.nomeazienda.it"},
		{nil, "mail.nomeazienda.it"},
	} {
		f := found()
		d := &f.DNS.Domains[0]
		d.MX = []scout.MX{{Host: "mail_1.nomeazienda.it", Preference: 10},
			{Host: "backup_1.provider.example", Preference: 20}}

		f.DNS.Host = scout.Host{
			Name:      "mail_1.nomeazienda.it",
			Zone:      d.Zone,
			Addresses: []netip.Addr{netip.MustParseAddr("2.2.2.2")},
		}

		f.DNS.Reverse.Names = c.reverse
		cfg, text := write(t, f, Choices{Existing: true, Provider: "manual"})
		mx := cfg.Domains[0].MX

		if cfg.Server.Hostname != c.want || len(mx) != 2 || mx[0].Host != c.want ||
			mx[1].Host != "backup_1.provider.example" {
			t.Errorf("%q: %s, %+v", c.reverse, cfg.Server.Hostname, mx)
		}

		if !strings.Contains(strings.ReplaceAll(text, "\n# ", " "),
			"mail_1.nomeazienda.it: no host may have this name") {
			t.Errorf("not told in\n%s", text)
		}

		d.MX = d.MX[:1]
		if cfg, _ := write(t, f, Choices{
			Existing: true,
			Provider: "manual",
		}); len(cfg.Domains[0].MX) != 1 || cfg.Domains[0].MX[0].Host != c.want {
			t.Errorf("%q alone: %+v", c.reverse, cfg.Domains[0].MX)
		}
	}
}
