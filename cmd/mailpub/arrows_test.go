package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/mailpub/mailpub/"

// arrows says what each package may import of ours. What it lists holds for the folders
// below it too, unless they are listed themselves.
var arrows = map[string][]string{
	"cmd":                        {"cmd/mailpub", "plan", "providers", "nat", "mailsvc"},
	"cmd/mailpub/demo":           {"cmd/mailpub/term", "plan", "providers", "nat/igd"},
	"cmd/mailpub/setup":          {"cmd/mailpub/term", "cmd/mailpub/site", "cmd/mailpub/scout", "cmd/mailpub/draft", "cmd/mailpub/schema", "cmd/mailpub/unit", "cmd/mailpub/config", "cmd/mailpub/dialect", "plan", "providers", "mailsvc/mdaemon"},
	"cmd/mailpub/request":        {"cmd/mailpub/lang", "cmd/mailpub/term", "cmd/mailpub/site", "cmd/mailpub/config", "plan", "providers/record"},
	"cmd/mailpub/service":        {"cmd/mailpub/term", "cmd/mailpub/fleet", "cmd/mailpub/site", "cmd/mailpub/unit", "cmd/mailpub/config", "plan/durable"},
	"cmd/mailpub/term":           {"cmd/mailpub/lang", "cmd/mailpub/site", "cmd/mailpub/scout", "cmd/mailpub/config", "plan", "providers", "nat", "mailsvc"},
	"cmd/mailpub/fleet":          {"cmd/mailpub/site", "cmd/mailpub/watch", "cmd/mailpub/page", "cmd/mailpub/notify", "cmd/mailpub/history", "cmd/mailpub/config", "plan"},
	"cmd/mailpub/fleet/store":    {"cmd/mailpub/fleet/seal", "cmd/mailpub/history", "cmd/mailpub/watch", "plan"},
	"cmd/mailpub/fleet/queue":    {"cmd/mailpub/fleet/guard", "cmd/mailpub/fleet", "cmd/mailpub/fleet/store", "cmd/mailpub/site", "cmd/mailpub/watch", "cmd/mailpub/page", "cmd/mailpub/history", "cmd/mailpub/config", "plan", "providers/zone", "providers/webapi"},
	"cmd/mailpub/fleet/pgtest":   {},
	"cmd/mailpub/fleet/guard":    {"cmd/mailpub/config", "plan/egress", "plan/lazy", "providers"},
	"cmd/mailpub/fleet/seal":     {},
	"cmd/mailpub/fleet/api":      {"cmd/mailpub/fleet/guard", "cmd/mailpub/fleet/seal", "cmd/mailpub/fleet/store", "cmd/mailpub/fleet/queue", "cmd/mailpub/page", "cmd/mailpub/history", "cmd/mailpub/watch", "cmd/mailpub/lang", "cmd/mailpub/config", "plan"},
	"cmd/mailpub/fleet/console":  {"cmd/mailpub/fleet/api", "cmd/mailpub/fleet/guard", "cmd/mailpub/fleet/seal", "cmd/mailpub/fleet/queue", "cmd/mailpub/fleet/store", "cmd/mailpub/fleet/transfer", "cmd/mailpub/site", "cmd/mailpub/term", "cmd/mailpub/config", "plan"},
	"cmd/mailpub/fleet/transfer": {"cmd/mailpub/fleet", "cmd/mailpub/fleet/store", "cmd/mailpub/site", "cmd/mailpub/history", "cmd/mailpub/config", "plan"},
	"cmd/mailpub/receive":        {"cmd/mailpub/site", "cmd/mailpub/page", "cmd/mailpub/metrics", "cmd/mailpub/config", "plan", "providers", "mailsvc"},
	"cmd/mailpub/dialect":        {"mailsvc/mdaemon", "plan/durable"},
	"cmd/mailpub/site":           {"cmd/mailpub/dialect", "cmd/mailpub/watch", "cmd/mailpub/config", "plan", "providers", "nat", "mailsvc"},
	"cmd/mailpub/export":         {"plan"},
	"cmd/mailpub/metrics":        {},
	"cmd/mailpub/page":           {"cmd/mailpub/lang", "cmd/mailpub/metrics", "cmd/mailpub/history", "cmd/mailpub/watch", "plan"},
	"cmd/mailpub/notify":         {"cmd/mailpub/watch", "plan/egress", "plan/redact", "plan/lazy"},
	"cmd/mailpub/history":        {"cmd/mailpub/watch", "plan/durable"},
	"cmd/mailpub/watch":          {"cmd/mailpub/lang", "plan"},
	"cmd/mailpub/draft":          {"cmd/mailpub/scout", "plan", "providers", "nat"},
	"cmd/mailpub/scout":          {"plan", "providers", "nat", "mailsvc"},
	"cmd/mailpub/schema":         {},
	"cmd/mailpub/schemagen":      {"cmd/mailpub/schema", "cmd/mailpub/config", "providers"},
	"cmd/mailpub/config":         {"cmd/mailpub/lang", "plan", "providers"},
	"cmd/mailpub/lang":           {},
	"cmd/mailpub/unit":           {},
	"plan":                       {},
	"plan/mail":                  {"plan"},
	"plan/catalog":               {"plan", "plan/mail"},
	"plan/plantest":              {"plan"},
	"plan/ledger":                {"plan", "plan/durable"},
	"plan/durable":               {},
	"plan/trace":                 {},
	"plan/egress":                {"plan/netaddr"},
	"plan/netaddr":               {},
	"plan/orgdomain":             {},
	"plan/redact":                {},
	"plan/sockerr":               {},
	"providers":                  {"plan", "providers"},
	"providers/record":           {"plan"},
	"providers/resolver":         {"plan", "providers/record"},
	"providers/zone":             {"plan", "providers/record", "providers/resolver"},
	"providers/webapi":           {"plan", "providers/record", "providers/zone"},
	"providers/spf":              {"plan", "providers/record", "providers/resolver"},
	"providers/dnscheck":         {"plan", "providers/record", "providers/resolver", "providers/spf"},
	"providers/rfc2136":          {"plan", "providers/record", "providers/resolver", "providers/zone"},
	"providers/manual":           {"plan", "providers/record", "providers/resolver", "providers/zone"},
	"providers/he":               {"plan", "providers/manual", "providers/record", "providers/resolver", "providers/webapi", "providers/zone"},
	"providers/cloudflare":       vendor,
	"providers/desec":            vendor,
	"providers/digitalocean":     vendor,
	"providers/hetzner":          vendor,
	"providers/inwx":             vendor,
	"providers/ionos":            vendor,
	"providers/ovh":              vendor,
	"providers/porkbun":          vendor,
	"providers/powerdns":         vendor,
	"providers/route53":          vendor,
	"providers/scaleway":         vendor,
	"providers/authdns":          {},
	"providers/cloudflaretest":   {},
	"providers/providertest":     {"plan"},
	"providers/zonetest":         {"plan", "providers/authdns", "providers/record"},
	"providers/webtest":          {"plan", "providers/providertest", "providers/record", "providers/resolver", "providers/webapi", "providers/zone", "providers/zonetest"},
	"providers/servertest":       {"plan", "providers/providertest", "providers/record", "providers/zonetest"},
	"nat":                        {"plan", "nat/forward", "nat/gateway", "nat/nftables"},
	"nat/igd":                    {},
	"nat/forward":                {"plan"},
	"nat/gateway":                {},
	"nat/netfilter":              {"nat/gateway"},
	"nat/hostfirewall":           {"plan", "nat/forward", "nat/gateway", "nat/netfilter"},
	"nat/nftables":               {"plan", "nat/forward", "nat/gateway", "nat/netfilter"},
	"nat/check":                  {"plan", "nat", "nat/forward", "nat/nftables"},
	"nat/nattest":                {},
	"mailsvc":                    {"plan", "mailsvc"},
	"mailsvc/smtpclient":         {"plan/egress", "plan/lazy", "plan/redact", "plan/sockerr", "plan/trace"},
	"mailsvc/smtptest":           {},
	"mailsvc/smuggling":          {},
	"mailsvc/check":              {"plan", "mailsvc", "mailsvc/smtpclient", "mailsvc/smuggling"},
	"mailsvc/receiver":           {},
	"mailsvc/mailbox":            {"plan/egress"},
	"mailsvc/header":             {},
	"mailsvc/roundtrip":          {"plan", "mailsvc/header"},
	"mailsvc/reports":            {"plan"},
	"examples":                   {},
	"examples/embed":             {"cmd/mailpub/site"},
}

