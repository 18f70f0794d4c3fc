package mailsvc

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/receiver"
	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan"
	"github.com/mailpub/mailpub/plan/mail"
	"github.com/mailpub/mailpub/plan/plantest"
)

func key(name string) plan.Key { return plan.Key{Kind: Kind, Name: name} }

// edit changes a settings file as a person would.
func edit(t *testing.T, path string, change func(*receiver.Settings)) {
	t.Helper()
	var s receiver.Settings
	data, err := os.ReadFile(path)
	if err == nil {
		s, err = receiver.DecodeSettings(data)
	}

	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}

	change(&s)
	if data, err = s.Encode(); err != nil {
		t.Fatal(err)
	}

	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestReceiverConforms(t *testing.T) {
	harness := func(t *testing.T, stranger bool) plantest.Harness {
		path := filepath.Join(t.TempDir(), "state", "site.receiver.json")
		h := plantest.Harness{
			Driver: &Receiver{Path: path},
			Items: []plan.Item{
				{Key: key("alias postmaster@nomeazienda.it"), Lines: []string{"mario"}},
				{Key: key("alias postmaster"), Lines: []string{"mario"}},
				{Key: key("hostname"), Lines: []string{smtptest.Host}},
				{Key: key("domain nomeazienda.it"), Lines: []string{mail.Served}},
			},
			Other: []string{"luigi"},
			Foreign: func(t *testing.T, k plan.Key, lines []string) {
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}

				edit(t, path, func(s *receiver.Settings) {
					if err := set(s, k, lines); err != nil {
						t.Fatal(err)
					}
				})
			},
		}

		if stranger {
			h.Foreign(t, key("alias info@nomeazienda.it"), []string{"anna"})
			h.Strangers = func(t *testing.T) []string {
				data, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}

				s, err := receiver.DecodeSettings(data)
				if err != nil {
					t.Fatal(err)
				}

				return []string{s.Aliases["info@nomeazienda.it"]}
			}
		}

		return h
	}

	t.Run("new file", func(t *testing.T) {
		plantest.Run(t, func(t *testing.T) plantest.Harness { return harness(t, false) })
	})

	t.Run("beside a stranger", func(t *testing.T) {
		plantest.Run(t, func(t *testing.T) plantest.Harness { return harness(t, true) })
	})
}

// A file that can't be understood is an error that says where, and stays as it is.
func TestReceiverKeepsBrokenFiles(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"empty", "", "line 1"},
		{"cut off", "{\n  \"format\": \"mailpub/receiver/v1\",\n  \"hostname\"", "line 3"},
		{"syntax", "{\n  \"format\": \"mailpub/receiver/v1\",\n  \"domains\": [,]\n}", "line 3"},
		{"wrong type", "{\n  \"format\": \"mailpub/receiver/v1\",\n  \"domains\": \"x\"\n}", "line 3"},
		{"more behind it", "{\"format\": \"mailpub/receiver/v1\"}\n{}", "line 2"},
		{"no JSON", "hostname: mail", "line 1"},
		{"unknown key", `{"format": "mailpub/receiver/v1", "relay": true}`, `"relay"`},
		{"other format", `{"format": "mailpub/receiver/v2"}`, `"mailpub/receiver/v2"`},
		{"a way up", `{"format": "mailpub/receiver/v1", "aliases": {"a": "../b"}}`, `"../b"`},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.json")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}

			r := &Receiver{Path: path}
			if _, err := r.Read(t.Context(), []plan.Key{key("hostname")}); err == nil ||
				!strings.Contains(err.Error(), test.want) ||
				!strings.Contains(err.Error(), path) {
				t.Errorf("Read: %v, want %s and the file", err, test.want)
			}

			reported := 0
			change := plan.Change{
				Key:    key("hostname"),
				Action: plan.Create,
				After:  []string{smtptest.Host},
			}

			if err := r.Apply(t.Context(), []plan.Change{change},
				func(_ plan.Change, err error) {
					reported++
					if err == nil {
						t.Error("reported as done")
					}
				}); err == nil || reported != 1 {
				t.Errorf("Apply: %v, reported %d times", err, reported)
			}

			if data, err := os.ReadFile(path); err != nil || string(data) != test.text {
				t.Errorf("the file is now %q (%v)", data, err)
			}
		})
	}
}

