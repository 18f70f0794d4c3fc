package postfix

import (
	"slices"
	"strings"
)

// empty stands for a setting with nothing in it, which is not the same as no setting.
const empty = "(empty)"

// isList tells the settings whose value is a list, with commas or white space between.
func isList(name string) bool {
	return strings.HasSuffix(name, "_restrictions") || strings.HasSuffix(name, "_maps") ||
		slices.Contains([]string{"mydestination", "mynetworks", "relay_domains",
			"inet_interfaces", "inet_protocols",
			"virtual_mailbox_domains", "virtual_alias_domains", "smtp_fallback_relay"}, name)
}

// canonical returns the one spelling of a value: equal text is an equal setting.
func canonical(name, value string) string {
	if isList(name) {
		value = strings.Join(elements(value), ", ")
	} else {
		value = strings.Join(strings.Fields(value), " ")
	}

	if value == "" {
		return empty
	}

	return value
}

// literal is the reverse: what is written into the file.
func literal(text string) string {
	if text == empty {
		return ""
	}
	return text
}

// elements takes a list apart. Braces keep what is within them together, and a restriction
// that takes an argument keeps that (postconf(5)).
func elements(value string) (out []string) {
	if value == empty {
		return nil
	}

	depth, start := 0, -1
	flush := func(end int) {
		if start < 0 {
			return
		}

		word := value[start:end]
		start = -1
		if n := len(out); n > 0 && takesArgument(out[n-1]) {
			out[n-1] += " " + word
			return
		}

		out = append(out, word)
	}

	for i := 0; i < len(value); i++ {
		c := value[i]
		if depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n') {
			flush(i)
			continue
		}

		if start < 0 {
			start = i
		}

		switch c {
		case '{':
			depth++
		case '}':
			depth = max(depth-1, 0)
		}
	}

	flush(len(value))
	return out
}

// takesArgument reports whether a restriction is not complete without the next word.
func takesArgument(element string) bool {
	if element == "warn_if_reject" { // a word before the rule that only warns
		return true
	}

	element = strings.TrimPrefix(element, "warn_if_reject ")
	if strings.Contains(element, " ") {
		return false
	}

	for _, prefix := range []string{"check_", "reject_rbl_", "reject_rhsbl_", "permit_dnswl_",
		"permit_rhswl_"} {
		if strings.HasPrefix(element, prefix) {
			return true
		}
	}

	return element == "sleep"
}
