package roundtrip

import (
	"io"
	"slices"
	"strings"

	"golang.org/x/net/html"
)

// inline are the elements that do not end a line.
var inline = []string{"a", "abbr", "b", "bdi", "code", "em", "font", "i", "small", "span",
	"strong", "sub", "sup", "tt", "u", "wbr"}

// htmlText returns the text of an HTML page, with a line for each block. Scripts, styles and comments are left out.
func htmlText(page io.Reader) string {
	var b strings.Builder
	hidden := ""
	z := html.NewTokenizer(page)
	z.SetMaxBuf(maxText)

	for {
		switch z.Next() {
		case html.ErrorToken:
			return b.String()
		case html.TextToken:
			if hidden == "" {
				b.WriteString(strings.Join(strings.Fields(z.Token().Data), " ") + " ")
			}
		case html.StartTagToken, html.SelfClosingTagToken:
			name, _ := z.TagName()
			if tag := string(name); hidden == "" {
				hidden = hiddenElement(tag)
				b.WriteString(lineEnd(tag))
			}
		case html.EndTagToken:
			name, _ := z.TagName()
			if tag := string(name); tag == hidden {
				hidden = ""
			} else if hidden == "" {
				b.WriteString(lineEnd(tag))
			}
		}
	}
}

// hiddenElement returns an element's name if browsers do not show its text.
func hiddenElement(tag string) string {
	if slices.Contains([]string{"script", "style", "title"}, tag) {
		return tag
	}
	return ""
}

func lineEnd(tag string) string {
	if slices.Contains(inline, tag) {
		return ""
	}
	return "\n"
}
