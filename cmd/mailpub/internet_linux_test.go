package main

import (
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/examples/lab"
)

// Addresses outside, beside those of package lab.
const (
	rootServer   = "2.2.2.10" // BIND: the root, "it", "example", "in-addr.arpa"
	firstServer  = "2.2.2.11" // BIND: the scenarios' zones
	secondServer = "2.2.2.12" // Knot: the same
	labResolver  = "2.2.2.13" // BIND: asks the others, and remembers for a second
	closedServer = "2.2.2.14" // where no name server is
	officeServer = "2.2.2.15" // BIND: a resolver that serves some of the scenarios' zones itself
)

// internet is what the lab's outside has beside its router's provider: names from the root
// down, an authority for certificates, and a mail and a web server that show them.
type internet struct {
	*siteInLab
	ca       *issuer
	stranger *issuer // whom nobody trusts
	key      keyPair // of every certificate that is shown
	names    string  // directory of the name servers
	parents  map[string]*strings.Builder
	sites    map[string]*publishedSite   // by scenario
	served   map[string]string           // MTA-STS policies, by domain
	shows    map[string]*tls.Certificate // what is shown where that is not one made on the spot, by host
}

// newInternet makes a lab with all of that, but for what the scenarios publish.
func newInternet(t testing.TB) *internet {
	in := &internet{
		siteInLab: newSiteInLab(t, lab.Options{
			Open:   true,
			Signed: true,
		}),
		parents: map[string]*strings.Builder{},
		sites:   map[string]*publishedSite{},
		served:  map[string]string{},
		shows:   map[string]*tls.Certificate{},
	}

	in.ca = newIssuer(t, "Let's Encrypt") // a name that CAA records know
	in.stranger, in.key = newIssuer(t, "A stranger"), newKeyPair(t)
	roots := filepath.Join(in.dir, "roots.pem")
	in.write(roots, string(in.ca.pem))
	in.env = []string{"SSL_CERT_FILE=" + roots, "SSL_CERT_DIR=" + in.dir + "/none"}

	for _, a := range []string{rootServer, firstServer, secondServer, labResolver,
		closedServer, officeServer} {
		in.must("inet", "ip", "addr", "add", a+"/24", "dev", "br0")
	}

	in.names = t.TempDir()
	if _, err := os.Stat("/var/cache/bind"); err == nil { // where AppArmor lets BIND read
		if in.names, err = os.MkdirTemp("/var/cache/bind", "mailpub-"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(in.names) })
	}

	if err := os.Chmod(in.names, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, zone := range []string{"it", "example", "in-addr.arpa"} {
		in.parents[zone] = new(strings.Builder)
		in.delegate(zone, "@ NS ns.registry.example.")
	}

	in.delegate("example", "ns.registry A "+rootServer, "ns1.names A "+firstServer,
		"ns2.names A "+secondServer,
		"closed.names A "+closedServer)

	in.delegate("it", "nomeazienda NS ns.nomeazienda.it.", "ns.nomeazienda A "+lab.NameServer)
	in.delegate("in-addr.arpa", "2.2.2 NS ns.nomeazienda.it.")
	return in
}

func (in *internet) write(path, text string) {
	in.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		in.t.Fatal(err)
	}
}

// delegate puts lines into a zone of the registry.
func (in *internet) delegate(zone string, lines ...string) {
	fmt.Fprintln(in.parents[zone], strings.Join(lines, "\n"))
}

const zoneHead = "$TTL 300\n@ SOA ns.registry.example. hostmaster.registry.example. 1 3600 600 86400 60\n"

