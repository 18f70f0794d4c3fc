// Package draft writes a config file for people: every field with why it is there and where its
// value is from. It knows the form of the file; it looks at nothing and asks nobody.
package draft

import (
	_ "embed"
	"fmt"
	"net/netip"
	"strings"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/mailpub/mailpub/plan"
)

// Draft is what a config is to say. Notes stand as comments beside a value.
type Draft struct {
	Schema string // URL or path of the JSON Schema, for editors; "" leaves the line out
	How    string // the command that wrote it

	Site     string
	State    string // directory of the ledger; "" for the default, beside the config
	Maildir  string // where mailboxes are; "" for the default
	User     string // whom the receiver goes on as; "" for whoever starts it
	Hostname string
	Address  netip.Addr
	Public4  Annotated // "auto", "none" or an address
	Public6  Annotated
	CAA      []string

	Domains []Domain
	Zones   []Zone

	Protocol Annotated // of the router
	URL      string
	Gateway  string
	BehindNAT,
	OpenIPv6 bool
	Front    string // what is to be done about another router in front; "" where there is none
	Forwards []Forward
	Shown    []string // ports that are not forwarded, as comments

	Service    Annotated // its type
	Settings   []Setting
	ACME       bool   // the receiver's certificate is made over DNS
	TLSComment bool   // how to have one stands as a comment
	Postmaster string // a mailbox
	Aliases    []Alias
	Resolvers  []string
	Egress     []string
	Left       []string // what there is and the config leaves alone
}

// Annotated is a value, and where it is from.
type Annotated struct{ Value, Note string }

// Domain is a mail domain. MX is empty where it is the hostname at 10.
type Domain struct {
	Name       string
	Hosted     bool // others take its mail: mx is empty
	MX         []MX
	Include    []string
	All        string
	DMARC      string // policy
	DMARCNote  string
	DKIM       string // selector
	RUA        []string
	TLSRPT     []string
	Services   []Service
	Autoconfig string

	DKIMComment string // a selector that stands as a comment
}

// MX is a mail exchanger.
type MX struct {
	Host       string
	Preference int
}

// Service is a service that mail programs find.
type Service struct {
	Name, Host string
	Port       int
}

// Alias is an address and the mailbox it is delivered to.
type Alias struct{ Address, To string }

// Zone is a DNS zone.
type Zone struct {
	Name        string
	Provider    Annotated
	TTL         time.Duration // 0: the default
	Nameservers []string
	Settings    []Setting
}

// Setting is one of a provider's or a mail server's.
type Setting struct{ Name, Value string }

// Forward is a port.
type Forward struct {
	Name           string
	Port, Internal int
	Note           string
}

//go:embed mailpub.yaml.tmpl
var text string

// YAML returns the file.
func (d Draft) YAML() ([]byte, error) {
	t, err := template.New("mailpub.yaml").Funcs(template.FuncMap{
		"q": scalar, "list": flowList, "settings": flowMap, "comment": comment,
		"ttl": plan.ConfigDuration, "beside": appendComment,
	}).Parse(text)

	if err != nil {
		return nil, err
	}

	var b strings.Builder
	if err := t.Execute(&b, d); err != nil {
		return nil, err
	}

	return []byte(strings.TrimRight(b.String(), "\n") + "\n"), nil
}

// scalar writes a value so that YAML reads the same text again.
func scalar(v any) (string, error) {
	s := fmt.Sprint(v)
	out, err := yaml.Marshal(s)
	if err != nil || strings.Contains(s, "\n") {
		return "", fmt.Errorf("cannot write %q into a config: %w", s, err)
	}

	out = []byte(strings.TrimSuffix(string(out), "\n"))
	if strings.ContainsAny(s, ",[]{}:") && out[0] != '"' && out[0] != '\'' { // between braces these end a value
		return fmt.Sprintf("%q", s), nil
	}

	return string(out), nil
}

func flowList(values []string) (string, error) {
	var parts []string
	for _, v := range values {
		s, err := scalar(v)
		if err != nil {
			return "", err
		}
		parts = append(parts, s)
	}

	return "[" + strings.Join(parts, ", ") + "]", nil
}

func flowMap(settings []Setting) (string, error) {
	var parts []string
	for _, s := range settings {
		v, err := scalar(s.Value)
		if err != nil {
			return "", err
		}
		parts = append(parts, s.Name+": "+v)
	}

	return "{" + strings.Join(parts, ", ") + "}", nil
}

// column is where comments beside a value stand.
const column = 38

// appendComment puts a comment behind a line of the file.
func appendComment(line, note string) string {
	if note == "" {
		return line
	}
	if missing := column - 1 - len([]rune(line)); missing > 0 {
		line += strings.Repeat(" ", missing)
	}
	return line + " # " + strings.Join(strings.Fields(note), " ")
}

// comment writes text as lines of a comment, at an indentation.
func comment(indent int, text string) string {
	const width = 96
	var lines []string
	line := ""

	for _, w := range strings.Fields(text) {
		if line != "" && len(line)+1+len(w) > width-indent-2 {
			lines = append(lines, line)
			line = ""
		}

		if line != "" {
			line += " "
		}

		line += w
	}

	lines = append(lines, line)
	return strings.Repeat(" ", indent) + "# " +
		strings.Join(lines, "\n"+strings.Repeat(" ", indent)+"# ")
}
