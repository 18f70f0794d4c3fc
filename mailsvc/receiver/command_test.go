package receiver

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParsePath(t *testing.T) {
	for argument, want := range map[string]string{
		"TO:<postmaster>":                        "postmaster|",
		"to: <PostMaster> NOTIFY=NEVER":          "PostMaster|NOTIFY=NEVER",
		"TO:<a@x.it>  SIZE=1 BODY=8BITMIME":      "a@x.it|SIZE=1 BODY=8BITMIME",
		"TO:<>":                                  "|",
		`TO:<"a b"@x.it>`:                        "a b@x.it|",
		`TO:<"a>\"b"@x.it>`:                      `a>"b@x.it|`,
		`TO:<"postmaster">`:                      "postmaster|",
		"TO:<@a.it,@b.it:c@x.it>":                "c@x.it|",
		"TO:<a@[192.0.2.1]>":                     "a@[192.0.2.1]|",
		"TO:<a@[IPv6:2001:db8::1]>":              "a@[IPv6:2001:db8::1]|",
		"TO:<a@x.it.>":                           "a@x.it.|",
		"TO:<è@caffè.it>":                        "è@caffè.it|",
		"TO:<a%b@x.it>":                          "a%b@x.it|",
		"TO:a@x.it":                              "!",
		"TO:<a@x.it":                             "!",
		"TO:<a@b@x.it>":                          "!",
		"TO:<a b@x.it>":                          "!",
		"TO:<a@x.it>SIZE=1":                      "!",
		"TO:<a@>":                                "!",
		"TO:<@x.it>":                             "!",
		"TO:<a..b@x.it>":                         "a..b@x.it|", // against the letter, but there are such mailboxes
		`TO:<"a"b@x.it>`:                         "!",
		`TO:<"a@x.it>`:                           "!",
		"TO:<a@x!.it>":                           "!",
		"TO:<" + strings.Repeat("a", 65) + "@x>": "!",
		"FROM:<a@x.it>":                          "!",
		"":                                       "!",
	} {
		got := "!"
		if address, parameters, err := parsePath(argument, "TO:"); err == nil {
			got = address + "|" + strings.Join(parameters, " ")
		}
		if got != want {
			t.Errorf("%q: %q, want %q", argument, got, want)
		}
	}
}

func TestChunkSize(t *testing.T) {
	for argument, want := range map[string]int64{
		"0": 0, "5": 5, "5 LAST": 5, " 5  last ": 5, "4294967295": 4294967295,
		"": -1, "-1": -1, "+5": -1, "5 FIRST": -1, "5 LAST x": -1, "4294967296": -1, "0x5": -1,
		"5LAST": -1,
	} {
		n, last, ok := chunkSize(argument)
		if ok && last != strings.Contains(strings.ToUpper(argument), "LAST") {
			t.Errorf("BDAT %q: last is %v", argument, last)
		}

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

// FuzzSession says whatever a client may say: every reply has a code, nothing is stored but what
// ended, and the session never hangs or panics.
func FuzzSession(f *testing.F) {
	f.Add("EHLO x\r\nMAIL FROM:<> SIZE=99999999999\r\nRCPT TO:<postmaster>\r\nDATA\r\nx\r\n.\r\nQUIT\r\n")
	f.Add("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nBDAT 3\r\nabcBDAT 2 LAST\r\n\r\nNOOP\n")
	f.Add("HELO x\r\nSTARTTLS\r\nMAIL FROM:<>\r\nRCPT TO:<postmaster>\r\nDATA\r\n.\n\r\n.\r\nx")
	dir := f.TempDir()
	data, err := site.Encode()
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "settings.json"), data, 0o600)
	}

	if err != nil {
		f.Fatal(err)
	}

	s := &Server{
		SettingsPath: filepath.Join(dir, "settings.json"),
		Maildir:      filepath.Join(dir, "mail"),
		MaxSize:      1000,
	}

	s.fillIn()
	s.context = f.Context()
	s.door = newConnLimiter(s)
	f.Fuzz(func(t *testing.T, input string) {
		raw := &scripted{in: strings.NewReader(input)}
		before := s.Stats().Messages[OutcomeLabels{Outcome: Stored}]
		s.newConn(raw).serve(t.Context())

		for line := range strings.Lines(raw.out.String()) {
			if len(line) < 6 || line[0] < '2' || line[0] > '5' ||
				!strings.HasSuffix(line, "\r\n") || len(line) > 600 {
				t.Fatalf("reply %q to %q", line, input)
			}
		}

		stored := s.Stats().Messages[OutcomeLabels{Outcome: Stored}] - before
		ends := strings.Count(input, "\r\n.\r\n") +
			strings.Count(strings.ToUpper(input), "LAST")

		if int(stored) > ends {
			t.Fatalf("%d messages from %q", stored, input)
		}
	})
}

// scripted is a connection whose other end has said everything already.
type scripted struct {
	net.Conn
	in  io.Reader
	out strings.Builder
}

func (s *scripted) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *scripted) Write(p []byte) (int, error)      { return s.out.Write(p) }
func (s *scripted) Close() error                     { return nil }
func (s *scripted) SetReadDeadline(time.Time) error  { return nil }
func (s *scripted) SetWriteDeadline(time.Time) error { return nil }
func (s *scripted) SetDeadline(time.Time) error      { return nil }
func (s *scripted) RemoteAddr() net.Addr {
	return &net.TCPAddr{
		IP:   net.IPv4(192, 0, 2, 1),
		Port: 1,
	}
}
func (s *scripted) LocalAddr() net.Addr {
	return &net.TCPAddr{
		IP:   net.IPv4(10, 10, 10, 10),
		Port: 25,
	}
}
