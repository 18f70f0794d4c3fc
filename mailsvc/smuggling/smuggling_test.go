package smuggling

import (
	"slices"
	"testing"
)

func TestForms(t *testing.T) {
	forms := Forms()
	seen := map[string]bool{"\r\n.\r\n": true} // the true end is no form
	ends, known := 0, 0

	for _, f := range forms {
		if seen[f.Text] || f.Name == "" {
			t.Errorf("%q: %q is there twice", f.Name, f.Text)
		}

		seen[f.Text] = true
		if f.HoldsEnd() {
			ends++
		}

		if f.Known() {
			known++
		}
	}

	if len(forms) != 48 || ends != 1 || known != 8 {
		t.Errorf("%d forms, %d hold the true end, %d are known", len(forms), ends, known)
	}

	for _, known := range []string{"\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r\n.\r",
		"\r.\r\n", "\r\n.\r\r\n", "\r\r\n.\r\r\n"} {
		if !slices.ContainsFunc(forms, func(f Form) bool { return f.Text == known }) {
			t.Errorf("no %q", known)
		}
	}
}