// What the receiver could not read is never written, and a batch is one rewrite or none.
func TestReceiverRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change plan.Change
	}{
		{"a mailbox that is a way up", plan.Change{Key: key("alias a@nomeazienda.it"), After: []string{"../../etc"}}},
		{"a hidden mailbox", plan.Change{Key: key("alias a@nomeazienda.it"), After: []string{".ssh"}}},
		{"two lines", plan.Change{Key: key("alias a@nomeazienda.it"), After: []string{"a", "b"}}},
		{"a domain half served", plan.Change{Key: key("domain b.it"), After: []string{"relayed"}}},
		{"an unknown setting", plan.Change{Key: key("relay all"), After: []string{"yes"}}},
		{"a stale one", plan.Change{Key: key("hostname"), Before: []string{"other"}, After: []string{"x"}}},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s.json")
			edit(t, path, func(s *receiver.Settings) { s.Hostname = smtptest.Host })
			before, _ := os.ReadFile(path)
			batch := []plan.Change{{Key: key("domain nomeazienda.it"), After: []string{mail.Served}},
				test.change}

			err := (&Receiver{Path: path}).Apply(t.Context(), batch,
				func(c plan.Change, err error) {
					if err == nil {
						t.Errorf("%v is reported as done", c.Key)
					}
				})

			if err == nil {
				t.Error("no error")
			}

			if after, _ := os.ReadFile(path); string(after) != string(before) {
				t.Errorf("the file is now %s", after)
			}
		})
	}
}

func TestReceiverUnwritable(t *testing.T) {
	dir := t.TempDir()
	obstacle := filepath.Join(dir, "file")
	if err := os.WriteFile(obstacle, nil, 0o600); err != nil {
		t.Fatal(err)
	}

	r := &Receiver{Path: filepath.Join(obstacle, "s.json")} // below a file, so not even root can
	change := plan.Change{
		Key:    key("hostname"),
		Action: plan.Create,
		After:  []string{smtptest.Host},
	}

	failed := 0
	err := r.Apply(t.Context(), []plan.Change{change}, func(_ plan.Change, err error) {
		if err != nil {
			failed++
		}
	})

	if err == nil || failed != 1 || !strings.Contains(err.Error(), "receiver settings") {
		t.Errorf("%v, %d reported", err, failed)
	}
}

// Deleting the last key leaves no empty file; what others put there keeps it.
func TestReceiverRemovesItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s.json")
	r := &Receiver{Path: path}
	edit(t, path, func(s *receiver.Settings) { s.Hostname = smtptest.Host })
	gone := []plan.Change{{Key: key("hostname"), Action: plan.Delete, Before: []string{smtptest.Host}}}
	if err := r.Apply(t.Context(), gone, func(plan.Change, error) {}); err != nil {
		t.Fatal(err)
	}

	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 0 {
		t.Errorf("%v is left", files)
	}
}

func TestEmptyBatches(t *testing.T) {
	never := func(plan.Change, error) { t.Error("reported") }
	if err := (&Receiver{Path: filepath.Join(t.TempDir(), "s.json")}).Apply(t.Context(), nil,
		never); err != nil {
		t.Error(err)
	}

	if err := (&Manual{}).Apply(t.Context(), nil, never); err != nil {
		t.Error(err)
	}
}

