package receiver

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testLogger logs errors alone.
func testLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: slog.LevelError}))
}

func TestSettingsRoundTrip(t *testing.T) {
	data, err := site.Encode()
	if err != nil {
		t.Fatal(err)
	}

	back, err := DecodeSettings(data)
	if err != nil {
		t.Fatal(err)
	}

	again, err := back.Encode()
	if err != nil || !bytes.Equal(data, again) {
		t.Errorf("%v\n%s\nbecame\n%s", err, data, again)
	}

	if site.Domains[0] != "nomeazienda.it" {
		t.Error("Encode has changed its receiver")
	}

	if _, err := DecodeSettings([]byte(`{"format":"mailpub/receiver/v1"}`)); err != nil {
		t.Errorf("settings with nothing in them: %v", err)
	}
}

func TestDecodeSettingsErrors(t *testing.T) {
	const head = "{\n\"format\": \"mailpub/receiver/v1\",\n"
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the file is empty"},
		{head, "line 3: the file ends too early"},
		{head + `"hostname": mail}`, "line 3: invalid character 'm' looking for beginning of value"},
		{head + "\"hostname\": \"mail.x.it\"\n\"domains\": []}", "line 4: invalid character '\"' after object key:value pair"},
		{head + "\n\"host\": \"x\"}", `line 4: unknown field "host"`},
		{head + `"domains": "x.it"}`, "line 3: cannot unmarshal string into Go struct field Settings.domains of type []string"},
		{head + `"hostname": "a.it"} {}`, "line 3: something follows the settings"},
		{head + "\"hostname\": \"a.it\",\n\"hostname\": \"b.it\"}", `line 4: "hostname" is there twice`},
		{head + "\"aliases\": {\"a\": \"x\",\n\"a\": \"y\"}}", `line 4: "a" is there twice`},
		{`{"hostname": "a.it"}`, `format is "", want "mailpub/receiver/v1"`},
		{`{"format": "mailpub/receiver/v2"}`, `format is "mailpub/receiver/v2", want "mailpub/receiver/v1"`},
		{head + `"hostname": "Mail.it"}`, `hostname "Mail.it" is no name`},
		{head + `"hostname": "mail.it."}`, `hostname "mail.it." is no name`},
		{head + `"domains": ["a..it"]}`, `domains: "a..it" is no name`},
		{head + `"domains": [""]}`, `domains: "" is no name`},
		{head + `"domains": ["a.it", "a.it"]}`, `domains: "a.it" is there twice`},
		{head + `"aliases": {"Mario": "mario"}}`, `alias "Mario": want an address or a local part`},
		{head + `"aliases": {"": "mario"}}`, `alias "": want an address`},
		{head + `"aliases": {"@a.it": "mario"}}`, `alias "@a.it": want an address`},
		{head + `"aliases": {"a@": "mario"}}`, `alias "a@": want an address`},
		{head + `"aliases": {"a@b@c.it": "mario"}}`, `alias "a@b@c.it": want an address`},
		{head + `"aliases": {"a b": "mario"}}`, `alias "a b": want an address`},
		{head + `"aliases": {"a": "../mario"}}`, `alias "a": "../mario" is no mailbox`},
	} {
		_, err := DecodeSettings([]byte(c.text))
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%q:\n got %v\nwant %s", c.text, err, c.want)
		}
	}
}

func TestMailboxNames(t *testing.T) {
	for _, good := range []string{"a", "mario", "mario.rossi", "m_r", "sales+it", "0", "a..b",
		strings.Repeat("x", 64)} {
		if !isMailbox(good) {
			t.Errorf("%q is refused", good)
		}
	}

	for _, bad := range []string{
		"", ".", "..", "../x", "x/..", "/etc", "a/b", `a\b`, `..\x`, ".hidden", "x.", "-x",
		"x-", "a b", "a\x00b", "a\nb",
		"C:", "c:x", "Mario", "è", strings.Repeat("x", 65), "~root", "%2e%2e", "a:b",
		"x\u202ey",
	} {
		if isMailbox(bad) {
			t.Errorf("%q is a mailbox", bad)
		}

		dir := t.TempDir()
		m := &maildir{disk: osDisk{}, root: filepath.Join(dir, "mail")}
		if _, _, err := m.store([]string{bad}, "name", nil,
			strings.NewReader("text")); err == nil {
			t.Errorf("a message was stored in mailbox %q", bad)
		}

		if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
			t.Errorf("mailbox %q has left %v, %v", bad, left, err)
		}
	}
}

func TestWhereMailGoes(t *testing.T) {
	for address, want := range map[string]string{
		"postmaster@nomeazienda.it":           "mario",
		"POSTMASTER@NomeAzienda.it.":          "mario",
		"postmaster@nomeazienda.example":      "mario",
		"abuse@nomeazienda.it":                DefaultMailbox,
		"sales@nomeazienda.it":                "anna",
		"sales@nomeazienda.example":           "",
		"info@nomeazienda.example":            "mario",
		"mario@nomeazienda.it":                "mario",
		"anna@nomeazienda.example":            "anna",
		"postmaster@mail.nomeazienda.it":      "mario",
		"mario@mail.nomeazienda.it":           "",
		"nobody@nomeazienda.it":               "",
		"postmaster@example.org":              "",
		"postmaster@xnomeazienda.it":          "",
		"postmaster":                          "",
		"":                                    "",
		"sales@nomeazienda.it@nomeazienda.it": "",
	} {
		local, domain := splitAddress(address)
		if box, ok := site.mailbox(local, domain); box != want || ok != (want != "") {
			t.Errorf("%s goes to %q, %v, want %q", address, box, ok, want)
		}
	}

	empty := Settings{}
	if box, ok := empty.mailbox("postmaster", ""); ok {
		t.Errorf("without any settings, postmaster goes to %q", box)
	}
}

func FuzzDecodeSettings(f *testing.F) {
	data, err := site.Encode()
	if err != nil {
		f.Fatal(err)
	}

	f.Add(data)
	f.Add([]byte(`{"format":"mailpub/receiver/v1","aliases":{"a":"b","A":"c"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := DecodeSettings(data)
		if err != nil {
			return
		}

		out, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}

		if _, err := DecodeSettings(out); err != nil {
			t.Errorf("%s\nwas taken, but not as it was written again: %v\n%s", data, err, out)
		}
	})
}
