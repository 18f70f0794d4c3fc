package catalog

// delivery are the checks that follow a message.
func delivery() []Entry {
	return []Entry{
		{
			ID:    PortSource,
			Area:  AreaMail,
			Hop:   InRouter,
			Looks: "Which client the server saw when the probe sent its message. It fails where that is an address of the inside.",
			Why:   "The router puts its own address in everybody's place: block lists and SPF judge the router, and rules that trust the LAN trust the world.",
			Mend:  "Switch off the translation of sources for incoming connections (masquerading, NAT loopback).",
		},
		{
			ID:    MailLocal,
			Area:  AreaMail,
			Hop:   InMailbox,
			Looks: "One message with a word of its own, handed to the server on the LAN and looked for in the mailbox.",
			Why:   "A server that says 250 may still lose mail behind its back: a full disk, a filter, a wrong mailbox.",
			Mend:  "Follow the message in the server's log; see service.maildir where it is only not found.",
		},
		{
			ID:    MailRead,
			Area:  AreaMail,
			Hop:   InMailbox,
			Looks: "The same message, fetched by IMAP or POP3 as its reader would, with verify.mailbox.",
			Why:   "Mail that is stored where nobody looks has not arrived.",
			Mend:  "See which mailbox the postmaster's mail goes to, and whether the login in the config is that user's.",
		},
		{
			ID:    MailBackup,
			Area:  AreaMail,
			Hop:   InMailbox,
			Looks: "Each MX that is not the mail host: whether it takes strangers' mail for others, or for recipients that do not exist. Only RCPT is said, never is a message sent.",
			Why:   "Spammers prefer the backup, since it knows least; its bounces hit the innocent.",
			Mend:  "Give it the list of recipients, close it to others, or take it out: senders wait for days without it.",
		},
		{
			ID:    MailOutside,
			Area:  AreaMail,
			Hop:   InMailbox,
			Looks: "One message from the probe, by MX, address, SMTP and TLS, as a stranger's server sends it. The first hop that fails is named. Without a probe it can't be known.",
			Why:   "This is the question itself: does mail arrive.",
			Mend:  "Mend the hop that is named; the later ones can't be known before.",
		},
	}
}
