package receiver

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestReplay has a log as a power loss leaves it, and sees what of it comes into the mailboxes.
func TestReplay(t *testing.T) {
	const salt = 42
	name := func(n int) string {
		return fmt.Sprintf("1795538849.M000000P1Q%dRABCDEFGHIJ.h", n)
	}

	log := func(boot string, records ...record) []byte {
		var data []byte
		for _, r := range records {
			data = appendRecord(data, r)
		}
		addChecksums(data, salt)
		return append(appendHeader(nil, salt, boot), data...)
	}

	one := record{recordMessage, name(1), []string{"mario", "anna"}, []byte("first")}
	two := record{recordMessage, name(2), []string{"mario"}, []byte("second")}
	whole := log("boot 0", one, two)
	flip := func(at int) []byte {
		c := slices.Clone(whole)
		c[at] ^= 1
		return c
	}

	second := len(log("boot 0", one))
	for what, c := range map[string]struct {
		log  []byte
		want int // copies in mailboxes
	}{
		"whole":                              {whole, 3},
		"zeros behind it":                    {append(slices.Clone(whole), make([]byte, 1000)...), 3},
		"torn in the last record":            {whole[:len(whole)-1], 2},
		"torn in a length":                   {whole[:second+3], 2},
		"torn in the header":                 {whole[:segmentHeader-1], 0},
		"empty":                              {nil, 0},
		"zeros":                              {make([]byte, 5000), 0},
		"no log":                             {[]byte("hello, this is some other file that somebody has put here, longer than any header of a log is"), 0},
		"a bit wrong in the message":         {flip(len(whole) - 1), 2},
		"a bit wrong in a name":              {flip(second + recordHeader + 5), 2},
		"a bit wrong in a length":            {flip(second + 3), 2},
		"a bit wrong in the first checksum":  {flip(segmentHeader + 4), 0},
		"the rest of an earlier use":         {append(log("boot 0", one)[:second:second], func() []byte { r := appendRecord(nil, two); addChecksums(r, salt-1); return r }()...), 2},
		"the length of everything":           {append(slices.Clone(whole), 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0), 3},
		"its sender was told to come back":   {log("boot 0", one, two, record{kind: recordVoid, name: two.name}), 2},
		"the machine has run since":          {log("boot 1", one, two), 0},
		"nobody knows how often it began":    {log("", one, two), 3},
		"twice the same":                     {log("boot 0", one, two, one, two), 3},
		"checksum right, content impossible": {log("boot 0", one, record{recordMessage, "", slices.Repeat([]string{"x"}, 70000), nil}), 2},
	} {
		d := newPowerDisk(rand.New(rand.NewPCG(1, 1)))
		m := &maildir{
			disk:     d,
			root:     "/mail",
			failed:   func(err error) { t.Errorf("%s: %v", what, err) },
			restored: func(string, string) {},
		}

		if err := d.makeDir("/mail/.commit"); err != nil {
			t.Fatal(err)
		}

		d.names["/mail/.commit/1.log"] = &node{data: c.log}
		for range 2 { // once is enough
			if err := m.open(); err != nil {
				t.Errorf("%s: %v", what, err)
			}

			m.close()
			texts, times := d.messages("/mail")
			if len(texts) != c.want {
				t.Errorf("%s: %q are there, want %d", what, texts, c.want)
			}

			for key, text := range texts {
				if want := map[bool]string{true: "first",
					false: "second"}[key != "mario/"+name(2)]; text != want || times[key] != 1 {
					t.Errorf("%s: %s is %q, %d times", what, key, text, times[key])
				}
			}

			if d.exists("/mail/.commit/1.log") {
				t.Errorf("%s: it is left", what)
			}
		}
	}
}

// TestReplayFindsMail leaves alone what is where its reader has put it, and mends what is there in part.
func TestReplayFindsMail(t *testing.T) {
	const name = "1795538849.M000000P1Q1RABCDEFGHIJ.h"
	r := record{recordMessage, name, []string{"mario"}, []byte("the whole message")}
	for path, text := range map[string]string{
		"/mail/mario/new/" + name:                    "the whole message",
		"/mail/mario/cur/" + name + ":2,S":           "the whole message",
		"/mail/mario/cur/" + name:                    "the whole",
		"/mail/mario/.Archive/cur/" + name + ":2,RS": "",
		"/mail/mario/.Other/new/" + name:             "the whole\x00\x00\x00\x00\x00\x00\x00\x00",
	} {
		d := newPowerDisk(rand.New(rand.NewPCG(1, 1)))
		m := &maildir{
			disk:     d,
			root:     "/mail",
			failed:   func(error) {},
			restored: func(string, string) {},
		}

		for _, dir := range []string{"new", "cur", "tmp", ".Archive/new", ".Archive/cur",
			".Other/new"} {
			if err := d.makeDir("/mail/mario/" + dir); err != nil {
				t.Fatal(err)
			}
		}

		d.names[path] = &node{data: []byte(text)}
		if err := m.restore("mario", r); err != nil {
			t.Fatal(err)
		}

		files := 0
		for p, n := range d.names {
			if !n.dir {
				files++
				if p != path || string(n.data) != string(r.data) {
					t.Errorf("%s with %q: %s has %q", path, text, p, n.data)
				}
			}
		}

		if files != 1 {
			t.Errorf("%s: %d files", path, files)
		}
	}
}
