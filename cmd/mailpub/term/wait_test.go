package term

import (
	"bytes"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/mailpub/mailpub/plan/trace"
)

// A terminal shows the answer that is waited for longest, after a second, on one line that fits. Other output takes
// the line away first, and a prompt that stands in the middle of a line is left alone.
func TestWait(t *testing.T) {
	var terminal bytes.Buffer
	w := &wait{
		err:     &terminal,
		style:   Style{Terminal: true, Width: 60},
		pending: map[int]pendingAnswer{},
	}

	out := &outputOfWait{Writer: &terminal, wait: w}
	printed := func() string {
		text := terminal.String()
		terminal.Reset()
		return text
	}

	quick := w.began(trace.Exchange{Protocol: "dns", Peer: "2.2.2.3:53"})
	w.draw(time.Now())
	if got := printed(); got != "" {
		t.Errorf("an answer that may come at once is waited for: %q", got)
	}

	quick()
	slow := w.began(trace.Exchange{Protocol: "upnp", Peer: "10.10.10.1\x1b[2J:5000"})
	w.began(trace.Exchange{Protocol: "smtp", Peer: strings.Repeat("mail.", 20)})

	w.draw(time.Now().Add(3 * time.Second))
	got := printed()
	if want := "waiting 3 s for upnp 10.10.10.1?[2J:5000 and 1 more"; !strings.Contains(got, want) {
		t.Errorf("shown: %q, want %q in it", got, want)
	}

	if columns := displayWidth(strings.TrimPrefix(got, EraseLine)); columns >= 60 {
		t.Errorf("the line has %d columns of 60: %q", columns, got)
	}

	if _, err := io.WriteString(out, "router\n"); err != nil {
		t.Fatal(err)
	}
	if got := printed(); got != EraseLine+"router\n" {
		t.Errorf("output over the line: %q", got)
	}

	if _, err := io.WriteString(out, "Apply these changes? [y/N] "); err != nil {
		t.Fatal(err)
	}
	printed()
	w.draw(time.Now().Add(5 * time.Second))
	if got := printed(); got != "" {
		t.Errorf("a prompt is overwritten with %q", got)
	}

	_, _ = io.WriteString(out, "\n")
	printed()
	slow()
	w.draw(time.Now().Add(5 * time.Second))
	if got := printed(); !strings.Contains(got, "smtp mail.mail.") || displayWidth(strings.TrimPrefix(got, EraseLine)) >= 60 {
		t.Errorf("the next answer: %q", got)
	}
}