func TestManual(t *testing.T) {
	keys := []plan.Key{
		key("hostname"), key("recipient postmaster@nomeazienda.it"),
		key("recipient postmaster"),
		key("recipient nobody@nomeazienda.it"), key("alias postmaster"),
	}

	tests := []struct {
		name string
		fake *smtptest.Server
		want []string // an item each: its name, then its lines or "?" and why
	}{
		{"good", &smtptest.Server{}, []string{
			"hostname: " + smtptest.Host, "recipient postmaster@nomeazienda.it: accepted", "recipient postmaster: accepted",
			"alias postmaster: ?can't be seen by SMTP"}},
		{"breaks off at every second transaction", &smtptest.Server{Quits: 2}, []string{
			"hostname: " + smtptest.Host, "recipient postmaster@nomeazienda.it: accepted", "recipient postmaster: accepted",
			"alias postmaster: ?can't be seen by SMTP"}},
		{"greylists", &smtptest.Server{Reply: smtptest.Answer("RCPT", "450 4.7.1 later")}, []string{
			"hostname: " + smtptest.Host, "recipient postmaster@nomeazienda.it: ?RCPT was answered 450", "recipient postmaster: ?RCPT was answered 450",
			"recipient nobody@nomeazienda.it: ?RCPT was answered 450", "alias postmaster: ?can't be seen by SMTP"}},
		{"takes no null sender", &smtptest.Server{Reply: smtptest.Answer("MAIL", "550 no")}, []string{
			"hostname: " + smtptest.Host, "recipient postmaster@nomeazienda.it: ?MAIL was answered 550", "recipient postmaster: ?MAIL was answered 550",
			"recipient nobody@nomeazienda.it: ?MAIL was answered 550", "alias postmaster: ?can't be seen by SMTP"}},
		{"breaks off at RCPT", &smtptest.Server{Reply: smtptest.Answer("RCPT", "-")}, []string{
			"hostname: " + smtptest.Host, "recipient postmaster@nomeazienda.it: ?no mail server answers", "recipient postmaster: ?no mail server answers",
			"recipient nobody@nomeazienda.it: ?no mail server answers", "alias postmaster: ?can't be seen by SMTP"}},
		{"breaks off after RCPT", &smtptest.Server{Reply: smtptest.Answer("RSET", "-")}, []string{
			"hostname: " + smtptest.Host, "recipient postmaster@nomeazienda.it: accepted", "recipient postmaster: accepted",
			"alias postmaster: ?can't be seen by SMTP"}},
		{"refuses", &smtptest.Server{Greeting: "554 no"}, []string{
			"hostname: ?no mail server answers", "recipient postmaster@nomeazienda.it: ?no mail server answers", "recipient postmaster: ?no mail server answers",
			"recipient nobody@nomeazienda.it: ?no mail server answers", "alias postmaster: ?can't be seen by SMTP"}},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			items, err := (&Manual{Addr: test.fake.Start(t)}).Read(t.Context(), keys)
			if err != nil {
				t.Fatal(err)
			}

			var got []string
			for _, it := range items {
				text := strings.Join(it.Lines, "|")
				if it.Unreadable != "" {
					text = "?" + it.Unreadable
				}
				got = append(got, it.Key.Name+": "+text)
			}

			if !slices.EqualFunc(got, test.want, strings.HasPrefix) {
				t.Errorf("read\n%s\nwant\n%s", strings.Join(got, "\n"),
					strings.Join(test.want, "\n"))
			}

			if slices.Contains(test.fake.Said(), "DATA") {
				t.Error("a message was sent")
			}
		})
	}

	t.Run("writes nothing", func(t *testing.T) {
		f := &smtptest.Server{}
		reported := 0
		err := (&Manual{Addr: f.Start(t)}).Apply(t.Context(),
			[]plan.Change{{Key: keys[0]}, {Key: keys[1]}}, func(_ plan.Change, err error) {
				if reported++; err == nil {
					t.Error("reported as done")
				}
			})

		if err == nil || errors.Is(err, plan.ErrStale) || reported != 1 || len(f.Said()) != 0 {
			t.Errorf("%v, %d reported, said %q", err, reported, f.Said())
		}
	})
}
