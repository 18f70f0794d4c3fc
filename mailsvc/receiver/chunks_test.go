package receiver

import (
	"fmt"
	"strings"
	"testing"
)

// TestChunksWithoutEnd gives up a message in chunks in every way, and sends another behind it: what
// becomes of the one is never said of the other. go-smtp stores chunks beside the
// session, so this is for the race detector too.
func TestChunksWithoutEnd(t *testing.T) {
	r := start(t, site, nil)
	for range 20 {
		for _, chunk := range []string{"BDAT 0\r\n", "BDAT 5\r\nhello"} {
			for _, away := range []string{"RSET", "EHLO client.example", "HELO client.example"} {
				c := r.dial(t)
				c.say("EHLO client.example", "250")
				c.say("MAIL FROM:<a@client.example>", "250")
				c.say("RCPT TO:<info@nomeazienda.it>", "250")
				c.send(chunk)
				c.expect("250")
				c.say("MAIL FROM:<b@client.example>", "502")
				c.say(away, "421 4.7.0")
				c.expect("")
			}
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
	c.expect("502")
	c.say("RSET", "250")
	for _, chunk := range []string{"bare\nLF\r\n", strings.Repeat("QUIT\r\n", 10)} {
		c.say("MAIL FROM:<>", "250")
		c.say("RCPT TO:<postmaster>", "250")
		c.send(fmt.Sprintf("BDAT %d\r\n%s", len(chunk), chunk))
		c.expect("250") // it is on its way
		c.say("BDAT 0 LAST", "55")
		c.say("RSET", "250")
	}
	c.say("MAIL FROM:<>", "250")
	c.say("RCPT TO:<postmaster>", "250")
	c.send("BDAT 4 LAST\r\nok\r\n")
	c.expect("250")
	c.say("RSET", "250")
	if got := r.stored(t); len(got) != 1 {
		t.Errorf("stored %q", got)
	}
}