// vendor is what a folder of a DNS provider may import: never another provider.
var vendor = []string{"plan", "providers/record", "providers/webapi", "providers/zone"}

// planLibraries are the libraries that a folder of plan may know, of which the rest knows none.
var planLibraries = map[string]string{
	"plan/ledger":    "github.com/gofrs/flock",
	"plan/orgdomain": "golang.org/x/net/publicsuffix",
}

// onlyMain is the owner of what package main alone may know, and none of the folders below it.
const onlyMain = "cmd/mailpub, package main"

// owners are the packages that alone may know a library.
var owners = map[string]string{
	"github.com/jackc/pgx/":         "cmd/mailpub/fleet",
	"github.com/coreos/go-oidc/":    "cmd/mailpub/fleet/api",
	"github.com/riverqueue/":        "cmd/mailpub/fleet",
	"github.com/libdns/":            "providers",
	"github.com/miekg/dns":          "providers",
	"github.com/huin/goupnp":        "nat",
	"github.com/jackpal/gateway":    "nat/gateway",
	"github.com/jackpal/go-nat-pmp": "nat",
	"github.com/google/nftables":    "nat",
	"github.com/emersion/go-smtp":   "mailsvc",
	"github.com/emersion/go-sasl":   "mailsvc",
	"github.com/emersion/go-imap":   "mailsvc/mailbox",
	// Its dmarc reads a record, which is DNS, and judges a message, which is mail.
	"github.com/emersion/go-msgauth/dkim":    "mailsvc",
	"github.com/emersion/go-msgauth/authres": "mailsvc",
	"github.com/spf13/cobra":                 onlyMain,
	"github.com/spf13/pflag":                 onlyMain,
	"github.com/go-viper/":                   "cmd/mailpub/config",
	"github.com/spf13/viper":                 "cmd/mailpub/config",
	"github.com/gofrs/flock":                 "plan/ledger",
	"blitiri.com.ar/go/spf":                  "providers/spf",
	"github.com/aws/":                        "providers/route53",
	"github.com/pelletier/go-toml":           "cmd",
	"go.yaml.in/yaml":                        "cmd",
	"golang.org/x/term":                      "cmd/mailpub/term",
	"github.com/clipperhouse/displaywidth":   "cmd/mailpub/term",
	// A host's name in DNS, and the name in a message's header (RFC 8616).
	"golang.org/x/net/idna":                 "cmd or mailsvc/sender",
	"golang.org/x/net/publicsuffix":         "plan/orgdomain",
	"github.com/invopop/jsonschema":         "cmd/mailpub/schemagen",
	"github.com/prometheus/":                "cmd/mailpub/metrics/metricstest",
	"github.com/VictoriaMetrics/":           "no package: tests only",
	"github.com/rogpeppe/":                  "no package: tests only",
	"github.com/santhosh-tekuri/jsonschema": "no package: tests only",
	"pgregory.net/rapid":                    "no package: tests only",
	"go.uber.org/goleak":                    "no package: tests only",
	"github.com/google/go-cmp":              "no package: tests only",
	"github.com/mailpub/mailpub/cmd":        "cmd",
}

