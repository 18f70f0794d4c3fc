package smtpclient

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mailpub/mailpub/mailsvc/smtptest"
	"github.com/mailpub/mailpub/plan/sockerr"
)

func TestParseReply(t *testing.T) {
	tests := []struct {
		line string
		code int
		text string
		more bool
	}{
		{"250 ok", 250, "ok", false},
		{"250-first", 250, "first", true},
		{"250", 250, "", false},
		{"250 ", 250, "", false},
		{"250-", 250, "", true},
		{"354 go  ahead ", 354, "go  ahead ", false},
		{"599 è", 599, "è", false},
		{"", 0, "", false},
		{"25", 0, "", false},
		{"2500 ok", 0, "", false},
		{"250_ok", 0, "", false},
		{"+25 ok", 0, "", false},
		{"-25 ok", 0, "", false},
		{" 25 ok", 0, "", false},
		{"199 ok", 0, "", false},
		{"600 ok", 0, "", false},
		{"HTTP/1.1 400 Bad Request", 0, "", false},
		{"SSH-2.0-OpenSSH_9.2", 0, "", false},
		{"+OK POP3 ready", 0, "", false},
	}

	for _, test := range tests {
		code, text, more, err := parseReply(test.line)
		if code != test.code || text != test.text || more != test.more ||
			(err != nil) != (test.code == 0) {
			t.Errorf("parseReply(%q) = %d, %q, %v, %v", test.line, code, text, more, err)
		}
	}
}

func FuzzParseReply(f *testing.F) {
	for _, s := range []string{"250 ok", "250-more", "250", "", "2", "٢٥٠ ok",
		strings.Repeat("9", 5000)} {
		f.Add(s)
	}

	f.Fuzz(func(t *testing.T, line string) {
		code, text, more, err := parseReply(line)
		if err != nil {
			if code != 0 || text != "" || more {
				t.Errorf("%q: an error with %d %q %v", line, code, text, more)
			}
			return
		}

		if code < 200 || code > 599 {
			t.Errorf("%q: code %d", line, code)
		}

		back := Reply{code, []string{text}}.String()
		if more {
			back = strings.Replace(back, " ", "-", 1)
		}

		if len(line) <= 200 && strings.TrimRight(back, " ") != strings.TrimRight(line, " ") {
			t.Errorf("%q reads as %q", line, back)
		}
	})
}

// Every fault ends the dialog with what happened, in bounded time and memory.
func TestDialogFaults(t *testing.T) {
	tests := []struct {
		name   string
		handle func(net.Conn)
		want   string
	}{
		{"says nothing", func(conn net.Conn) { io.Copy(io.Discard, conn); conn.Close() }, "timeout"},
		{"closes at once", func(conn net.Conn) { time.Sleep(time.Millisecond); conn.Close() }, "EOF"}, // see fake.serve
		{"closes in a line", func(conn net.Conn) { io.WriteString(conn, "220 mail.nom"); conn.Close() }, "EOF"},
		{"closes in a reply", func(conn net.Conn) { io.WriteString(conn, "220-mail\r\n"); conn.Close() }, "EOF"},
		{"drips octets", smtptest.Drip("2", time.Second), "timeout"},
		{"drips lines", smtptest.Drip("220-wait\r\n", time.Second), "timeout"},
		{"endless lines", smtptest.Drip("220-more\r\n", 0), "more than 100 lines"},
		{"a line of 1 MB", smtptest.Send("220 " + strings.Repeat("x", 1<<20) + "\r\n"), "longer than 4096"},
		{"binary", smtptest.Send("\x16\x03\x01\x00\xff\r\n"), "no SMTP reply"},
		{"web", smtptest.Send("HTTP/1.1 400 Bad Request\r\n\r\n"), "no SMTP reply"},
		{"empty line", smtptest.Send("\r\n"), "no SMTP reply"},
		{"changes its code", smtptest.Send("220-mail\r\n250 mail\r\n"), "changes its code"},
		{"no letters", smtptest.Send("220-mail\r\n220x\r\n"), "no SMTP reply"},
		{"refuses", smtptest.Send("554 go away\r\n"), "greeting is 554 go away"},
		{"busy", smtptest.Send("421 later\r\n"), "greeting is 421 later"},
		{"is deaf after the greeting", smtptest.Send("220 " + smtptest.Host + "\r\n"), "timeout"},
		{"refuses EHLO", (&smtptest.Server{EHLO: "502 no"}).Handle, "EHLO was answered 502"},
		{"closes at EHLO", (&smtptest.Server{EHLO: "-"}).Handle, "EOF"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				_, err := Hello(t.Context(), smtptest.Piped(test.handle), "mail:25")
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("error is %v, want %q", err, test.want)
				}

				if took := time.Since(began); took > GreetingTimeout+StepTimeout+time.Second {
					t.Errorf("took %v", took)
				}

				if err := GateAnswers(t.Context(), smtptest.Piped(test.handle), "mail:25",
					smtptest.Host); err == nil {
					t.Error("the gate is open")
				}

				time.Sleep(2 * time.Second) // for the server to see that we are gone
				synctest.Wait()
			})
		})
	}
}

