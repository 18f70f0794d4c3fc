package mdaemon

import (
	"fmt"
	"slices"
	"strings"
)

// ini is a file of sections and "key=value", as Windows reads it: case does not count, and of two
// equal sections or keys the first does.
type ini struct {
	textFile
}

func parseINI(data []byte) ini { return ini{parseText(data)} }

// section returns the lines of a section, from behind its head to before the next.
func (f ini) section(name string) (from, to int, ok bool) {
	for i, line := range f.lines {
		head, is := sectionHead(line)
		switch {
		case !is:
		case ok:
			return from, i, true
		case strings.EqualFold(head, name):
			from = i + 1
			ok = true
		}
	}

	return from, len(f.lines), ok
}

func sectionHead(line string) (name string, ok bool) {
	line = strings.TrimSpace(line)
	if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
		return line[1 : len(line)-1], true
	}
	return "", false
}

// find returns the line of a key, -1 where there is none.
func (f ini) find(section, key string) int {
	from, to, ok := f.section(section)
	if !ok {
		return -1
	}

	for i := from; i < to; i++ {
		if is, _, ok := strings.Cut(f.lines[i], "="); ok &&
			strings.EqualFold(strings.TrimSpace(is), key) {
			return i
		}
	}

	return -1
}

// get returns the value of a key.
func (f ini) get(section, key string) (value string, ok bool) {
	i := f.find(section, key)
	if i < 0 {
		return "", false
	}
	_, value, _ = strings.Cut(f.lines[i], "=")
	return strings.TrimSpace(value), true
}

// set gives a key a value; nil takes it out. A new key stands at the end of its section, which must be
// there: a file without it is not the one that was meant.
func (f *ini) set(section, key string, value *string) error {
	at := f.find(section, key)
	switch {
	case at < 0 && value == nil:
	case value == nil:
		f.lines = slices.Delete(f.lines, at, at+1)
	case at >= 0:
		name, was, _ := strings.Cut(f.lines[at], "=")
		blank := was[:len(was)-len(strings.TrimLeft(was, " \t"))]
		f.lines[at] = name + "=" + blank + *value
	default:
		from, to, ok := f.section(section)
		if !ok {
			return fmt.Errorf("has no section [%s]: the layout is not known, so nothing is written", section)
		}

		for to > from && strings.TrimSpace(f.lines[to-1]) == "" {
			to--
		}

		f.lines = slices.Insert(f.lines, to, key+"="+*value)
	}

	return nil
}

// all returns every key with its value, by section and key, as "[Section] Key".
func (f ini) all() map[iniKey]string {
	found := map[iniKey]string{}
	section := ""
	for _, line := range f.lines {
		if name, ok := sectionHead(line); ok {
			section = name
			continue
		}

		key, value, ok := strings.Cut(line, "=")
		at := iniKey{Section: section, Key: strings.TrimSpace(key)}
		if _, twice := found[at]; ok && !twice {
			found[at] = strings.TrimSpace(value)
		}
	}

	return found
}
