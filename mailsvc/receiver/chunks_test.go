package receiver

import (
	"fmt"
	"strings"
	"testing"
)

// TestChunksWithoutEnd gives up a message in chunks in every way, and sends another behind it: what
// becomes of the one is never said of the other (RFC 3030 section 2).
func TestChunksWithoutEnd(t *testing.T) {
	r := start(t, site, nil)
	for _, chunk := range []string{"BDAT 0\r\n", "BDAT 5\r\nhello"} {
		for _, away := range []string{"RSET", "EHLO client.example", "HELO client.example"} {
			c := r.dial(t)
			c.say("EHLO client.example", "250")
			c.say("MAIL FROM:<a@client.example>", "250")
			c.say("RCPT TO:<info@nomeazienda.it>", "250")
			c.send(chunk)
			c.expect("250")
			c.say("MAIL FROM:<b@client.example>", "503 5.5.1")
			c.say("RCPT TO:<info@nomeazienda.it>", "503 5.5.1")
			c.say("DATA", "503 5.5.1")
			c.say("NOOP", "250")
			c.say(away, "250")
			c.say("BDAT 0 LAST", "503 5.5.1")
			c.say("QUIT", "221")
			c.expect("")
		}
	}

	if err := r.stop(); err != nil {
		t.Fatal(err)
	}

	if got := r.stored(t); len(got) != 0 {
		t.Errorf("stored %q", got)
	}
}

// TestRefusedChunks sees that the session goes on behind a message in chunks that is refused, the
// octets of which are taken for nothing else.
func TestRefusedChunks(t *testing.T) {
	r := start(t, site, func(s *Server) { s.MaxSize = 20 })
	c := r.dial(t)
	c.say("EHLO client.example", "250")
	const command = "QUIT\r\n"
	c.send(fmt.Sprintf("BDAT %d\r\n%s", len(command), command)) // before RCPT
	c.expect("503 5.5.1")
	c.say("RSET", "250")

	for _, chunk := range []string{"bare\nLF\r\n", strings.Repeat("QUIT\r\n", 10)} {
		c.say("MAIL FROM:<>", "250")
		c.say("RCPT TO:<postmaster>", "250")
		c.send(fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk))
		c.expect("55")
		c.say("BDAT 0 LAST", "503 5.5.1")
	}

	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<postmaster>", "250")
	c.send("BDAT 4 LAST\r\nok\r\n")
	c.expect("250")
	c.say("RSET", "250")
	c.say("MAIL FROM:<>", "250") // and in three, with a word between them
	c.say("RCPT TO:<postmaster>", "250")
	c.send("BDAT 2\r\nokNOOP\r\nBDAT 2\r\n\r\nBDAT 0 LAST\r\n")

	for range 4 {
		c.expect("250")
	}

	if got := r.stored(t); len(got) != 2 {
		t.Errorf("stored %q", got)
	}
}