// A context that ends does so in the middle of a step.
func TestDialogCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()

		began := time.Now()
		if _, err := Hello(ctx, smtptest.Piped(smtptest.Drip("220-wait\r\n", time.Second)),
			"mail:25"); !sockerr.Timeout(err) {
			t.Errorf("error is %v", err)
		}

		if took := time.Since(began); took != 3*time.Second {
			t.Errorf("took %v", took)
		}

		time.Sleep(2 * time.Second)
	})

	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		if _, err := Hello(ctx, smtptest.Piped(smtptest.Send("")), "mail:25"); err == nil {
			t.Error("no error")
		}

		if took := time.Since(began); took != time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAnswers(t *testing.T) {
	tests := []struct {
		name           string
		greeting, ehlo string
		hostname, want string
	}{
		{"good", "", "", smtptest.Host, ""},
		{"case and final dot", "220 Mail.NomeAzienda.it. hello", "250 MAIL.nomeazienda.it", smtptest.Host + ".", ""},
		{"greeting of several lines", "220-" + smtptest.Host + " hello\r\n220 and welcome", "", smtptest.Host, ""},
		{"bare LF", "220 " + smtptest.Host + "\n", "", smtptest.Host, "no SMTP reply"}, // an empty line follows
		{"other greeting", "220 router.lan", "", smtptest.Host, `its greeting is "220 router.lan"`},
		{"other EHLO", "", "250 router.lan", smtptest.Host, `its answer to EHLO is "250 router.lan"`},
		{"no name", "220", "", smtptest.Host, `its greeting is "220 "`},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := &smtptest.Server{Greeting: test.greeting, EHLO: test.ehlo}
			err := GateAnswers(t.Context(), nil, f.Start(t), test.hostname)
			if test.want == "" && err != nil ||
				test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("error is %v, want %q", err, test.want)
			}
		})
	}

	if err := GateAnswers(t.Context(), nil, smtptest.UnusedAddr(t),
		smtptest.Host); err == nil || !strings.Contains(err.Error(),
		"no mail server answers at 127.0.0.1:") {
		t.Errorf("where nothing listens: %v", err)
	}
}

func TestSayTakesNoLineEnds(t *testing.T) {
	f := &smtptest.Server{}
	d, err := Hello(t.Context(), nil, f.Start(t))
	if err != nil {
		t.Fatal(err)
	}

	defer d.Close()

	if _, _, err := d.transaction(t.Context(), "<>", "<a@b>\r\nDATA"); err == nil ||
		!strings.Contains(err.Error(), "line end") {
		t.Errorf("error is %v", err)
	}

	for _, line := range f.Said() {
		if line == "DATA" {
			t.Error("DATA was smuggled in")
		}
	}
}

