package receiver

import (
	"errors"
	"strings"
	"unicode/utf8"
)

var (
	errWantPath = errors.New("want an address in angle brackets")
	errAddress  = errors.New("the address is malformed")
)

// parsePath reads the argument of MAIL or RCPT (RFC 5321 section 4.1.2): an address without quotes
// and source route, "" for the null path, and what follows it.
func parsePath(argument, keyword string) (address string, parameters []string, err error) {
	if len(argument) < len(keyword) || !strings.EqualFold(argument[:len(keyword)], keyword) {
		return "", nil, errors.New("want " + keyword + "<ADDRESS>")
	}

	rest := strings.TrimLeft(argument[len(keyword):], " ")
	if !strings.HasPrefix(rest, "<") {
		return "", nil, errWantPath
	}

	end := pathEnd(rest)
	if end < 0 {
		return "", nil, errWantPath
	}

	inner := rest[1:end]
	rest = rest[end+1:]
	if rest != "" && rest[0] != ' ' {
		return "", nil, errWantPath
	}

	parameters = strings.Fields(rest)
	if inner == "" {
		return "", parameters, nil
	}

	address, err = parseMailbox(withoutRoute(inner))
	return address, parameters, err
}

// pathEnd returns the index of the ">" that ends a path, -1 where there is none. One in a quoted
// local part does not count.
func pathEnd(path string) int {
	quoted := false
	for i := 1; i < len(path); i++ {
		switch c := path[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			return i
		}
	}

	return -1
}

// withoutRoute leaves a source route out: it is ignored (RFC 5321 appendix C).
func withoutRoute(path string) string {
	if !strings.HasPrefix(path, "@") {
		return path
	}

	route, mailbox, found := strings.Cut(path, ":")
	if !found || strings.ContainsAny(route, `"<> `) {
		return path
	}

	return mailbox
}

// parseMailbox reads LOCAL@DOMAIN or LOCAL, and takes the quotes off a local part.
func parseMailbox(text string) (string, error) {
	local, domain, err := splitLocal(text)
	if err != nil || local == "" || len(local) > 64 ||
		!utf8.ValidString(text) && len(text) > 320 {
		return "", errAddress
	}
	if domain == "" {
		return local, nil
	}
	if domain = domain[1:]; !isHostPart(domain) {
		return "", errAddress
	}

	return local + "@" + domain, nil
}

// splitLocal returns the local part without its quotes, and what follows it: "" or "@" and the domain.
func splitLocal(text string) (local, rest string, err error) {
	if !strings.HasPrefix(text, `"`) {
		at := strings.IndexByte(text, '@')
		if at < 0 {
			at = len(text)
		}

		local = text[:at]
		if strings.ContainsAny(local, " \t\"(),:;<>[]\\") {
			return "", "", errAddress
		}

		return local, text[at:], nil
	}

	var b strings.Builder
	for i := 1; i < len(text); i++ {
		switch c := text[i]; c {
		case '\\':
			if i++; i == len(text) {
				return "", "", errAddress
			}
			b.WriteByte(text[i])
		case '"':
			if rest = text[i+1:]; rest != "" && rest[0] != '@' {
				return "", "", errAddress
			}
			return b.String(), rest, nil
		default:
			b.WriteByte(c)
		}
	}

	return "", "", errAddress
}

// isHostPart reports whether a text can be the domain of an address: a name, in ASCII or UTF-8 (RFC
// 6531 section 3.3), or an address literal.
func isHostPart(domain string) bool {
	if strings.HasPrefix(domain, "[") {
		return len(domain) > 2 && strings.HasSuffix(domain, "]") &&
			!strings.ContainsAny(domain[1:len(domain)-1], "[]\\ ")
	}
	if domain == "" || len(domain) > 255 {
		return false
	}

	return !strings.ContainsFunc(domain, func(r rune) bool {
		return r < utf8.RuneSelf && !(r >= '0' && r <= '9' || r >= 'a' && r <= 'z' ||
			r >= 'A' && r <= 'Z' || strings.ContainsRune(".-_", r))
	})
}
