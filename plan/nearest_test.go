package plan

import "testing"

func TestNearest(t *testing.T) {
	known := []string{"rfc2136", "cloudflare", "manual", "ttl", "a"}
	for word, want := range map[string]string{
		"rfc2163": "rfc2136", "cloudfare": "cloudflare", "manual": "manual", "tll": "ttl",
		"bind": "", "": "", "b": "", "xttly": "ttl",
	} {
		if got := Nearest(word, known); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", word, got, want)
		}
	}

	if got := Nearest("x", nil); got != "" {
		t.Errorf("of nothing the nearest is %q", got)
	}
}
