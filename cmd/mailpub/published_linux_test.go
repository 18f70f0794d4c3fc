package main

import (
	"crypto/tls"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/examples/lab"
	"github.com/mailpub/mailpub/mailsvc/dkim"
	"github.com/mailpub/mailpub/plan/mail"
)

// published is what differs in a scenario's site from one that is as it should be. Edits of
// zones are lines like "- mail A", which takes records away, and "+ mail A 2.2.2.9". In all
// of them {D} is the domain, {A} the public address, {R} the same in the order of reverse zones,
// {KEY} the digest of the key that is shown, {DKIM} and {ID} the texts of the records.
type published struct {
	zone      []string // edits of the zone
	second    []string // further ones of the second server's copy; "lame": it has none
	parent    []string // of the delegation
	reverse   []string // of the PTR records; the owner is "@"
	elsewhere []string // lines of the zone "example"
	inner     []string // lines of the zone as the office's resolver serves it
	config    []string // "old => new"
	hosts     string   // the hosts file
	signing   signing
	policy    string // that is served by MTA-STS; "none": no policy
	shown     func(*internet, string) *tls.Certificate
}

// signing is how a zone is signed.
type signing string

const (
	signed     signing = "signed, and the parent has its DS"
	expired    signing = "signed, until long ago"
	unvouched  signing = "signed, and the parent has no DS"
	strangeDS  signing = "signed, and the parent has the DS of another key"
	unsignedDS signing = "unsigned, and the parent has a DS"
)

const goodConfig = `site: %[1]s
server:
  hostname: mail.{D}
  address: ` + lab.Outside + `
  public: {ipv4: {A}}
domains:
  - name: {D}
    dkim: [{selector: m1, file: dkim.pem}]
    dmarc: {policy: reject, rua: [postmaster@{D}]}
    mta_sts: {mode: enforce, host: none}
    tlsrpt: [postmaster@{D}]
    services: [{name: imaps}]
    autoconfig: mail.{D}
zones:
  - {name: {D}, provider: manual}
router: {protocol: none, forwards: [{name: smtp, port: 25, internal: 2525}]}
service: {type: manual}
verify:
  resolvers: [` + labResolver + `]
  hosts: hosts
  dnsbl: [bl.example]
`

// goodZone is what that asks for.
var goodZone = []string{
	"@ NS ns1.names.example.", "@ NS ns2.names.example.",
	"@ MX 10 mail", `@ TXT "v=spf1 mx ip4:{A} -all"`, `@ TXT "verification=of-somebody-else"`,
	`@ CAA 0 issue "letsencrypt.org"`,
	"mail A {A}", `mail TXT "v=spf1 a -all"`, "www A " + lab.Outside,
	"m1._domainkey TXT {DKIM}", `_dmarc TXT "v=DMARC1; p=reject; rua=mailto:postmaster@{D}"`,
	`_mta-sts TXT "v=STSv1; id={ID}"`, "mta-sts A " + lab.Outside,
	`_smtp._tls TXT "v=TLSRPTv1; rua=mailto:postmaster@{D}"`,
	"_imaps._tcp SRV 0 1 993 mail", "autoconfig CNAME mail", "autodiscover CNAME mail",
}

// publishedSite is the site of one scenario.
type publishedSite struct {
	scenario
	domain  string // without final dot
	address netip.Addr
	dir     string
	words   *strings.Replacer
}

func (in *internet) newSite(n int, s scenario, key string) *publishedSite {
	site := &publishedSite{
		scenario: s,
		domain:   fmt.Sprintf("s%02d.it", n),
		address:  netip.AddrFrom4([4]byte{2, 2, 3, byte(n)}),
		dir:      filepath.Join(in.dir, fmt.Sprint("s", n)),
	}

	policy := mail.Domain{
		Name: site.domain + ".",
		MX:   []mail.MX{{Host: "mail." + site.domain + "."}},
		MTASTS: mail.MTASTS{
			Mode:   "enforce",
			MaxAge: 7 * 24 * time.Hour,
		},
	}.Policy()

	site.words = strings.NewReplacer("{D}", site.domain, "{A}", site.address.String(), "{R}",
		fmt.Sprintf("%d.3.2.2", n),
		"{KEY}", in.key.digest, "{DKIM}", `"`+key[:200]+`" "`+key[200:]+`"`, "{ID}",
		mail.PolicyID(policy))

	switch s.policy {
	case "":
		in.served[site.domain] = strings.Join(policy, "\r\n") + "\r\n"
	case "none":
	default:
		in.served[site.domain] = site.words.Replace(s.policy)
	}

	if s.shown != nil {
		host := "mail." + site.domain
		in.shows[host] = s.shown(in, host)
	}

	return site
}

// edited returns lines of a zone after edits.
func (site *publishedSite) edited(lines []string, edits ...string) []string {
	for _, e := range edits {
		e, adds := strings.CutPrefix(e, "+ ")
		if adds {
			lines = append(slices.Clone(lines), e)
			continue
		}

		prefix := strings.TrimPrefix(e, "- ") + " "
		lines = slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
			return strings.HasPrefix(l, prefix)
		})
	}

	return lines
}

func (site *publishedSite) text(serial int, lines []string) string {
	return strings.Replace(zoneHead, " 1 3600", fmt.Sprintf(" %d 3600", serial), 1) +
		site.words.Replace(strings.Join(lines, "\n")) + "\n"
}

