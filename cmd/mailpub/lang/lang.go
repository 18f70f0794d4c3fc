// Package lang says mailpub's sentences in the language of those who read them: customers and their
// providers, whom requests, reports, notices and status pages address.
//
// It knows sentences and no site. Sentences are made in English where they are known, and said in another
// language where they are shown, so that documents for machines are the same everywhere. What servers and
// libraries say is quoted as they said it.
package lang

import (
	"os"
	"slices"
	"strings"
	"time"
)

// Language is one that people can be addressed in, as RFC 5646 names it.
type Language string

// The languages that there are.
const (
	English Language = "en"
	Italian Language = "it"
)

// Names are those of all languages.
func Names() []string { return []string{string(English), string(Italian)} }

// Known reports whether there are sentences in l.
func (l Language) Known() bool { return slices.Contains(Names(), string(l)) }

// Or is l where it is known here, else other.
func (l Language) Or(other Language) Language {
	if l.Known() {
		return l
	}
	return other
}

// System is the language of the session by LC_ALL, LC_MESSAGES and LANG, English where that is not known here.
func System() Language {
	for _, name := range []string{"LC_ALL", "LC_MESSAGES", "LANG"} {
		value := os.Getenv(name)
		if value == "" {
			continue
		}

		code, _, _ := strings.Cut(value, "_")
		if l := Language(code); l.Known() {
			return l
		}

		break
	}

	return English
}

// Text says an English sentence of mailpub in l. A sentence that is not in the catalogue comes back as it is.
func (l Language) Text(sentence string) string {
	if l != Italian {
		return sentence
	}
	return italian().say(sentence, 0)
}

// Lines says each line of a text in l; what a line begins with, spaces or a dash, stays.
func (l Language) Lines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		bare := strings.TrimLeft(line, " -")
		lines[i] = line[:len(line)-len(bare)] + l.Text(bare)
	}
	return strings.Join(lines, "\n")
}

// Format writes a time by a layout of package time, with the names of months and weekdays in l.
func (l Language) Format(t time.Time, layout string) string {
	text := t.Format(layout)
	if l != Italian {
		return text
	}
	return calendar.Replace(text)
}

var calendar = strings.NewReplacer(
	"Jan", "gen", "May", "mag", "Jun", "giu", "Jul", "lug", "Aug", "ago", "Sep", "set", "Oct",
	"ott", "Dec", "dic",
	"Feb", "feb", "Mar", "mar", "Apr", "apr", "Nov", "nov",
	"Mon", "lun", "Tue", "mar", "Wed", "mer", "Thu", "gio", "Fri", "ven", "Sat", "sab", "Sun",
	"dom",
)
