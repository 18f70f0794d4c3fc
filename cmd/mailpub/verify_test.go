package main

import (
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/catalog"
)

func TestKnownCheck(t *testing.T) {
	for _, test := range []struct{ word, want string }{
		{"mx.target", ""}, {"dns", ""},
		{"mx.taget", "did you mean mx.target?"},
		{"routr", "did you mean router?"},
		{"frobnicate", "docs/checks.md"},
	} {
		err := knownCheck("--only", test.word, catalog.Areas()...)
		if (err == nil) != (test.want == "") ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", test.word, err, test.want)
		}
	}
}
