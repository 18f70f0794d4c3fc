package explain

// delivery are the checks that follow a message.
func delivery() []Entry {
	return []Entry{
		{"port.source", "mail",
			"Which client the server saw when the probe sent its message. It fails where that is an address of the inside.",
			"The router puts its own address in everybody's place: block lists and SPF judge the router, and rules that trust the LAN trust the world.",
			"Switch off the translation of sources for incoming connections (masquerading, NAT loopback)."},
		{"mail.local", "mail",
			"One message with a word of its own, handed to the server on the LAN and looked for in the mailbox.",
			"A server that says 250 may still lose mail behind its back: a full disk, a filter, a wrong mailbox.",
			"Follow the message in the server's log; see service.maildir where it is only not found."},
		{"mail.read", "mail",
			"The same message, fetched by IMAP or POP3 as its reader would, with verify.mailbox.",
			"Mail that is stored where nobody looks has not arrived.",
			"See which mailbox the postmaster's mail goes to, and whether the login in the config is that user's."},
		{"mail.backup", "mail",
			"Each MX that is not the mail host: whether it takes strangers' mail for others, or for recipients that do not exist. Only RCPT is said, never is a message sent.",
			"Spammers prefer the backup, since it knows least; its bounces hit the innocent.",
			"Give it the list of recipients, close it to others, or take it out: senders wait for days without it."},
		{"mail.outside", "mail",
			"One message from the probe, by MX, address, SMTP and TLS, as a stranger's server sends it. The first hop that fails is named. Without a probe it can't be known.",
			"This is the question itself: does mail arrive.",
			"Mend the hop that is named; the later ones can't be known before."},
	}
}
