package term

import (
	"fmt"
	"strings"
	"unicode"
)

// Clean makes text from outside fit for a terminal: what could move the cursor or
// change colours becomes "?". Line ends stay.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r != '\n' && (unicode.IsControl(r) || !unicode.IsPrint(r) && r != ' ') {
			return '?'
		}
		return r
	}, s)
}

// Count is a number of things: "1 change", "3 changes".
func Count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