// publish makes the sites of all scenarios that have one, and starts what serves them.
func (in *internet) publish(t testing.TB, all []scenario) {
	key, err := dkim.Make(filepath.Join(in.dir, "dkim.pem"), dkim.RSA)
	if err != nil {
		t.Fatal(err)
	}

	first := map[string]string{}
	second := map[string]string{}
	office := map[string]string{}
	reverse := []string{"@ NS ns1.names.example.", "@ NS ns2.names.example."}
	in.delegate("in-addr.arpa", "3.2.2 NS ns1.names.example.", "3.2.2 NS ns2.names.example.")
	in.delegate("example", "bl TXT \"a block list\"")

	for n, s := range all {
		if !s.hasSite() {
			continue
		}

		site := in.newSite(n+1, s, key.Record())
		in.sites[s.name] = site
		lines := site.edited(goodZone, s.zone...)
		first[site.domain] = site.text(1, lines)
		parent := site.edited([]string{"@ NS ns1.names.example.", "@ NS ns2.names.example."},
			s.parent...)

		if s.signing != "" {
			in.sign(t, site, first, &parent)
		}

		switch {
		case slices.Equal(s.second, []string{"lame"}):
		case s.second != nil:
			second[site.domain] = site.text(2, site.edited(lines, s.second...))
		default:
			second[site.domain] = first[site.domain]
		}

		if s.inner != nil {
			head := strings.Replace(zoneHead,
				"ns.registry.example. hostmaster.registry.example.", "dc1 admin", 1)
			office[site.domain] = head + site.words.Replace(strings.Join(s.inner, "\n")) + "\n"
		}

		in.delegate("it", "$ORIGIN "+site.domain+".",
			site.words.Replace(strings.Join(parent, "\n")), "$ORIGIN it.")

		in.delegate("example", site.words.Replace(strings.Join(s.elsewhere, "\n")))
		for _, line := range site.edited([]string{"@ PTR mail.{D}."}, s.reverse...) {
			reverse = append(reverse, site.words.Replace(strings.Replace(line, "@ ",
				fmt.Sprintf("%d ", n+1), 1)))
		}

		in.configure(t, site)
	}

	both := zoneHead + strings.Join(reverse, "\n") + "\n"
	first["3.2.2.in-addr.arpa"] = both
	second["3.2.2.in-addr.arpa"] = both
	in.startNames(t, first, second, office)
	in.serveShown(t)
}

// configure writes the files of a site.
func (in *internet) configure(t testing.TB, site *publishedSite) {
	t.Helper()
	if err := os.Mkdir(site.dir, 0o755); err != nil {
		t.Fatal(err)
	}

	config := edited(t, fmt.Sprintf(goodConfig, filepath.Base(site.dir)), site.config)
	in.write(filepath.Join(site.dir, "mailpub.yaml"), site.words.Replace(config))
	in.write(filepath.Join(site.dir, "hosts"),
		"127.0.0.1 localhost\n"+site.words.Replace(site.hosts)+"\n")

	if err := os.Link(filepath.Join(in.dir, "dkim.pem"),
		filepath.Join(site.dir, "dkim.pem")); err != nil {
		t.Fatal(err)
	}
}

// edited returns a config after edits, each "old => new".
func edited(t testing.TB, config string, edits []string) string {
	t.Helper()
	for _, e := range edits {
		old, text, _ := strings.Cut(e, " => ")
		if !strings.Contains(config, old) {
			t.Fatalf("the config has no %q", old)
		}
		config = strings.Replace(config, old, text, 1)
	}

	return config
}

// sign signs a site's zone, with BIND's own tools.
func (in *internet) sign(t testing.TB, site *publishedSite, zones map[string]string, parent *[]string) {
	t.Helper()
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, errs.String())
		}

		return strings.TrimSpace(string(out))
	}

	ds := func(key string) string {
		_, data, _ := strings.Cut(run("dnssec-dsfromkey", "-2", key), " IN ")
		return "@ " + data
	}

	newKey := func() string {
		return run("dnssec-keygen", "-a", "ECDSAP256SHA256", "-f", "KSK", site.domain)
	}

	if site.signing == unsignedDS || site.signing == strangeDS {
		key := newKey()
		*parent = append(*parent, ds(key))
		for _, ext := range []string{".key", ".private"} {
			if err := os.Remove(filepath.Join(dir, key+ext)); err != nil {
				t.Fatal(err)
			}
		}
	}

	if site.signing == unsignedDS {
		return
	}

	key := newKey()
	if site.signing == signed || site.signing == expired {
		*parent = append(*parent, ds(key))
	}

	validity := []string{"-e", "now+2592000"}
	if site.signing == expired {
		validity = []string{"-s", "20200101000000", "-e", "20200201000000"}
	}

	in.write(filepath.Join(dir, "zone"), zones[site.domain])
	run("dnssec-signzone", append(validity, "-P", "-z", "-S", "-o", site.domain, "-f",
		"signed", "zone")...)

	text, err := os.ReadFile(filepath.Join(dir, "signed"))
	if err != nil {
		t.Fatal(err)
	}

	zones[site.domain] = string(text)
}

// verifyPublished looks at each site.
func (in *internet) verifyPublished(t *testing.T, c *catalogue, all []scenario) {
	for _, s := range all {
		if site := in.sites[s.name]; site != nil {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				c.add(t, s, in.look(t, "inet", filepath.Join(site.dir, "mailpub.yaml"), "dns"))
			})
		}
	}
}
