package receiver

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"
)

// SettingsFormat names the form of a settings file.
const SettingsFormat = "mailpub/receiver/v1"

// Settings say for whom mail is accepted. Names are lower case, without a final dot.
type Settings struct {
	Format   string            `json:"format"`
	Hostname string            `json:"hostname"`
	Domains  []string          `json:"domains"`
	Aliases  map[string]string `json:"aliases"` // full address, or local part alone, to mailbox
}

// DefaultMailbox is where postmaster and abuse go when no alias says otherwise.
const DefaultMailbox = "postmaster"

// DecodeSettings reads settings, strictly: what it can't take is an error that says where
// the JSON is wrong, or which value. It never fails on what Encode made of valid names.
func DecodeSettings(data []byte) (Settings, error) {
	var s Settings
	if err := decodeStrictly(data, &s); err != nil {
		return Settings{}, err
	}
	if err := s.check(); err != nil {
		return Settings{}, err
	}

	return s, nil
}

func (s Settings) check() error {
	if s.Format != SettingsFormat {
		return fmt.Errorf("format is %q, want %q", s.Format, SettingsFormat)
	}
	if s.Hostname != "" && !isDomain(s.Hostname) {
		return fmt.Errorf("hostname %q is no name, want one like mail.example.com, in small letters",
			s.Hostname)
	}

	for i, d := range s.Domains {
		if !isDomain(d) {
			return fmt.Errorf("domains: %q is no name, want one like example.com, in small letters", d)
		}
		if slices.Contains(s.Domains[:i], d) {
			return fmt.Errorf("domains: %q is there twice", d)
		}
	}

	for _, address := range slices.Sorted(maps.Keys(s.Aliases)) {
		if !isAlias(address) {
			return fmt.Errorf("alias %q: want an address or a local part, in small letters",
				address)
		}
		if box := s.Aliases[address]; !isMailbox(box) {
			return fmt.Errorf("alias %q: %q is no mailbox, want a name of small letters, digits and inner dots or hyphens",
				address, box)
		}
	}

	return nil
}

// Encode is the reverse of DecodeSettings. Equal settings are equal bytes.
func (s Settings) Encode() ([]byte, error) {
	s.Format = SettingsFormat
	s.Domains = slices.Sorted(slices.Values(s.Domains))
	if s.Domains == nil {
		s.Domains = []string{}
	}

	if s.Aliases == nil {
		s.Aliases = map[string]string{}
	}

	data, err := json.MarshalIndent(s, "", "  ")
	return append(data, '\n'), err
}

// serves reports whether mail for domain is accepted.
func (s Settings) serves(domain string) bool { return slices.Contains(s.Domains, domain) }

// local reports whether an address of this domain is the site's own: of a served
// domain, or of the mail host itself.
func (s Settings) local(domain string) bool {
	return domain != "" && (s.serves(domain) || domain == s.Hostname)
}

// mailbox returns where mail for local@domain goes. An alias of the full address is
// first; then, in served domains, the mailboxes by their own names, and postmaster and
// abuse in any case (RFC 5321 section 4.5.1, RFC 2142 section 4). At the mail host
// itself there is only what stands without a domain.
func (s Settings) mailbox(local, domain string) (string, bool) {
	if !s.local(domain) {
		return "", false
	}
	if box, ok := s.Aliases[local+"@"+domain]; ok {
		return box, true
	}
	if box, ok := s.bare(local); ok || !s.serves(domain) {
		return box, ok
	}

	for _, box := range s.Aliases {
		if box == local {
			return box, true
		}
	}

	return "", false
}

// bare returns where mail for an address without a domain goes.
func (s Settings) bare(local string) (string, bool) {
	if strings.Contains(local, "@") { // a quoted local part; the keys with "@" are full addresses
		return "", false
	}
	if box, ok := s.Aliases[local]; ok {
		return box, true
	}
	if local == "postmaster" || local == "abuse" {
		return DefaultMailbox, true
	}

	return "", false
}

// splitAddress splits at the last "@", as a quoted local part may hold others, and folds
// the case. RFC 5321 section 2.4 leaves the case of local parts to the receiving host:
// here it does not count. A final dot of the domain does not count either.
func splitAddress(address string) (local, domain string) {
	i := strings.LastIndex(address, "@")
	if i < 0 {
		return strings.ToLower(address), ""
	}
	return strings.ToLower(address[:i]), strings.ToLower(strings.TrimSuffix(address[i+1:], "."))
}

// isAlias reports whether mail can be for this address, full or of a local part alone.
func isAlias(address string) bool {
	local, domain := splitAddress(address)
	if local == "" || len(local) > 64 || strings.Contains(local, "@") ||
		!utf8.ValidString(local) ||
		strings.ContainsFunc(local, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
		return false
	}
	if strings.Contains(address, "@") {
		return address == local+"@"+domain && isDomain(domain)
	}

	return address == local
}

// isDomain reports whether name is a domain name in small letters, without a final dot
// (RFC 1123 section 2.1; IDNA names in their ASCII form).
func isDomain(name string) bool {
	if len(name) > 253 {
		return false
	}

	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}

	return true
}
