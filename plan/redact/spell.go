package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf16"
)

// Shortest is the length of the shortest secret that is taken out, in octets: a shorter one stands in many words.
const Shortest = 6

// Spellings are the texts that a secret may come back as: as it is, and in the encodings of JSON, URLs, HTML,
// base64 and hexadecimal digits. Each is at least Shortest octets long.
func Spellings(secret string) []string {
	all := []string{secret, hex.EncodeToString([]byte(secret)),
		strings.ToUpper(hex.EncodeToString([]byte(secret)))}

	all = append(all, jsonSpellings(secret)...)
	for _, escaped := range []string{url.QueryEscape(secret), url.PathEscape(secret),
		percent(secret)} {
		all = append(all, escaped, lowerPercent(escaped))
	}

	html4 := html.EscapeString(secret)
	all = append(all, html4, strings.NewReplacer("&#34;", "&quot;", "&#39;",
		"&apos;").Replace(html4), strings.NewReplacer("&#39;", "'").Replace(html4))

	for skip := range 3 {
		all = append(all, base64At(base64.StdEncoding, secret, skip),
			base64At(base64.URLEncoding, secret, skip))
	}

	all = append(all, base64.StdEncoding.EncodeToString([]byte(secret)),
		base64.URLEncoding.EncodeToString([]byte(secret)))

	all = slices.DeleteFunc(all, func(s string) bool { return len(s) < Shortest })
	slices.Sort(all)
	return slices.Compact(all)
}

// jsonSpellings are those of Go, of programs that escape less, and of PHP, which escapes slashes and all that is
// not ASCII.
func jsonSpellings(secret string) (all []string) {
	quoted, err := json.Marshal(secret)
	if err != nil {
		return nil
	}

	full := strings.TrimSuffix(strings.TrimPrefix(string(quoted), `"`), `"`)
	plain := strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(full)
	slashes := strings.ReplaceAll(plain, "/", `\/`)

	return []string{full, plain, slashes, asciiOnly(plain), asciiOnly(slashes)}
}

// asciiOnly escapes what is not ASCII as JSON does (RFC 8259 section 7).
func asciiOnly(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			fmt.Fprintf(&b, `\u%04x`, unit)
		}
	}

	return b.String()
}

// percent escapes all but RFC 3986's unreserved characters.
func percent(text string) string {
	const unreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
	var b strings.Builder
	for _, c := range []byte(text) {
		if strings.IndexByte(unreserved, c) >= 0 {
			b.WriteByte(c)
			continue
		}
		fmt.Fprintf(&b, "%%%02X", c)
	}

	return b.String()
}

// lowerPercent writes the digits of percent-encoding in small letters.
func lowerPercent(escaped string) string {
	b := []byte(escaped)
	for i := 0; i+2 < len(b); i++ {
		if b[i] == '%' {
			copy(b[i+1:i+3], strings.ToLower(string(b[i+1:i+3])))
		}
	}
	return string(b)
}

// base64At is the part of a base64 text that a secret alone decides, where it stands after skip octets (of three)
// of something else: "user:SECRET" of Basic authentication (RFC 7617), "\0user\0SECRET" of PLAIN (RFC 4616).
func base64At(encoding *base64.Encoding, secret string, skip int) string {
	raw := append(make([]byte, skip), secret...)
	text := encoding.WithPadding(base64.NoPadding).EncodeToString(raw)
	first := (skip*8 + 5) / 6 // characters that also hold bits of what stands before
	last := len(raw) * 8 / 6  // of the last one some bits may be those of what follows

	if first >= last {
		return ""
	}

	return text[first:last]
}
