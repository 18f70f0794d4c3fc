package mdaemon

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// textFile is a file of lines as it is on the disk: whatever its code page and its line ends, what is not
// changed stays octet by octet.
type textFile struct {
	lines []string // without their ends
	end   string   // CR LF, or LF where the file has that
	final bool     // the last line ends too
}

func parseText(data []byte) textFile {
	f := textFile{end: "\r\n", final: true}
	if len(data) == 0 {
		return f
	}

	if !bytes.Contains(data, []byte("\r\n")) && bytes.Contains(data, []byte("\n")) {
		f.end = "\n"
	}

	text := string(data)
	f.final = strings.HasSuffix(text, f.end)
	f.lines = strings.Split(strings.TrimSuffix(text, f.end), f.end)

	return f
}

// isUniform reports whether the file is of octets with one kind of line end: else lines can't be told apart.
func (f textFile) isUniform() bool {
	return !slices.ContainsFunc(f.lines, func(line string) bool {
		return strings.ContainsAny(line, "\x00\n")
	})
}

func (f textFile) bytes() []byte {
	if len(f.lines) == 0 {
		return []byte{}
	}

	text := strings.Join(f.lines, f.end)
	if f.final {
		text += f.end
	}

	return []byte(text)
}

// aliases is Alias.dat: lines of "alias = actual", of which the first that matches counts. An alias may
// hold "*" and "?", and $LOCALDOMAIN$ for any domain of the server.
type aliases struct {
	textFile
}

func parseAliases(data []byte) (aliases, error) {
	a := aliases{parseText(data)}
	if !a.isUniform() {
		return a, fmt.Errorf("%s is in UTF-16 or mixes line ends: the layout is not known, so nothing is written",
			aliasFile)
	}

	for i, line := range a.lines {
		if _, _, ok := splitAlias(line); !ok && !isRemark(line) {
			return a, fmt.Errorf("%s line %d is no line of \"alias = address\": the layout is not known, so nothing is written",
				aliasFile, i+1)
		}
	}

	return a, nil
}

func isRemark(line string) bool {
	line = strings.TrimSpace(line)
	return line == "" || strings.HasPrefix(line, ";") || strings.HasPrefix(line, "#")
}

// splitAlias returns the two sides of a line.
func splitAlias(line string) (alias, actual string, ok bool) {
	if isRemark(line) {
		return "", "", false
	}

	alias, actual, ok = strings.Cut(line, "=")
	alias = strings.TrimSpace(alias)
	actual = strings.TrimSpace(actual)

	return alias, actual, ok && alias != "" && actual != "" &&
		!strings.ContainsAny(alias, " \t")
}

// resolve returns where mail for an address goes, and the line that says so; -1 where none does.
func (a aliases) resolve(address string) (actual string, line int) {
	for i, text := range a.lines {
		if alias, actual, ok := splitAlias(text); ok && matches(alias, address) {
			return actual, i
		}
	}
	return "", -1
}

// matches reports whether an alias, with its wildcards, is of an address.
func matches(alias, address string) bool {
	pattern := regexp.QuoteMeta(strings.ToLower(alias))
	for wild, form := range map[string]string{`\$localdomain\$`: `[^@]+`, `\*`: `.*`,
		`\?`: `.`} {
		pattern = strings.ReplaceAll(pattern, wild, form)
	}
	ok, err := regexp.MatchString("^"+pattern+"$", strings.ToLower(address))
	return ok && err == nil
}

// own returns the first line that is of the address itself, without wildcards; -1 where there is none.
func (a aliases) own(address string) int {
	return slices.IndexFunc(a.lines, func(line string) bool {
		alias, _, ok := splitAlias(line)
		return ok && strings.EqualFold(alias, address)
	})
}

// set lets mail for an address go to actual; "" takes the address's own line out. The other lines keep
// their order: where one with a wildcard would win, ours stands before it.
func (a *aliases) set(address, actual string) {
	at := a.own(address)
	if at >= 0 {
		without := aliases{textFile{lines: slices.Delete(slices.Clone(a.lines), at, at+1)}}
		now, by := without.resolve(address)
		_, line := a.resolve(address)
		twice := by >= 0 && by == without.own(address) // of two lines for the address, which is ours can't be told

		if !twice && now == actual || actual == "" && line == at {
			a.lines = without.lines // what was there before our line
			return
		}

		if line == at && actual != "" {
			name, was, _ := strings.Cut(a.lines[at], "=")
			blank := was[:len(was)-len(strings.TrimLeft(was, " \t"))]
			a.lines[at] = name + "=" + blank + actual
			return
		}
		// Behind one with a wildcard it is never asked, and stays for destroy to find.
	}

	if actual == "" {
		return
	}

	ours := address + " = " + actual
	if _, line := a.resolve(address); line >= 0 {
		a.lines = slices.Insert(a.lines, line, ours)
		return
	}

	a.lines = append(a.lines, ours)
}
