package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// dnsCase is a site whose zones and resolvers are as people really have them. In all texts {D} is
// the domain, {A} the public address, {N} its last number, {R} the same in the order of reverse
// zones, {OWN} and {OTHER} the two providers' name servers. Lines without an owner's final dot are
// relative to their zone.
type dnsCase struct {
	name   string
	server string              // of dnsServers, that mailpub writes to
	domain string              // "" makes one
	own    map[string][]string // zones at the provider that mailpub writes; "{D}" is a name like others
	other  map[string][]string // zones at another one
	inner  []string            // the domain's zone as the office's resolver serves it
	parent []string            // of the delegation; by default the domain is at {OWN}
	ptr    []string            // lines of the reverse zone; by default the PTR is right
	config []string            // edits of dnsConfig, "old => new"
	office bool                // the resolver here is the office's

	address, dir string
	words        *strings.Replacer
}

const dnsConfig = `site: dns
server:
  hostname: mail.{D}
  address: {A}
  public: {ipv4: {A}}
domains:
  - name: {D}
zones:
  - name: {D}
    provider: rfc2136
    settings: {server: "` + firstServer + `:53", key_name: mailpub., key: "env:MAILPUB_TSIG_KEY"}
router: {protocol: none, forwards: [{name: smtp, port: 25}]}
service: {aliases: [{address: postmaster, to: mario}, {address: abuse, to: mario}]}
verify:
  resolvers: [RESOLVER]
  hosts: hosts
`

const (
	ownName   = "ns1.names.example."
	otherName = "ns2.names.example."
)

// rightSite are the records of a site as mailpub makes it.
func rightSite() []string {
	return []string{"@ NS {OWN}", "@ MX 10 mail", `@ TXT "v=spf1 mx ip4:{A} -all"`,
		"mail A {A}", `mail TXT "v=spf1 a -all"`}
}

// dnsWorld is the lab's Internet with the zones of some cases: the root, registries, providers that
// mailpub writes to, another one (BIND), a resolver, and an office's resolver.
type dnsWorld struct {
	*internet
	reverse []string
}

func newDNSWorld(t *testing.T, cases []*dnsCase, more ...func(*dnsWorld)) *dnsWorld {
	w := &dnsWorld{internet: newInternet(t), reverse: []string{"@ NS " + otherName}}
	for _, zone := range []string{"com", "net"} {
		w.parents[zone] = new(strings.Builder)
		w.delegate(zone, "@ NS ns.registry.example.")
	}

	w.delegate("in-addr.arpa", "3.2.2 NS "+otherName)
	w.delegate("example", `*._dmarc.vendor TXT "v=DMARC1;p=reject;rua=mailto:d@vendor.example"`,
		`none._dmarc.vendor TXT "v=DMARC1; p=none"`,
		`*._report._dmarc.vendor TXT "v=DMARC1"`, "hosting TXT \"a provider\"")

	for _, add := range more {
		add(w)
	}

	own := map[string]map[string]string{}
	other := map[string]string{}
	office := map[string]string{}

	for kind, server := range dnsServers() {
		own[kind] = map[string]string{}
		if kind != "" {
			w.must("inet", "ip", "addr", "add", server.address+"/24", "dev", "br0")
			w.delegate("example", server.name+" A "+server.address)
		}
	}

	for i, c := range cases {
		w.prepare(i+1, c)
		for name, lines := range c.own {
			own[c.server][c.words.Replace(name)] = c.zone(dnsServers()[c.server].name, lines)
		}

		for name, lines := range c.other {
			other[c.words.Replace(name)] = c.zone(otherName, lines)
		}

		if c.inner != nil {
			office[c.domain] = c.zone("dc1", c.inner)
		}
	}

	other["3.2.2.in-addr.arpa"] = strings.Replace(zoneHead, "ns.registry.example.", otherName,
		1) + strings.Join(w.reverse, "\n") + "\n"

	w.serve(t, own, other, office)
	return w
}

// zone is the text of a zone whose primary is called like that.
func (c *dnsCase) zone(primary string, lines []string) string {
	head := strings.Replace(zoneHead, "ns.registry.example. hostmaster.registry.example.",
		primary+" admin", 1)
	return head + c.words.Replace(strings.Join(lines, "\n")) + "\n"
}

