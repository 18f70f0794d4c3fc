package mdaemon

import (
	"net/netip"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

func prefixes(list ...string) (out []netip.Prefix) {
	for _, p := range list {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

// The first alias that matches counts, and ours stands before the one that would win.
func TestAliasOrder(t *testing.T) {
	const file = "; remark\r\nPostmaster@* = root@a.it\r\n*@$LOCALDOMAIN$ = all@a.it\r\nuser?@b.it = one@a.it"
	for _, c := range []struct{ address, actual, want string }{
		{"postmaster@a.it", "mario@a.it", "; remark\r\npostmaster@a.it = mario@a.it\r\nPostmaster@* = root@a.it\r\n*@$LOCALDOMAIN$ = all@a.it\r\nuser?@b.it = one@a.it"},
		{"abuse@a.it", "mario@a.it", "; remark\r\nPostmaster@* = root@a.it\r\nabuse@a.it = mario@a.it\r\n*@$LOCALDOMAIN$ = all@a.it\r\nuser?@b.it = one@a.it"},
		{"postmaster@a.it", "root@a.it", "; remark\r\npostmaster@a.it = root@a.it\r\nPostmaster@* = root@a.it\r\n*@$LOCALDOMAIN$ = all@a.it\r\nuser?@b.it = one@a.it"},
	} {
		a, err := parseAliases([]byte(file))
		if err != nil {
			t.Fatal(err)
		}

		was, _ := a.resolve(c.address)
		a.set(c.address, c.actual)
		if got := string(a.bytes()); got != c.want {
			t.Errorf("%s to %s:\n%q, want\n%q", c.address, c.actual, got, c.want)
		}

		if got, _ := a.resolve(c.address); got != c.actual {
			t.Errorf("%s leads to %s", c.address, got)
		}

		a.set(c.address, was)
		if got := string(a.bytes()); got != file {
			t.Errorf("back: %q", got)
		}
	}

	for _, bad := range []string{"<xml>", "a b = c@d", "alias =", "just words"} {
		if _, err := parseAliases([]byte(bad + "\r\n")); err == nil ||
			!strings.Contains(err.Error(), "line 1") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Of two lines for one address the first counts: it is changed and changed back, and the second stays.
func TestAliasTwice(t *testing.T) {
	const file = "abuse@a.it = a@a.it\r\nabuse@a.it = b@a.it\r\n"
	a, err := parseAliases([]byte(file))
	if err != nil {
		t.Fatal(err)
	}

	a.set("abuse@a.it", "b@a.it")
	if got, _ := a.resolve("abuse@a.it"); got != "b@a.it" {
		t.Errorf("it leads to %s", got)
	}

	a.set("abuse@a.it", "a@a.it")
	if got := string(a.bytes()); got != file {
		t.Errorf("%q", got)
	}
}

// Whatever stands in a file, mail for an address goes where it is wanted, and where it went before once that is taken back.
func TestAliasRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		line := rapid.SampledFrom([]string{"", "; x", "# y", "a@a.it = b@a.it",
			"*@a.it = c@a.it", "p?st@* = d@a.it", "A@$LOCALDOMAIN$=e@a.it"})

		end := rapid.SampledFrom([]string{"\r\n", "\n"}).Draw(t, "end")
		text := strings.Join(rapid.SliceOfN(line, 1, 8).Draw(t, "lines"), end)
		if rapid.Bool().Draw(t, "final") {
			text += end
		}

		a, err := parseAliases([]byte(text))
		if err != nil {
			t.Fatal(err)
		}

		address := rapid.SampledFrom([]string{"a@a.it", "post@a.it", "new@b.it"}).Draw(t,
			"address")

		was, _ := a.resolve(address)
		a.set(address, "mario@a.it")
		if now, _ := a.resolve(address); now != "mario@a.it" {
			t.Fatalf("%q leads %s to %q", a.bytes(), address, now)
		}

		a.set(address, was)
		if now, _ := a.resolve(address); now != was {
			t.Fatalf("%q leads %s to %q, was %q", a.bytes(), address, now, was)
		}
	})
}

func TestINI(t *testing.T) {
	const file = "; head\r\n[One]\r\nA=1\r\n\r\n[Two]\r\nKey = old\r\nkey=second\r\n\r\n[Three]\r\nZ=1"
	f := parseINI([]byte(file))
	if v, ok := f.get("two", "KEY"); v != "old" || !ok {
		t.Errorf("%q %v", v, ok)
	}

	value := "new"
	if err := f.set("Two", "Key", &value); err != nil {
		t.Fatal(err)
	}

	if err := f.set("One", "B", &value); err != nil {
		t.Fatal(err)
	}

	if got, want := string(f.bytes()), "; head\r\n[One]\r\nA=1\r\nB=new\r\n\r\n[Two]\r\nKey = new\r\nkey=second\r\n\r\n[Three]\r\nZ=1"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	if err := f.set("One", "B", nil); err != nil {
		t.Fatal(err)
	}

	old := "old"
	if err := f.set("Two", "Key", &old); err != nil {
		t.Fatal(err)
	}

	if got := string(f.bytes()); got != file {
		t.Errorf("back: %q", got)
	}

	if err := f.set("None", "A", &old); err == nil ||
		!strings.Contains(err.Error(), "no section [None]") {
		t.Errorf("%v", err)
	}
}

func TestShield(t *testing.T) {
	for text, known := range map[string]bool{
		"": true, "$LOCALDOMAIN$ 192.168.*.*\r\n": true, "a.it,10.0.0.0/8\r\n; x\r\n": true,
		"a.it\r\n": false, "a.it ten\r\n": false, "<x>\r\n": false,
	} {
		if _, is := parseShield([]byte(text)); is != known {
			t.Errorf("%q: known %v", text, is)
		}
	}

	s, _ := parseShield([]byte("a.it ,\t10.0.0.1\r\n$LOCALDOMAIN$ 10.*.*.*"))
	s.set("b.it", []string{"10.0.0.9"})
	if got, want := string(s.bytes()), "a.it ,\t10.0.0.1\r\n$LOCALDOMAIN$ 10.*.*.*\r\nb.it ,\t10.0.0.9"; got != want {
		t.Errorf("%q, want %q", got, want)
	}

	if got := s.of("c.it"); len(got) != 1 {
		t.Errorf("%q", got)
	}
}

// Only names are taken out of the list of accounts; one in another layout tells nothing.
func TestUserList(t *testing.T) {
	dir := t.TempDir()
	a := &App{Dir: dir}
	if has, known, err := a.hasAccount("a.it", "mario"); has || known || err != nil {
		t.Error(has, known, err)
	}
}
