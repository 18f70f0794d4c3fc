package smtpclient

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/mailpub/mailpub/plan/trace"
)

// What -v and -vv show of a dialog has each command and reply, and no part of a login (RFC 4954).
func TestTraceWithoutLogins(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}

	defer l.Close()

	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}

		defer conn.Close()

		in := bufio.NewScanner(conn)
		fmt.Fprint(conn, "220 mail.nomeazienda.it\r\n")
		for _, reply := range []string{"250-mail.nomeazienda.it\r\n250 AUTH PLAIN LOGIN",
			"535 no", "334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 no", "221 bye"} {
			if !in.Scan() {
				return
			}
			fmt.Fprint(conn, reply+"\r\n")
		}
	}()

	var told strings.Builder
	ctx := trace.With(t.Context(), &trace.Observer{
		Exchanged: func(e trace.Exchange) {
			fmt.Fprintln(&told, "asked", e.Peer, e.Question)
		},
		Wire: func(_, _ string, way trace.Direction, text string) {
			fmt.Fprintln(&told, way, text)
		},
	})

	d, err := HelloAs(ctx, nil, l.Addr().String(), "probe.nomeazienda.it")
	if err != nil {
		t.Fatal(err)
	}

	for _, line := range []string{"AUTH PLAIN AG1hcmlvAHNlY3JldA==", "AUTH LOGIN", "bWFyaW8=",
		"c2VjcmV0", "QUIT"} {
		if _, err := d.Command(ctx, line); err != nil {
			t.Fatal(err)
		}
	}

	d.Drop()

	peer := l.Addr().String()
	for _, want := range []string{
		"asked " + peer + " connect", "received 220 mail.nomeazienda.it",
		"asked " + peer + " EHLO probe.nomeazienda.it",
		"received 250 mail.nomeazienda.it\nAUTH PLAIN LOGIN", "sent AUTH PLAIN [secret]",
		"sent AUTH LOGIN\n", "sent [secret]\nasked " + peer + " [secret]", "sent QUIT",
	} {
		if !strings.Contains(told.String(), want) &&
			!strings.Contains(strings.ReplaceAll(told.String(), "received 334 UGFzc3dvcmQ6\n",
				""),
				want) {
			t.Errorf("no %q in\n%s", want, told.String())
		}
	}

	for _, secret := range []string{"AG1hcmlv", "bWFyaW8", "c2VjcmV0"} {
		if strings.Contains(told.String(), secret) {
			t.Errorf("%q is shown:\n%s", secret, told.String())
		}
	}
}
