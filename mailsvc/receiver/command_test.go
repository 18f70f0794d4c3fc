package receiver

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestBarePostmaster(t *testing.T) {
	for line, want := range map[string]string{
		"RCPT TO:<postmaster>":               "RCPT TO:<postmaster@mail.x.it>",
		"rcpt to: <PostMaster> NOTIFY=NEVER": "rcpt to: <postmaster@mail.x.it> NOTIFY=NEVER",
		"RCPT TO:<postmaster@x.it>":          "",
		"RCPT TO:<postmaster2>":              "",
		"RCPT TO:<\"postmaster\">":           "",
		"RCPT TO:\"<postmaster>\"@x.it":      "",
		"RCPT TO:<a@b> <postmaster>":         "",
		"RCPT FROM:<postmaster>":             "",
		"RCPT TO:<postmaster":                "",
		"RCPT TO:postmaster":                 "",
		"RCPT":                               "",
	} {
		if want == "" {
			want = line
		}
		if got := barePostmaster(line, "mail.x.it"); got != want {
			t.Errorf("%q became %q, want %q", line, got, want)
		}
	}
}

func TestLargeSize(t *testing.T) {
	for line, want := range map[string]string{
		"MAIL FROM:<a@x.it> SIZE=99999999999":                         "MAIL FROM:<a@x.it> SIZE=4294967295",
		"MAIL FROM:<a@x.it>  size=99999999999999999999 BODY=8BITMIME": "MAIL FROM:<a@x.it> size=4294967295 BODY=8BITMIME",
		"MAIL FROM:<a@x.it> SIZE=4294967296 AUTH=<>":                  "MAIL FROM:<a@x.it> SIZE=4294967295 AUTH=<>",
		"MAIL FROM:<a@x.it> SIZE=4294967295":                          "",
		"MAIL FROM:<a@x.it> SIZE=100000000000000000000":               "",
		"MAIL FROM:<a@x.it> SIZE=-1":                                  "",
		"MAIL FROM:<a@x.it> SIZE=":                                    "",
		"MAIL FROM:<\"a SIZE=99999999999> \"@x.it>":                   "",
		"MAIL FROM:<>":                      "",
		"MAIL FROM:a@x.it SIZE=99999999999": "",
	} {
		if want == "" {
			want = line
		}
		if got := largeSize(line); got != want {
			t.Errorf("%q became %q, want %q", line, got, want)
		}
	}
}

func TestChunkSize(t *testing.T) {
	for argument, want := range map[string]int64{
		"0": 0, "5": 5, "5 LAST": 5, " 5  last ": 5, "4294967295": 4294967295,
		"": -1, "-1": -1, "+5": -1, "5 FIRST": -1, "5 LAST x": -1, "4294967296": -1, "0x5": -1, "5LAST": -1,
	} {
		n, ok := chunkSize(argument)
		if !ok {
			n = -1
		}
		if n != want {
			t.Errorf("BDAT %q: %d, want %d", argument, n, want)
		}
	}
}

// TestMalformedCommands sees that what has no proper form is answered once and ends the
// session, whatever follows it.
func TestMalformedCommands(t *testing.T) {
	r := start(t, site, nil)
	for line, want := range map[string]string{
		"NOOP\n":                            "500 5.5.2 lines end in CR LF",
		"NOOP\rNOOP\r\n":                    "500 5.5.2 control character",
		"NOOP \x00\r\n":                     "500 5.5.2 control character",
		"EHLO a\x1b[2Jb\r\n":                "500 5.5.2 control character",
		strings.Repeat("x", 2500) + "\r\n":  "500 5.5.2 line too long",
		strings.Repeat("x", 50000) + "\r\n": "500 5.5.2 line too long",
		"BDAT 5 FIRST\r\n":                  "501 5.5.4",
	} {
		c := r.dial(t)
		c.send(line + "NOOP\r\nNOOP\r\n")
		if got := c.reply(); !strings.HasPrefix(got, want) {
			t.Errorf("%.60q: %q, want %q", line, got, want)
		}
		if got := c.reply(); got != "" {
			t.Errorf("%.60q: then %q", line, got)
		}
	}
}

// FuzzWire gives go-smtp's side whatever a client may send: it must see whole lines
// without control characters, or messages, and never hang or panic.
func FuzzWire(f *testing.F) {
	f.Add("EHLO x\r\nMAIL FROM:<> SIZE=99999999999\r\nRCPT TO:<postmaster>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n", "354")
	f.Add("BDAT 3\r\nabcBDAT 2 LAST\r\nabNOOP\n", "250")
	f.Add("STARTTLS\r\nDATA\r\n.\n\r\n.\r\nx", "354")
	f.Fuzz(func(t *testing.T, input, code string) {
		if len(code) != 3 || strings.ContainsAny(code, "\r\n") {
			t.Skip()
		}
		w := newWire(&scripted{in: strings.NewReader(input)}, "mail.x.it", limits{size: 1000, idle: time.Minute, message: time.Minute}, nil)
		buf := make([]byte, 64)
		var line []byte
		for {
			body := w.octets > 0 || w.verb == "DATA" && w.reply == "354"
			n, err := w.Read(buf)
			if err != nil {
				return
			}
			if body && len(line) == 0 {
				continue
			}
			line = append(line, buf[:n]...)
			if len(line) > maxCommand+300 {
				t.Fatalf("a line of %d octets from %q", len(line), input)
			}
			if line[len(line)-1] != '\n' {
				continue
			}
			text, found := strings.CutSuffix(string(line), "\r\n")
			if !found || strings.ContainsAny(text, "\r\n\x00") {
				t.Fatalf("%q from %q", line, input)
			}
			line = nil
			if _, err := w.Write([]byte(code + " text\r\n")); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// scripted is a connection whose other end has said everything already.
type scripted struct {
	net.Conn
	in io.Reader
}

func (s *scripted) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { return len(p), nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }
