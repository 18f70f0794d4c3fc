package postfix

import (
	"strings"
)

// document is a file in the syntax that main.cf and the sources of lookup tables have in
// common (postconf(5), postmap(1)): entries that may be continued on lines that begin with
// white space, and between them comments and empty lines, which may stand within an entry
// too. Printed again it is the same to the byte.
type document struct {
	parts []paragraph
	split func(logical string) (name, value string)
	first bool // of several entries of one name the first counts, not the last
}

type paragraph struct {
	name  string // "" for comments and empty lines
	value string
	raw   string // with its line ends
}

// parseMain parses main.cf, where the last of several entries counts.
func parseMain(text string) *document {
	return parse(text, &document{split: func(s string) (string, string) {
		name, value, _ := strings.Cut(s, "=")
		return strings.TrimSpace(name), strings.TrimSpace(value)
	}})
}

// parseTable parses the source of a lookup table, where the first counts.
func parseTable(text string) *document {
	return parse(text, &document{first: true, split: func(s string) (string, string) {
		s = strings.TrimSpace(s)
		i := strings.IndexAny(s, " \t")
		if i < 0 {
			return strings.ToLower(s), ""
		}
		return strings.ToLower(s[:i]), strings.TrimSpace(s[i:])
	}})
}

func parse(text string, d *document) *document {
	entry := -1 // the last one
	for line := range strings.Lines(text) {
		blank := strings.TrimSpace(line)
		switch {
		case blank == "" || blank[0] == '#':
			d.parts = append(d.parts, paragraph{raw: line})
		case (line[0] == ' ' || line[0] == '\t') && entry >= 0:
			p := &d.parts[entry]
			for _, between := range d.parts[entry+1:] {
				p.raw += between.raw
			}
			p.raw += line
			p.value += " " + blank
			d.parts = d.parts[:entry+1]
		default:
			entry = len(d.parts)
			d.parts = append(d.parts, paragraph{value: blank, raw: line})
		}
	}

	for i, p := range d.parts {
		if p.value != "" {
			d.parts[i].name, d.parts[i].value = d.split(p.value)
		}
	}

	return d
}

// comments returns the comments and empty lines within an entry.
func (p paragraph) comments() string {
	var b strings.Builder
	for line := range strings.Lines(p.raw) {
		if blank := strings.TrimSpace(line); blank == "" || blank[0] == '#' {
			b.WriteString(line)
		}
	}
	return b.String()
}

func (d *document) String() string {
	var b strings.Builder
	for _, p := range d.parts {
		b.WriteString(p.raw)
	}
	return b.String()
}

// find returns the entry of a name that counts, or -1.
func (d *document) find(name string) int {
	at := -1
	for i, p := range d.parts {
		if p.name != "" && p.name == name && (at < 0 || !d.first) {
			at = i
		}
	}
	return at
}

// get returns the value of a name.
func (d *document) get(name string) (value string, ok bool) {
	if i := d.find(name); i >= 0 {
		return d.parts[i].value, true
	}
	return "", false
}

// set replaces an entry where it stands, or adds one at the end. line ends its last line.
func (d *document) set(name, value, line string) {
	if i := d.find(name); i >= 0 {
		comments := d.parts[i].comments()
		d.parts[i] = paragraph{name, value, line}
		if comments != "" {
			d.insert(i+1, paragraph{raw: comments})
		}
		return
	}

	if n := len(d.parts); n > 0 && !strings.HasSuffix(d.parts[n-1].raw, "\n") {
		d.parts[n-1].raw += "\n"
	}

	d.parts = append(d.parts, paragraph{name, value, line})
}

// remove takes an entry out; comments within it stay.
func (d *document) remove(name string) {
	if i := d.find(name); i >= 0 {
		if comments := d.parts[i].comments(); comments != "" {
			d.parts[i] = paragraph{raw: comments}
			return
		}
		d.parts = append(d.parts[:i], d.parts[i+1:]...)
	}
}

func (d *document) insert(at int, p paragraph) {
	d.parts = append(d.parts[:at], append([]paragraph{p}, d.parts[at:]...)...)
}

// restore gives an entry the spelling that it has in an older text, when that says the same
// by the given measure.
func (d *document) restore(name string, old *document, same func(a, b string) bool) {
	i := d.find(name)
	j := old.find(name)
	if i < 0 || j < 0 || !same(d.parts[i].value, old.parts[j].value) {
		return
	}

	was := old.parts[j]
	after := ""
	for k := i + 1; k < len(d.parts) && d.parts[k].name == "" &&
		len(after) < len(was.comments()); k++ {
		if after += d.parts[k].raw; after == was.comments() { // set has put them there
			d.parts = append(d.parts[:i+1], d.parts[k+1:]...)
		}
	}

	d.parts[i] = was
	if i+1 < len(d.parts) && !strings.HasSuffix(was.raw, "\n") {
		d.parts[i].raw += "\n"
	}
}
