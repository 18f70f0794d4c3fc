package receiver_test

import (
	"context"
	"fmt"
	"log"
	"net"
	"net/smtp"
	"os"
	"path/filepath"

	"github.com/mailpub/mailpub/mailsvc/receiver"
)

// A server that takes mail for one domain and stores it in a Maildir.
func Example() {
	dir, err := os.MkdirTemp("", "receiver-example-")
	if err != nil {
		log.Fatal(err)
	}

	defer os.RemoveAll(dir)

	settings := filepath.Join(dir, "settings.json")
	const text = `{"format": "mailpub/receiver/v1", "hostname": "mail.nomeazienda.it", "domains": ["nomeazienda.it"],
		"aliases": {"postmaster@nomeazienda.it": "mario"}}`

	if err := os.WriteFile(settings, []byte(text), 0o600); err != nil {
		log.Fatal(err)
	}

	arrived := make(chan receiver.Message, 1)
	server := &receiver.Server{
		SettingsPath: settings,
		Maildir:      filepath.Join(dir, "mail"),
		Delivered:    func(m receiver.Message) { arrived <- m },
	}

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}

	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()

	err = smtp.SendMail(l.Addr().String(), nil, "someone@example.org",
		[]string{"postmaster@nomeazienda.it"},
		[]byte("Subject: hello\r\n\r\nDoes mail arrive?\r\n"))

	if err != nil {
		log.Fatal(err)
	}

	m := <-arrived
	fmt.Println(m.From, "->", m.To[0], "in the mailbox of", m.Mailboxes[0])

	err = smtp.SendMail(l.Addr().String(), nil, "someone@example.org",
		[]string{"nobody@elsewhere.example"}, []byte("Subject: spam\r\n\r\n"))

	fmt.Println(err)
	stop()
	fmt.Println(<-ended)
	// Output:
	// someone@example.org -> postmaster@nomeazienda.it in the mailbox of mario
	// 554 "5.7.1 relaying denied"
	// <nil>
}
