// Package header reads structured fields of a message's header (RFC 5322). It knows nothing of what they mean.
package header

import "strings"

// WithoutComments takes the comments out of a structured field (RFC 5322 section 3.2.2): they nest, and parentheses in
// quotes are none. Quoted pairs stay as they are.
func WithoutComments(value string) string {
	var b strings.Builder
	depth, quoted := 0, false
	for i := 0; i < len(value); i++ {
		c := value[i]
		switch {
		case c == '\\' && i+1 < len(value) && (quoted || depth > 0):
			if depth == 0 {
				b.WriteString(value[i : i+2])
			}
			i++
		case c == '"' && depth == 0:
			quoted = !quoted
			b.WriteByte(c)
		case c == '(' && !quoted:
			depth++
		case c == ')' && depth > 0:
			depth--
		case depth == 0:
			b.WriteByte(c)
		}
	}

	return b.String()
}
