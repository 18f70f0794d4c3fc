package redact

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strings"
	"testing"
)

// However a secret is encoded, alone or with other text, nothing of it that could be decoded is left.
func TestText(t *testing.T) {
	inJSON := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}

	for _, secret := range []string{`SECRET/key+"7"`, "p<a>s&s'w", "passwörd-€",
		"0123456789abcdef0123456789abcdef", "a b c d e f", "back\\slash"} {
		var s Set
		s.Add(secret, "", "short")
		for name, text := range map[string]string{
			"as it is":               secret,
			"JSON":                   inJSON(secret),
			"JSON of PHP":            strings.ReplaceAll(inJSON(secret), "/", `\/`),
			"JSON of PHP, not ASCII": asciiOnly(strings.ReplaceAll(inJSON(secret), "/", `\/`)),
			"query":                  "?key=" + url.QueryEscape(secret),
			"query, small":           "?key=" + lowerPercent(url.QueryEscape(secret)),
			"path":                   "/" + url.PathEscape(secret),
			"all escaped":            percent(secret),
			"HTML":                   html.EscapeString(secret),
			"HTML, names": strings.NewReplacer("&#34;", "&quot;", "&#39;",
				"&apos;").Replace(html.EscapeString(secret)),
			"base64":         base64.StdEncoding.EncodeToString([]byte(secret)),
			"base64 of URLs": base64.RawURLEncoding.EncodeToString([]byte(secret)),
			"Basic": "Basic " +
				base64.StdEncoding.EncodeToString([]byte("u:"+secret)),
			"Basic, user of three": "Basic " +
				base64.StdEncoding.EncodeToString([]byte("use:"+secret)),
			"Basic, user of four": "Basic " +
				base64.StdEncoding.EncodeToString([]byte("user:"+secret)),
			"PLAIN": base64.StdEncoding.EncodeToString([]byte("\x00mario\x00" +
				secret)),
			"followed by others": base64.StdEncoding.EncodeToString([]byte("x" + secret +
				"\x01\x01")),
			"hexadecimal": hex.EncodeToString([]byte(secret)),
		} {
			got := s.Text("the key " + text + " is not valid")
			if !strings.Contains(got, Mark) || strings.Contains(got, secret) {
				t.Errorf("%q, %s: %q", secret, name, got)
			}
		}

		if got := s.Text("short text"); got != "short text" {
			t.Errorf("%q", got)
		}
	}
}

// What a secret decides of a base64 text is in each base64 text that holds it.
func TestBase64At(t *testing.T) {
	const secret = "SECRET-key"
	for before := range 7 {
		for after := range 4 {
			whole := base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", before) +
				secret + strings.Repeat("y", after)))
			part := base64At(base64.StdEncoding, secret, before%3)
			if len(part) < 10 || !strings.Contains(whole, part) {
				t.Errorf("%d octets before and %d after: %q in %q", before, after, part, whole)
			}
		}
	}
}

func TestError(t *testing.T) {
	var s Set
	s.Add("SECRET-key")
	err := fmt.Errorf("key SECRET-key: %w", io.ErrUnexpectedEOF)
	clean := s.Error(err)

	if clean.Error() != "key [secret]: unexpected EOF" ||
		!errors.Is(clean, io.ErrUnexpectedEOF) {
		t.Errorf("%v", clean)
	}

	other := errors.New("refused")
	if s.Error(other) != other || s.Error(nil) != nil || (*Set)(nil).Error(err) != err {
		t.Error("an error without a secret is another one")
	}
}
