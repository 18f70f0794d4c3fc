package receiver

import (
	"bytes"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/mailsvc/smuggling"
)

func TestBody(t *testing.T) {
	for _, c := range []struct {
		in, clean, rest string
		end             bool
	}{
		{".\r\n", ".\r\n", "", true},
		{"a\r\n.\r\nMAIL", "a\r\n.\r\n", "MAIL", true},
		{"a\r\n..\r\n.\r\n", "a\r\n..\r\n.\r\n", "", true},
		{"a.\r\n", "a.\r\n", "", false},
		{".a\r\n", ".a\r\n", "", false},
		{"a\r", "a", "", false},
		{"\n.\n", "\x00.\x00", "", false},
		{"a\r\r\n.\r\nx", "a\x00\r\n.\r\n", "x", true},
		{"a\r\n.\r\r\n", "a\r\n.\x00\r\n", "", false},
		{"a\r\n.\n", "a\r\n.\x00", "", false},
		{"a\r\n\x00.\r\n", "a\r\n\x00.\r\n", "", false},
	} {
		var b body
		clean, n, end := b.take(nil, []byte(c.in))
		if string(clean) != c.clean || c.in[n:] != c.rest || end != c.end {
			t.Errorf("%q: %q, rest %q, %v", c.in, clean, c.in[n:], end)
		}
	}
}

// FuzzBody compares with the rule itself: without bare CR and LF, a message ends at
// the first CR LF "." CR LF; and it does not matter how the octets are cut into parts.
func FuzzBody(f *testing.F) {
	f.Add([]byte("Subject: x\r\n\r\nbody\r\n.\r\nQUIT\r\n"), uint8(3))
	f.Add([]byte("a\r\n.\n\r\r\n..\r\n.\r.\r\n\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		var whole, parts body
		want, n, ended := whole.take(nil, data)
		if len(want) > n+1 {
			t.Fatalf("%q grew to %q", data[:n], want)
		}

		var got []byte
		consumed, end := 0, false
		for part := range sliced(data, int(size)%7+1) {
			var m int
			got, m, end = parts.take(got, part)
			consumed += m
			if end {
				break
			}
		}

		if !bytes.Equal(got, want) || consumed != n || end != ended || parts != whole {
			t.Fatalf("%q in parts of %d: %q, %d, %v; at once: %q, %d, %v", data, int(size)%7+1,
				got, consumed, end, want, n, ended)
		}

		for i, c := range want {
			if (c == '\r') != (i+1 < len(want) && want[i+1] == '\n') {
				t.Fatalf("%q became %q", data, want)
			}
		}

		at := bytes.Index(append([]byte("\r\n"), want...), []byte("\r\n.\r\n"))
		if ended != (at >= 0) || ended && at+3 != len(want) {
			t.Fatalf("%q became %q, ended is %v", data, want, ended)
		}
	})
}

func sliced(data []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(data) > 0 {
			n := min(size, len(data))
			if !yield(data[:n]) {
				return
			}
			data = data[n:]
		}
	}
}

// TestSmuggling sends a message that holds a second one, behind what some servers take
// for the end of the first. Whoever passed it on saw one message, so no more than one may be
// seen here; and since it is not clear which one, none is.
func TestSmuggling(t *testing.T) {
	r := start(t, site, nil)
	for _, form := range smuggling.Forms() {
		t.Run(form.Name, func(t *testing.T) {
			c := r.dial(t)
			c.message()
			c.send("Subject: outer\r\n\r\ntext" + form.Text +
				"MAIL FROM:<forged@client.example>\r\nRCPT TO:<postmaster@nomeazienda.it>\r\nDATA\r\n" +
				"Subject: smuggled\r\n\r\ntext\r\n.\r\n")

			c.expect("550 5.6.0")
			c.expect("421 4.7.0")
			c.expect("")
		})
	}

	if got := r.stored(t); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

// TestDots sees that what is stuffed comes out as it was (RFC 5321 section 4.5.2).
func TestDots(t *testing.T) {
	r := start(t, site, nil)
	c := r.dial(t)
	c.message()
	c.send("Subject: dots\r\n\r\n..\r\n...x\r\nx.\r\n" + strings.Repeat("long ", 5000) +
		"\r\n.\r\n")

	c.expect("250")
	c.say("QUIT", "221")
	want := "Subject: dots\r\n\r\n.\r\n..x\r\nx.\r\n" + strings.Repeat("long ", 5000) + "\r\n"

	if got := readAll(t, r); len(got) != 1 || !strings.HasSuffix(got[0], "\r\n"+want) {
		t.Errorf("stored %.300q", got)
	}
}
