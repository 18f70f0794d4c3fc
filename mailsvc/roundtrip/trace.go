package roundtrip

import (
	"bufio"
	"bytes"
	"net/netip"
	"net/textproto"
	"slices"
	"strings"

	"github.com/emersion/go-msgauth/authres"

	"github.com/mailpub/mailpub/mailsvc/header"
	"github.com/mailpub/mailpub/plan/lazy"
	"github.com/mailpub/mailpub/plan/orgdomain"
)

// Hop is one of the servers that a message went through, the last one first.
type Hop struct {
	From   string     // what the client called itself
	Client netip.Addr // that the server saw; invalid where it does not say
	By     string     // the server
	TLS    bool       // the server says that the message came encrypted
	Clear  bool       // the server says that it did not; a server that says neither has both false
	With   string     // protocol: ESMTPS
}

// Trace is what a message bears of its way.
type Trace struct {
	Hops    []Hop
	results []results
}

// results is one Authentication-Results field, with the number of Received fields above it.
type results struct {
	server string
	list   []authres.Result
	above  int
}

// ReadTrace reads the header of a message: each field with what stands above it, as those that a message
// brought along stand below those of the servers that took it.
func ReadTrace(raw []byte) (t Trace) {
	for _, f := range fields(raw) {
		switch f.name {
		case "Received":
			t.Hops = append(t.Hops, readHop(f.value))
		case "Authentication-Results":
			if server, list, ok := readResults(f.value); ok {
				t.results = append(t.results, results{server, list, len(t.Hops)})
			}
		}
	}

	return t
}

type field struct{ name, value string }

// fields are the header's fields in their order, unfolded.
func fields(raw []byte) (all []field) {
	if end := bytes.Index(raw, []byte("\r\n\r\n")); end >= 0 {
		raw = raw[:end+2]
	}

	r := textproto.NewReader(bufio.NewReader(bytes.NewReader(raw)))
	for len(all) < 1000 {
		line, err := r.ReadContinuedLine()
		name, value, ok := strings.Cut(line, ":")
		if ok {
			all = append(all, field{textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name)),
				strings.TrimSpace(value)})
		}

		if err != nil || line == "" {
			return all
		}
	}

	return all
}

var (
	byServer   = lazy.Regexp(`(?i)\bby\s+([^\s;()]+)`)
	fromClient = lazy.Regexp(`(?i)^from\s+([^\s;()]+)`)
	inBrackets = lazy.Regexp(`\[(?:IPv6:|ipv6:)?([0-9a-fA-F.:]+)\]`)
	withWord   = lazy.Regexp(`(?i)\bwith\s+(?:Microsoft\s+)?([A-Za-z]+)`)
	tlsWords   = lazy.Regexp(`(?i)(\bTLS|\bcipher[= ]|version=TLS|\bSSL\b)`)
)

// readHop reads a Received field (RFC 5321 section 4.4), as Postfix, Exim, Sendmail, Exchange and Google write it.
func readHop(value string) (h Hop) {
	if m := fromClient().FindStringSubmatch(value); m != nil {
		h.From = strings.ToLower(strings.Trim(m[1], "[]"))
	}

	before, after := value, value
	if at := byServer().FindStringSubmatchIndex(value); at != nil {
		h.By = strings.ToLower(value[at[2]:at[3]])
		before = value[:at[0]]
		after = value[at[1]:]
	}

	// The address that the server saw stands behind what the client called itself, which may be one too.
	if all := inBrackets().FindAllStringSubmatch(before, -1); len(all) > 0 {
		if a, err := netip.ParseAddr(all[len(all)-1][1]); err == nil {
			h.Client = a.Unmap()
		}
	}

	if !h.Client.IsValid() {
		h.Client = bareAddress(before)
	}

	if m := withWord().FindStringSubmatch(after); m != nil {
		h.With = strings.ToUpper(m[1])
	}

	h.TLS = h.With == "SMTPS" || strings.HasSuffix(h.With, "S") &&
		strings.HasPrefix(h.With, "ESMTP") || strings.HasSuffix(h.With, "SA") ||
		tlsWords().MatchString(value)

	h.Clear = !h.TLS && (h.With == "ESMTP" || h.With == "ESMTPA" || h.With == "SMTP") &&
		saysTLS().MatchString(value)

	return h
}

// saysTLS matches the fields of servers that write ESMTPS, a cipher or a version when a message comes encrypted
// (RFC 3848): Postfix, Exim, OpenSMTPD, Sendmail, Google, GMX, Exchange and others. Other servers write "with ESMTP" or "with SMTP"
// either way, so that these words alone prove nothing.
var saysTLS = lazy.Regexp(`(?i)(\((?:Postfix|Exim \d|OpenSMTPD|Haraka|chasquid)|\(\d+\.\d+\.\d+/\d|by mx\.google\.com\b|\(Nemesis\)|with Microsoft SMTP Server)`)

