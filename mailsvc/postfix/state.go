package postfix

import (
	"path/filepath"
	"slices"
	"strings"
)

// state is what was found: the settings of main.cf, what they come to, and the table of
// addresses.
type state struct {
	set       map[string]string // main.cf, canonical
	effective map[string]string // with defaults, and variables expanded; canonical
	override  map[string]string // what master.cf sets for the SMTP service instead
	elsewhere map[string]string // what services that take logins set in master.cf, as inMaster says it
	table     string            // "hash:/etc/postfix/mailpub-virtual"
	tables    []string          // that Postfix asks for addresses, in their order
	addresses map[string]string // of our table, as indexed
	stale     bool              // our table's index is not of its source
	own       string            // an address of the site that questions are asked with
}

// sampleAddress is an address of the site: postmaster at a domain that is served; "" where none is.
func (s *state) sampleAddress() string {
	if s.own != "" {
		return s.own
	}

	for _, class := range []string{"mydestination", "virtual_mailbox_domains",
		"virtual_alias_domains", "relay_domains"} {
		for _, e := range elements(s.effective[class]) {
			if strings.Contains(e, ".") && !strings.ContainsAny(e, ":/[!") && !s.isOwnName(e) {
				return "postmaster@" + strings.ToLower(e)
			}
		}
	}

	return ""
}

// socket is where Postfix asks who may log in.
func (s *state) socket() string { return filepath.Join(s.effective["queue_directory"], socket) }

// inRecipients begins the text of relay restrictions that are empty, as those for recipients have them
// (as before Postfix 2.10).
const inRecipients = "in smtpd_recipient_restrictions: "

// metElsewhere is the text of a setting whose need another place meets; "" where main.cf decides.
func (s *state) metElsewhere(name string) string {
	switch {
	case strings.HasPrefix(name, "smtpd_sasl_"), name == "smtpd_tls_auth_only":
		return s.loginsElsewhere(name)
	case name != "smtpd_relay_restrictions" || s.set[name] != empty:
		return ""
	}

	for _, rule := range elements(s.set["smtpd_recipient_restrictions"]) {
		switch rule {
		case "reject", "reject_unauth_destination":
			return inRecipients + rule
		case "permit":
			return ""
		}
	}

	return ""
}

// loginsElsewhere is the text of a setting that only the services that take logins have, in
// master.cf; "" where main.cf decides.
func (s *state) loginsElsewhere(name string) string {
	if s.set["smtpd_sasl_auth_enable"] == "yes" {
		return ""
	}
	if s.elsewhere["smtpd_sasl_auth_enable yes"] == "" {
		return ""
	}
	if text := s.elsewhere[name+" yes"]; text != "" {
		return text
	}

	return s.elsewhere["smtpd_sasl_auth_enable yes"]
}

// destinations is the canonical text of where an address goes.
func destinations(value string) string { return strings.Join(elements(value), ", ") }

func pathOf(table string) string {
	_, path, _ := strings.Cut(table, ":")
	return path
}

// indexOf is the file that postmap makes of a table's source.
func indexOf(table string) string {
	kind, path, _ := strings.Cut(table, ":")
	switch kind {
	case "lmdb", "cdb":
		return path + "." + kind
	case "dbm":
		return path + ".pag"
	}

	return path + ".db"
}

// splitMain takes a key's name apart: "main.cf mydestination nomeazienda.it" is of
// mydestination, narrowed to a domain.
func splitMain(name string) (narrowed, setting string) {
	rest := strings.TrimPrefix(name, inMain+" ")
	setting, narrowed, _ = strings.Cut(rest, " ")
	return narrowed, setting
}

// isOwnName reports whether a domain is served only for being the machine's own name, by a variable.
// When the plan gives the machine another name, that goes.
func (s *state) isOwnName(domain string) bool {
	host := s.effective["myhostname"]
	_, parent, _ := strings.Cut(host, ".")
	if !slices.Contains([]string{host, parent, "localhost." + parent}, domain) {
		return false
	}

	return !slices.ContainsFunc(elements(s.set["mydestination"]), func(e string) bool {
		return strings.EqualFold(e, domain)
	})
}
