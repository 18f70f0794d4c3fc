package header

import "testing"

func TestWithoutComments(t *testing.T) {
	for value, want := range map[string]string{
		"mx.example (a (b) c); spf=pass": "mx.example ; spf=pass",
		`"mx (not) example" (x)`:         `"mx (not) example" `,
		`(a \) b) mx`:                    " mx",
		`"a \" (b) c" (d)`:               `"a \" (b) c" `,
		"mx) example":                    "mx) example",
		"mx (never ends":                 "mx ",
		"":                               "",
	} {
		if got := WithoutComments(value); got != want {
			t.Errorf("%q is %q, want %q", value, got, want)
		}
	}
}