// What asks whether mail would be taken sends none, and takes back what was said.
func TestTransactionSendsNothing(t *testing.T) {
	f := &smtptest.Server{}
	d, err := Hello(t.Context(), nil, f.Start(t))
	if err != nil {
		t.Fatal(err)
	}

	mail, rcpt, err := d.transaction(t.Context(), "<>", "<mario@nomeazienda.it>")
	if err != nil || !mail.Accepted() || !rcpt.Accepted() {
		t.Errorf("%v, %v, %v", mail, rcpt, err)
	}

	d.Close()
	want := "EHLO [127.0.0.1]|MAIL FROM:<>|RCPT TO:<mario@nomeazienda.it>|RSET|QUIT"
	if got := strings.Join(f.Said(), "|"); got != want {
		t.Errorf("said %s, want %s", got, want)
	}
}

func TestDeliver(t *testing.T) {
	tests := []struct {
		name  string
		reply map[string]string // verb: answer
		step  string
		code  int
		err   string
	}{
		{"taken", nil, "message", 250, ""},
		{"MAIL refused", map[string]string{"MAIL": "550 no"}, "MAIL FROM:<>", 550, ""},
		{"RCPT refused", map[string]string{"RCPT": "550 no"}, "RCPT TO:<mario@nomeazienda.it>", 550, ""},
		{"DATA refused", map[string]string{"DATA": "451 later"}, "DATA", 451, ""},
		{"DATA answered as if done", map[string]string{"DATA": "250 ok"}, "DATA", 250, "want 354"},
		{"message refused", map[string]string{".": "552 too large"}, "message", 552, ""},
		{"message lost", map[string]string{".": "-"}, "message", 0, "EOF"},
		{"closes at RCPT", map[string]string{"RCPT": "-"}, "RCPT TO:<mario@nomeazienda.it>", 0, "EOF"},
	}

	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			stored := ""
			f := &smtptest.Server{
				Stored: func(m string) { stored = m },
				Reply: func(line string) string {
					verb, _, _ := strings.Cut(line, " ")
					return test.reply[verb]
				},
			}

			d, err := Hello(t.Context(), nil, f.Start(t))
			if err != nil {
				t.Fatal(err)
			}

			defer d.Close()

			step, r, err := d.Deliver(t.Context(), "<>", "<mario@nomeazienda.it>",
				"Subject: x\r\n\r\ny")

			if step != test.step || r.Code != test.code {
				t.Errorf("%s was answered %v, want %s and %d", step, r, test.step, test.code)
			}

			if test.err == "" && err != nil ||
				test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error is %v, want %q", err, test.err)
			}

			if test.name == "taken" && stored != "Subject: x\n\ny" {
				t.Errorf("stored %q", stored)
			}
		})
	}
}

func TestReplyString(t *testing.T) {
	if got := (Reply{250, []string{"a", "b"}}).String(); got != "250 a / b" {
		t.Error(got)
	}
	if got := (Reply{250, []string{strings.Repeat("x", 1000)}}).String(); len(got) > 220 {
		t.Errorf("%d octets", len(got))
	}
}

func TestDialError(t *testing.T) {
	broken := errors.New("no cable")
	dial := func(context.Context, string, string) (net.Conn, error) { return nil, broken }
	if _, err := Hello(t.Context(), dial, "mail:25"); !errors.Is(err, broken) {
		t.Errorf("error is %v", err)
	}
}

// A server without a greeting is waited for once in a run; one that was cancelled says nothing.
func TestWaitOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mute := smtptest.Piped(func(conn net.Conn) {
			io.Copy(io.Discard, conn)
			conn.Close()
		})

		dial := WaitOnce(mute)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()

		if _, err := Hello(ctx, dial, "mail:25"); err == nil {
			t.Error("a mute server greeted")
		}

		for i, want := range []time.Duration{GreetingTimeout, 0, 0} {
			began := time.Now()
			_, err := Hello(t.Context(), dial, "mail:25")
			if err == nil || !strings.Contains(err.Error(), "no greeting") ||
				!sockerr.Timeout(err) {
				t.Errorf("try %d: error is %v", i, err)
			}

			if took := time.Since(began); took != want {
				t.Errorf("try %d: took %v, want %v", i, took, want)
			}
		}

		began := time.Now()
		if _, err := Hello(t.Context(), dial, "mail:587"); err == nil ||
			time.Since(began) != GreetingTimeout {
			t.Errorf("another port: %v after %v", err, time.Since(began))
		}
	})
}
