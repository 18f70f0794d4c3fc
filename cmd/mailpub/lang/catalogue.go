package lang

import (
	_ "embed" // the sentences
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"
	"golang.org/x/text/message"
	"golang.org/x/text/message/catalog"
)

//go:embed it.txt
var italianText string

// value stands in a sentence for what differs from one time to the next.
const value = "%s"

// sentence is one of a catalogue.
type sentence struct {
	key    string   // the English, as a format
	pieces []string // what stands between its values
	solid  int      // how many octets of it are no values
}

// sentences are those of one language.
type sentences struct {
	printer *message.Printer
	whole   map[string]bool // keys without values
	open    []sentence      // keys with values, those that leave least open first
}

var italian = sync.OnceValue(func() *sentences {
	pairs, err := parse(italianText)
	if err != nil {
		panic(err) // a file that is in this package
	}
	return newSentences(language.Italian, pairs)
})

// pair is a sentence and what it is in another language.
type pair struct{ english, other string }

// parse reads a catalogue: a sentence in a line, what it is in the other language, indented, in the next one.
// Lines that begin with # are comments. The error names the line.
func parse(text string) ([]pair, error) {
	var pairs []pair
	seen := map[string]bool{}
	english := ""

	for i, line := range strings.Split(text, "\n") {
		other, indented := strings.CutPrefix(line, "\t")
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case indented && english == "":
			return nil, fmt.Errorf("line %d: a translation without a sentence", i+1)
		case indented:
			if strings.Count(english, value) != strings.Count(other, value) {
				return nil, fmt.Errorf("line %d: %q has other values than %q", i+1, other,
					english)
			}
			pairs = append(pairs, pair{english, other})
			english = ""
		case english != "":
			return nil, fmt.Errorf("line %d: %q has no translation", i+1, english)
		case seen[line]:
			return nil, fmt.Errorf("line %d: %q is there twice", i+1, line)
		default:
			english = line
			seen[line] = true
		}
	}

	return pairs, nil
}

func newSentences(tag language.Tag, pairs []pair) *sentences {
	builder := catalog.NewBuilder(catalog.Fallback(language.English))
	s := &sentences{whole: map[string]bool{}}
	for _, p := range pairs {
		key := complete(p.english)
		other := complete(p.other)
		if err := builder.SetString(tag, escape(key), escape(other)); err != nil {
			panic(err) // a text in this package
		}

		if !strings.Contains(key, value) {
			s.whole[key] = true
			continue
		}

		pieces := strings.Split(key, value)
		s.open = append(s.open, sentence{key, pieces, len(strings.Join(pieces, ""))})
	}

	slices.SortStableFunc(s.open, func(a, b sentence) int { return b.solid - a.solid })
	s.printer = message.NewPrinter(tag, message.Catalog(builder))
	return s
}

// complete gives a part of a sentence a value where the rest of the sentence stands: parts begin with a
// separator or end with a space.
func complete(text string) string {
	if strings.ContainsAny(text[:1], " ;,:") {
		text = value + text
	}
	if strings.HasSuffix(text, " ") {
		text += value
	}
	return text
}

// escape makes a format of a text in which only value stands for something.
func escape(text string) string {
	return strings.ReplaceAll(strings.ReplaceAll(text, "%", "%%"), "%%s", value)
}

// deepest bounds how far values are taken for sentences themselves.
const deepest = 8

// say translates a sentence, and the values in it as far as they are sentences.
func (s *sentences) say(text string, depth int) string {
	if depth > deepest || text == "" {
		return text
	}
	if s.whole[text] {
		return s.printer.Sprintf(escape(text))
	}

	if o, values := s.nearest(text); values != nil {
		if said, ok := s.sayValues(o, values, depth); ok {
			return s.printer.Sprintf(escape(o.key), said...)
		}
	}

	if said, ok := s.sayDressed(text, depth); ok {
		return said
	}

	return s.sayParts(text, depth)
}

// sayDressed translates a sentence that begins with a capital or ends with a full stop, where the catalogue has
// it without.
func (s *sentences) sayDressed(text string, depth int) (string, bool) {
	if bare, ok := strings.CutSuffix(text, "."); ok && bare != "" {
		if said := s.say(bare, depth+1); said != bare {
			return said + ".", true
		}
	}

	first, size := utf8.DecodeRuneInString(text)
	lower := string(unicode.ToLower(first)) + text[size:]
	if !unicode.IsUpper(first) || !s.whole[lower] {
		return "", false
	}

	said := s.say(lower, depth+1)
	first, size = utf8.DecodeRuneInString(said)
	return string(unicode.ToUpper(first)) + said[size:], true
}

// nearest is the sentence with values that leaves the fewest words to them, and of those the one that has most
// text of its own; no values where there is none.
func (s *sentences) nearest(text string) (best sentence, values []string) {
	least := -1
	for _, o := range s.open {
		v, ok := o.match(text)
		if !ok {
			continue
		}
		if words := strings.Count(strings.Join(v, ""), " "); least < 0 || words < least {
			best, values, least = o, v, words
		}
	}

	return best, values
}

// distinctive is how much text of its own a sentence needs to be known for what it is, whatever its values are.
const distinctive = 12

// sayValues translates values. What a short sentence such as "%s and %s" stands between is itself one word, or
// known, else it is not that sentence.
func (s *sentences) sayValues(o sentence, values []string, depth int) ([]any, bool) {
	said := make([]any, len(values))
	for i, v := range values {
		text := s.say(v, depth+1)
		if o.solid < distinctive && text == v && strings.Contains(strings.TrimSpace(v), " ") {
			return nil, false
		}
		said[i] = text
	}

	return said, true
}

// sayParts translates what separators join.
func (s *sentences) sayParts(text string, depth int) string {
	for _, separator := range []string{"; ", ": ", ", "} {
		before, after, ok := strings.Cut(text, separator)
		if !ok {
			continue
		}

		parts := s.say(before, depth+1) + separator + s.say(after, depth+1)
		if parts != text {
			return parts
		}
	}

	return text
}

// match finds the values of a sentence: what stands between its pieces, each as short as it can be, the last
// one up to the end. Only a value that is attached to a word may be empty.
func (o sentence) match(text string) ([]string, bool) {
	rest, ok := strings.CutPrefix(text, o.pieces[0])
	if !ok {
		return nil, false
	}

	var values []string
	for i, piece := range o.pieces[1:] {
		least := 1
		if attached(o.pieces[:i+1]) {
			least = 0
		}

		at := len(rest)
		switch last := i == len(o.pieces)-2; {
		case last:
			at -= len(piece)
			if !strings.HasSuffix(rest, piece) {
				return nil, false
			}
		case piece != "" && len(rest) >= least:
			at = strings.Index(rest[least:], piece) + least
			if at < least {
				return nil, false
			}
		}

		if at < least {
			return nil, false
		}

		values = append(values, rest[:at])
		rest = rest[at+len(piece):]
	}

	return values, true
}

// attached reports whether a value after some pieces follows a word, or another value, without a space.
func attached(before []string) bool {
	piece := before[len(before)-1]
	if piece == "" {
		return len(before) > 1
	}
	end := piece[len(piece)-1]
	return end == ')' || 'a' <= end && end <= 'z'
}
