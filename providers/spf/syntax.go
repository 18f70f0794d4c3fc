package spf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/mailpub/mailpub/plan/lazy"
)

// The grammar of RFC 7208 section 12, in so far as words have one.
var (
	spfMacro    = `%\{[slodiphvSLODIPHV](?:[1-9][0-9]*)?[rR]?[.\-+,/_=]*\}|%[%_\-]`
	spfLiteral  = `[\x21-\x24\x26-\x7e]`
	spfTopLabel = `(?:[0-9A-Za-z]*[A-Za-z][0-9A-Za-z]*|[0-9A-Za-z]+-[0-9A-Za-z\-]*[0-9A-Za-z])`
	spfString   = lazy.Regexp(`^(?:` + spfMacro + `|` + spfLiteral + `)*$`)
	spfDomain   = lazy.Regexp(`^(?:` + spfMacro + `|` + spfLiteral + `)*(?:\.` + spfTopLabel +
		`\.?|` + spfMacro + `)$`)
	spfModifier = lazy.Regexp(`^([A-Za-z][A-Za-z0-9\-_.]*)=(.*)$`)
	spfLengths  = lazy.Regexp(`^(.*?)(/[0-9]*)?(//[0-9]*)?$`)
)

// spfProblem says what in an SPF record is no term of RFC 7208, or returns "". Receivers look at
// the whole record before they evaluate any of it (section 4.6); the library stops at the first
// match.
func spfProblem(record string) string {
	seen := map[string]bool{}
	for i, term := range strings.Split(record, " ") {
		if i == 0 || term == "" {
			continue
		}

		modifier := spfModifier().FindStringSubmatch(term)
		if modifier == nil {
			if why := mechanismProblem(term); why != "" {
				return fmt.Sprintf("%q %s", term, why)
			}
			continue
		}

		name := strings.ToLower(modifier[1])
		value := modifier[2]
		once := name == "redirect" || name == "exp"

		switch {
		case once && seen[name]:
			return fmt.Sprintf("%q: %s is there twice", term, name)
		case once && !spfDomain().MatchString(value), !spfString().MatchString(value):
			return fmt.Sprintf("%q names no domain", term)
		}

		seen[name] = true
	}

	return ""
}

// mechanismProblem says what is wrong with a mechanism and its qualifier.
func mechanismProblem(term string) string {
	text := term
	if strings.IndexAny(text, "+-~?") == 0 {
		text = text[1:]
	}

	end := len(text)
	if i := strings.IndexAny(text, ":/"); i >= 0 {
		end = i
	}

	name := strings.ToLower(text[:end])
	rest := text[end:]
	value, given := strings.CutPrefix(rest, ":")

	switch name {
	case "all":
		if rest != "" {
			return "has something behind all"
		}
	case "include", "exists":
		if !given || !spfDomain().MatchString(value) {
			return "names no domain"
		}
	case "ptr":
		if rest != "" && (!given || !spfDomain().MatchString(value)) {
			return "names no domain"
		}
	case "a", "mx":
		parts := spfLengths().FindStringSubmatch(value)
		switch {
		case given && !spfDomain().MatchString(parts[1]), !given && parts[1] != "":
			return "names no domain"
		case !prefixLength(parts[2], 32), !prefixLength(strings.TrimPrefix(parts[3], "/"), 128):
			return "has no length of a prefix behind the slash"
		}
	case "ip4", "ip6":
		addr, length, _ := strings.Cut(value, "/")
		a, err := netip.ParseAddr(addr)
		bits := map[string]int{"ip4": 32, "ip6": 128}[name]
		if !given || err != nil || a.Is4() != (name == "ip4") || a.Zone() != "" ||
			strings.Contains(value, "/") && !prefixLength("/"+length, bits) {
			return "is no network of " + map[string]string{"ip4": "IPv4", "ip6": "IPv6"}[name]
		}
	default:
		return "is no term" + misspelt(name)
	}

	return ""
}

// prefixLength reports whether text is "/" and a number up to most, or empty.
func prefixLength(text string, most int) bool {
	if text == "" {
		return true
	}
	n, err := strconv.Atoi(text[1:])
	return err == nil && n >= 0 && n <= most && strconv.Itoa(n) == text[1:]
}

func misspelt(name string) string {
	for wrong, right := range map[string]string{"ipv4": "ip4", "ipv6": "ip6",
		"includes": "include", "exist": "exists"} {
		if name == wrong {
			return ", want " + right
		}
	}
	return ""
}

// broken stands for a record with a problem: no term of it is evaluated.
const broken = Tag + " malformed"

// slash stands for a slash in a domain, which the library would take for the end of it.
const slash = "\x01"

// checked puts broken in the place of SPF records that have a problem, and returns the first. In
// the others the library finds what it can read.
func checked(texts []string) (out []string, problem string) {
	for _, text := range texts {
		if text != Tag && !strings.HasPrefix(strings.ToLower(text), Tag+" ") {
			out = append(out, text)
			continue
		}

		why := spfProblem(text)
		if why == "" {
			out = append(out, readable(text))
			continue
		}

		out = append(out, broken)
		if problem == "" {
			problem = why + " in " + text
		}
	}

	return out, problem
}

// readable is a record without slashes in the domains of a and mx, where the grammar allows them.
func readable(record string) string {
	terms := strings.Split(record, " ")
	for i, term := range terms {
		name, value, given := strings.Cut(term, ":")
		if !given || !slices.Contains([]string{"a", "mx"},
			strings.ToLower(strings.TrimLeft(name, "+-~?"))) {
			continue
		}
		parts := spfLengths().FindStringSubmatch(value)
		terms[i] = name + ":" + strings.ReplaceAll(parts[1], "/", slash) + parts[2] + parts[3]
	}

	return strings.Join(terms, " ")
}