// startNames starts the name servers. Zones and their texts are those of the two servers that
// hold the scenarios' zones, and of the office's resolver.
func (in *internet) startNames(t testing.TB, first, second, office map[string]string) {
	root := map[string]string{".": zoneHead +
		"@ NS ns.registry.example.\nit. NS ns.registry.example.\nexample. NS ns.registry.example.\nin-addr.arpa. NS ns.registry.example.\nns.registry.example. A " +
		rootServer + "\n"}

	for zone, lines := range in.parents {
		root[zone] = zoneHead + lines.String()
	}

	in.bind(t, "root", rootServer, "recursion no;", "", root)
	in.bind(t, "first", firstServer, "recursion no; check-names primary ignore;", "", first)
	in.knot(t, second)
	hints := filepath.Join(in.names, "hints")
	in.write(hints, ". 300 NS ns.registry.example.\nns.registry.example. 300 A "+rootServer+
		"\n")

	for name, address := range map[string]string{"resolver": labResolver,
		"office": officeServer} {
		var own map[string]string
		if address == officeServer {
			own = office
		}
		in.bind(t, name, address, "recursion yes; max-cache-ttl 1; max-ncache-ttl 1; qname-minimization off;",
			fmt.Sprintf("zone \".\" { type hint; file %q; };\n", hints), own)
	}

	for _, server := range []string{rootServer, firstServer, secondServer, labResolver,
		officeServer} {
		in.eventually("a name server at "+server, func() bool {
			_, _, code := in.on("inet", "dig", "+tries=1", "+time=1", "@"+server, "it", "SOA")
			return code == 0
		})
	}
}

// bind starts BIND with options, further clauses of its configuration, and zones.
func (in *internet) bind(t testing.TB, name, address, options, clauses string, zones map[string]string) {
	t.Helper()
	dir := filepath.Join(in.names, name)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}

	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		file := filepath.Join(dir, strings.ReplaceAll(strings.TrimSuffix(zone, "."), "/", "-")+
			".zone") // RFC 2317 has slashes in names
		in.write(file, zones[zone])
		clauses += fmt.Sprintf("zone %q { type primary; file %q; };\n", zone, file)
	}

	conf := filepath.Join(dir, "named.conf")
	in.write(conf, fmt.Sprintf(`options {
	directory %q; pid-file none; session-keyfile none; listen-on { %s; }; listen-on-v6 { none; };
	dnssec-validation no; empty-zones-enable no; notify no; minimal-responses no; %s
};
controls { };
%s`, dir, address, options, clauses))

	if out, errs, code := in.on("inet", "named-checkconf", "-z", conf); code != 0 {
		t.Fatalf("%s: %s%s", name, out, errs)
	}

	in.background("inet", "named", "-g", "-n", "1", "-c", conf)
}

// knot starts Knot with zones.
func (in *internet) knot(t testing.TB, zones map[string]string) {
	t.Helper()
	dir := t.TempDir()
	conf := fmt.Sprintf("server:\n  rundir: %q\n  listen: %s@53\n  udp-workers: 1\n  tcp-workers: 1\n  background-workers: 1\ndatabase:\n  storage: %[1]q\nlog:\n  - target: stderr\n    any: error\nzone:\n",
		dir, secondServer)

	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		file := filepath.Join(dir, zone+".zone")
		in.write(file, zones[zone])
		conf += fmt.Sprintf("  - domain: %s\n    file: %q\n    zonefile-sync: -1\n    semantic-checks: off\n",
			zone, file)
	}

	in.write(filepath.Join(dir, "knot.conf"), conf)
	in.background("inet", "knotd", "-c", filepath.Join(dir, "knot.conf"))
}

// certificate returns what a host shows: by default a good one.
func (in *internet) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if c := in.shows[hello.ServerName]; c != nil {
		return c, nil
	}
	return in.ca.issue(in.key, hello.ServerName), nil
}

// serveShown serves what shows certificates: mail at 2.2.2.1 port 2525, and the policies of
// MTA-STS over HTTPS.
func (in *internet) serveShown(t testing.TB) {
	config := &tls.Config{GetCertificate: in.certificate}
	serveReceiver(t, in.lab.Listen(t, "inet", lab.Outside+":2525"), "mail.nomeazienda.it",
		config)

	web := &http.Server{
		TLSConfig: config,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			policy, ok := in.served[strings.TrimPrefix(r.Host, "mta-sts.")]
			if !ok || r.URL.Path != "/.well-known/mta-sts.txt" {
				http.NotFound(w, r)
				return
			}
			w.Header().Set("Content-Type", "text/plain")
			fmt.Fprint(w, policy)
		}),
	}

	listener := in.lab.Listen(t, "inet", lab.Outside+":443")
	go web.ServeTLS(listener, "", "")
	t.Cleanup(func() { web.Close() })
}