// TestArrows reads the imports of every file and fails on any that the design does not
// have. Tests of a package may use the lab and the suites of others.
func TestArrows(t *testing.T) {
	files := 0
	err := filepath.WalkDir("../..", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") ||
			strings.HasSuffix(path, "_test.go") {
			return err
		}

		files++
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}

		pkg := filepath.ToSlash(strings.TrimPrefix(filepath.Dir(path),
			filepath.FromSlash("../../")))

		for _, i := range file.Imports {
			if why := forbidden(pkg, strings.Trim(i.Path.Value, `"`)); why != "" {
				t.Errorf("%s imports %s: %s", path, i.Path.Value, why)
			}
		}

		return nil
	})

	if err != nil {
		t.Fatal(err)
	}

	if files < 50 {
		t.Errorf("only %d files were read", files)
	}
}

// forbidden says why a package may not import a path; "" when it may.
func forbidden(pkg, path string) string {
	if ours, ok := strings.CutPrefix(path, module); ok {
		if !slices.ContainsFunc(allowed(pkg), func(a string) bool {
			return under(ours, a)
		}) {
			return "no arrow from " + pkg + " to " + ours
		}
		return ""
	}

	if own := planLibraries[pkg]; under(pkg, "plan") && strings.Contains(path, ".") &&
		path != own {
		return "plan imports the standard library only"
	}

	for library, owner := range owners {
		owned := slices.ContainsFunc(strings.Split(owner, " or "), func(folder string) bool {
			return under(pkg, folder)
		})
		if strings.HasPrefix(path, library) && !(owner == onlyMain && pkg == "cmd/mailpub") &&
			!owned {
			return "only " + owner + " knows it"
		}
	}

	return ""
}