// prepare makes the names, the delegation and the files of a case.
func (w *dnsWorld) prepare(n int, c *dnsCase) {
	w.t.Helper()
	if c.domain == "" {
		c.domain = fmt.Sprintf("d%02d.it", n)
	}

	c.address = fmt.Sprintf("2.2.3.%d", n)
	c.dir = filepath.Join(w.dir, c.domain)
	c.words = strings.NewReplacer("{D}", c.domain, "{A}", c.address, "{N}", fmt.Sprint(n),
		"{R}", fmt.Sprintf("%d.3.2.2", n),
		"{OWN}", dnsServers()[c.server].name, "{OTHER}", otherName)

	if c.own == nil {
		c.own = map[string][]string{"{D}": rightSite()}
	}

	if c.parent == nil {
		c.parent = []string{"@ NS {OWN}"}
	}

	if c.ptr == nil {
		c.ptr = []string{"{N} PTR mail.{D}."}
	}

	w.delegate("it", "$ORIGIN "+c.domain+".", c.words.Replace(strings.Join(c.parent, "\n")),
		"$ORIGIN it.")

	w.reverse = append(w.reverse, c.words.Replace(strings.Join(c.ptr, "\n")))
	w.must("inet", "ip", "addr", "add", c.address+"/32", "dev", "br0")
	if err := os.Mkdir(c.dir, 0o755); err != nil {
		w.t.Fatal(err)
	}

	resolver := labResolver
	if c.office {
		resolver = officeServer
	}

	config := strings.Replace(edited(w.t, dnsConfig, c.config), "RESOLVER", resolver, 1)
	config = strings.ReplaceAll(config, firstServer+":53", dnsServers()[c.server].address+":53")
	w.write(filepath.Join(c.dir, "mailpub.yaml"), c.words.Replace(config))
	w.write(filepath.Join(c.dir, "hosts"), "127.0.0.1 localhost\n")
}

// serve starts the name servers and, for each case, what answers as its mail server.
func (w *dnsWorld) serve(t *testing.T, own map[string]map[string]string, other, office map[string]string) {
	t.Helper()
	top := zoneHead + "@ NS ns.registry.example.\nns.registry.example. A " + rootServer + "\n"
	root := map[string]string{}

	for zone, lines := range w.parents {
		top += zone + ". NS ns.registry.example.\n"
		root[zone] = zoneHead + lines.String()
	}

	root["."] = top
	w.bind(t, "root", rootServer, "recursion no;", "", root)
	servers := []string{rootServer, secondServer, labResolver, officeServer}

	for kind, zones := range own {
		if len(zones) > 0 {
			server := dnsServers()[kind]
			server.start(w, t, server.address, zones)
			servers = append(servers, server.address)
		}
	}

	w.bind(t, "other", secondServer, "recursion no; check-names primary ignore;", "", other)
	hints := filepath.Join(w.names, "hints")
	w.write(hints, ". 300 NS ns.registry.example.\nns.registry.example. 300 A "+rootServer+"\n")
	hint := fmt.Sprintf("zone \".\" { type hint; file %q; };\n", hints)
	const cold = "recursion yes; max-cache-ttl 0; max-ncache-ttl 0; qname-minimization off;"
	w.bind(t, "resolver", labResolver, cold, hint, nil)
	w.bind(t, "office", officeServer, cold, hint, office)

	for _, server := range servers {
		w.eventually("a name server at "+server, func() bool {
			_, _, code := w.on("inet", "dig", "+tries=1", "+time=1", "@"+server, "it", "SOA")
			return code == 0
		})
	}
}

// mailServer answers as a host at an address.
func (w *dnsWorld) mailServer(t *testing.T, address, host string) {
	t.Helper()
	l := w.lab.Listen(t, "inet", net.JoinHostPort(address, "25"))
	t.Cleanup(func() { l.Close() })
	go greetAs(l, host)
}

// setUp settles what is not DNS: with all zones by hand, apply sets the mail server alone.
func (w *dnsWorld) setUp(t *testing.T, c *dnsCase) {
	t.Helper()
	w.mailServer(t, c.address, "mail."+c.domain)
	config, err := os.ReadFile(filepath.Join(c.dir, "mailpub.yaml"))
	if err != nil {
		t.Fatal(err)
	}

	var byHand []string
	for line := range strings.Lines(string(config)) {
		line = regexp.MustCompile(`provider: rfc2136(, settings: .*\}\})?`).ReplaceAllString(line,
			"provider: manual")

		if strings.Contains(line, "- {name:") && strings.Contains(line, "manual") &&
			!strings.Contains(line, "}") {
			line = strings.TrimSuffix(line, "\n") + "}\n"
		}

		if !strings.HasPrefix(line, "    settings:") {
			byHand = append(byHand, line)
		}
	}

	w.write(filepath.Join(c.dir, "byhand.yaml"), strings.Join(byHand, ""))
	here := *w.siteInLab
	here.t = t
	here.dir = c.dir
	here.must("inet", w.bin, "-c", "byhand.yaml", "apply", "--yes")
}

// mailpubIn runs mailpub in a case's directory, expects an exit code, and returns all that it printed.
func (w *dnsWorld) mailpubIn(t *testing.T, c *dnsCase, code int, args ...string) string {
	t.Helper()
	here := *w.siteInLab
	here.t = t
	here.dir = c.dir
	out, errs, is := here.on("inet", slices.Concat([]string{w.bin}, args)...)
	t.Logf("$ mailpub %s\n%s%s(exit code %d)", strings.Join(args, " "), out, errs, is)

	if is != code {
		t.Errorf("mailpub %q: exit code %d, want %d", args, is, code)
	}

	return strings.Join(strings.Fields(out+errs), " ")
}