// bareAddress is an address in parentheses without brackets, as Exchange writes it: (2.2.2.2).
func bareAddress(text string) (a netip.Addr) {
	for _, word := range strings.FieldsFunc(text, func(r rune) bool {
		return strings.ContainsRune(" ()=;,", r)
	}) {
		if is, err := netip.ParseAddr(word); err == nil {
			a = is.Unmap()
		}
	}

	return a
}

// readResults reads an Authentication-Results field (RFC 8601). Exchange Online leaves its own name out.
func readResults(value string) (server string, list []authres.Result, ok bool) {
	parts := split(header.WithoutComments(value))
	if strings.Contains(parts[0], "=") {
		parts = slices.Insert(parts, 0, "unnamed")
	}

	server, _, err := authres.Parse(parts[0] + "; none")
	if err != nil {
		return "", nil, false
	}

	for _, part := range parts[1:] { // each by itself: one that is odd does not take the others with it
		part = aroundEquals().ReplaceAllString(strings.TrimSpace(part), "=")
		if _, one, err := authres.Parse("unnamed; " + part); err == nil && part != "" {
			list = append(list, one...)
		}
	}

	return strings.ToLower(server), list, true
}

var aroundEquals = lazy.Regexp(`\s*=\s*`)

// split cuts a field at its semicolons; those in quotes become commas. Blanks in quotes become control characters, which
// the library does not split at.
func split(value string) []string {
	text := []byte(value)
	quoted := false
	for i, c := range text {
		switch {
		case c == '"':
			quoted = !quoted
		case c == ';' && quoted:
			text[i] = ','
		case c == ' ' && quoted, c == '\t' && quoted:
			text[i] = '\x1f'
		}
	}

	return strings.Split(string(text), ";")
}

// entry is the number of the hop at which the message came in to the provider of the mailbox: the last in an
// unbroken row, from the top, of servers of the provider's organisation, or without a name of a domain. -1 is none.
func (t Trace) entry() int {
	at := -1
	for i, h := range t.Hops {
		if h.named() && provider(h.By) != t.organisation() ||
			!h.named() && i > 0 && t.Hops[i-1].fromOutside() {
			break
		}
		at = i
	}

	return at
}

// named reports whether the server names itself with a domain, and not with an address or a word.
func (h Hop) named() bool {
	_, err := netip.ParseAddr(strings.Trim(h.By, "[]"))
	return err != nil && strings.Contains(h.By, ".")
}

// fromOutside reports whether the server saw an address of the Internet: what stands below may be the site's own.
func (h Hop) fromOutside() bool {
	return h.Client.IsGlobalUnicast() && !h.Client.IsPrivate() && !shared.Contains(h.Client)
}

// shared are addresses behind a provider's NAT (RFC 6598).
var shared = netip.MustParsePrefix("100.64.0.0/10")

// families are the domains of providers that name their servers under several.
var families = [][]string{
	{"outlook.com", "office365.com", "exchangelabs.com", "hotmail.com", "microsoft.com"},
	{"google.com", "gmail.com", "googlemail.com"},
	{"yahoo.com", "yahoodns.net", "yahoo.net", "aol.com"},
	{"gmx.net", "gmx.com", "web.de", "mail.com", "kundenserver.de", "1and1.com"},
	{"icloud.com", "apple.com", "me.com"},
	{"fastmail.com", "messagingengine.com"},
	{"libero.it", "iol.it", "iol.local", "italiaonline.it"},
	{"mail.ru", "inbox.ru"},
	{"mailbox.org", "heinlein-hosting.de", "heinlein-support.de"},
	{"protonmail.ch", "proton.me", "protonmail.com"},
	{"zohomail.com", "zoho.com", "zohomail.eu", "zoho.eu"},
}

// provider is the organisation that a server belongs to.
func provider(server string) string {
	domain := orgdomain.Of(server)
	for _, family := range families {
		if slices.Contains(family, domain) {
			return family[0]
		}
	}
	return domain
}

// organisation is that of the first server that names itself with a domain; none where one without took the message
// from outside.
func (t Trace) organisation() string {
	for _, h := range t.Hops {
		if h.named() {
			return provider(h.By)
		}
		if h.fromOutside() {
			break
		}
	}

	return ""
}

// Entry is the hop at which the message came in to the provider of the mailbox.
func (t Trace) Entry() (h Hop, ok bool) {
	if at := t.entry(); at >= 0 {
		return t.Hops[at], true
	}
	return h, false
}

// Results are the provider's own findings: fields that stand above the hop at which the message came in, and bear a
// name of the provider's organisation. What a message brought along stands below.
func (t Trace) Results() (list []authres.Result) {
	for _, r := range t.results {
		if r.above > t.entry() && len(t.Hops) > 0 {
			continue
		}

		own := r.server == "unnamed" || provider(r.server) == t.organisation() ||
			t.organisation() == "" || !strings.Contains(r.server, ".")

		if own {
			list = append(list, r.list...)
		}
	}

	return list
}
