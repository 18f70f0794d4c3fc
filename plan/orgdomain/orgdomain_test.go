package orgdomain

import "testing"

func TestOf(t *testing.T) {
	for name, want := range map[string]string{
		"nomeazienda.it":       "nomeazienda.it",
		"Mail.NomeAzienda.it.": "nomeazienda.it",
		"a.b.example.co.uk":    "example.co.uk",
		"it":                   "it",
		"co.uk.":               "co.uk",
		"localhost":            "localhost",
		"":                     "",
		"..":                   ".",
	} {
		if got := Of(name); got != want {
			t.Errorf("Of(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestRegistered(t *testing.T) {
	for name, want := range map[string]string{"mail.nomeazienda.it.": "nomeazienda.it",
		"it": "", "": "", ".it": ""} {
		if got, ok := Registered(name); got != want || ok != (want != "") {
			t.Errorf("Registered(%q) = %q, %v, want %q", name, got, ok, want)
		}
	}
}

func TestPublic(t *testing.T) {
	for name, want := range map[string]bool{"mail.nomeazienda.it": true, "it": false,
		"server.fritz.box": true, "server.invented": false, "me.github.io": false} {
		if got := Public(name); got != want {
			t.Errorf("Public(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestIsSuffix(t *testing.T) {
	if !IsSuffix("it", "nomeazienda.it.") || !IsSuffix("co.uk.", "example.co.uk") {
		t.Error("the zone of a registry is no suffix")
	}
	if IsSuffix("nomeazienda.it", "mail.nomeazienda.it") ||
		IsSuffix("github.io", "me.github.io") {
		t.Error("a registered domain is a suffix")
	}
}