// allowed returns the arrows of the nearest folder that lists any.
func allowed(pkg string) []string {
	for r := pkg; r != "."; r = filepath.ToSlash(filepath.Dir(r)) {
		if a, ok := arrows[r]; ok {
			return a
		}
	}
	return nil
}

func under(path, folder string) bool {
	return path == folder || strings.HasPrefix(path, folder+"/")
}

// The rule itself: what it must and must not let pass.
func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		pkg, path string
		ok        bool
	}{
		{"nat", module + "plan", true},
		{"nat", module + "providers", false},
		{"providers", module + "nat/igd", false},
		{"mailsvc", module + "mailsvc/receiver", true},
		{"mailsvc/receiver", module + "plan", false},
		{"plan", module + "cmd/mailpub/config", false},
		{"plan", "github.com/gofrs/flock", false},
		{"plan/ledger", "github.com/gofrs/flock", true},
		{"plan/ledger", "golang.org/x/net/publicsuffix", false},
		{"plan/orgdomain", "golang.org/x/net/publicsuffix", true},
		{"mailsvc/sender", "golang.org/x/net/publicsuffix", false},
		{"mailsvc/sender", "golang.org/x/net/idna", true},
		{"cmd/mailpub/config", "golang.org/x/net/idna", true},
		{"mailsvc/smtpclient", "golang.org/x/net/idna", false},
		{"plan", "encoding/json", true},
		{"nat", "github.com/miekg/dns", false},
		{"providers/authdns", "github.com/miekg/dns", true},
		{"providers/record", module + "providers/resolver", false},
		{"providers/resolver", module + "providers/zone", false},
		{"providers/zone", module + "providers/webapi", false},
		{"providers/webapi", module + "providers/cloudflare", false},
		{"providers/porkbun", module + "providers/webapi", true},
		{"providers/porkbun", module + "providers/resolver", false},
		{"providers/spf", module + "providers/dnscheck", false},
		{"providers/dnscheck", module + "providers/zone", false},
		{"cmd/mailpub", module + "nat/igd", true},
		{"cmd/mailpub/site", module + "cmd/mailpub/term", false},
		{"cmd/mailpub/site", module + "cmd/mailpub/receive", false},
		{"cmd/mailpub/site", "github.com/spf13/cobra", false},
		{"cmd/mailpub/fleet", module + "cmd/mailpub/term", false},
		{"cmd/mailpub/receive", module + "cmd/mailpub/fleet", false},
		{"cmd/mailpub/watch", "github.com/jackc/pgx/v5", false},
		{"cmd/mailpub/fleet/store", module + "cmd/mailpub/fleet/queue", false},
		{"cmd/mailpub/term", module + "cmd/mailpub/site", true},
		{"cmd/mailpub/watch", module + "cmd/mailpub/site", false},
		{"examples/embed", module + "cmd/mailpub/site", true},
		{"examples/embed", module + "plan", false},
		{"examples/lab", module + "cmd/mailpub/site", false},
		{"mailsvc", "github.com/spf13/viper", false},
		{"providers", "github.com/emersion/go-msgauth/dkim", false},
		{"providers", "github.com/emersion/go-msgauth/dmarc", true},
		{"elsewhere", module + "plan", false},
	} {
		if why := forbidden(c.pkg, c.path); (why == "") != c.ok {
			t.Errorf("from %s to %s: %q", c.pkg, c.path, why)
		}
	}
}
