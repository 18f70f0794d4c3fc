// Package check checks a mail server over the network: by SMTP on the LAN and from outside,
// by IMAP and POP3, and by what the server's own commands tell.
//
// It knows the ids of the checks of mail, what each wants, and what to do when one fails. It
// changes nothing in a server, and does not know how settings are made (mailsvc, whose
// drivers it asks) or what DNS says.
package check
