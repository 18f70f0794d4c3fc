package term

import (
	"strings"
	"unicode"
)

// ShellWord is a word of a command line as a shell takes it, of Windows or of Unix.
func ShellWord(s, system string) string {
	plain := "/._-:+,@%="
	if system == "windows" {
		plain += `\`
	}

	odd := func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune(plain, r)
	}

	switch {
	case s != "" && !strings.ContainsFunc(s, odd):
		return s
	case system == "windows": // where no file name has a quotation mark
		return `"` + s + `"`
	}

	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
