// Package smtpclient speaks SMTP with mail servers as a client that asks more than it sends:
// dialogs step by step, each with its own deadline, whether a recipient would be accepted,
// and which certificate is shown. It says network errors in plain words.
//
// It knows RFC 5321 and the bounds of what a server may say. It does not know what a site
// wants, whether an answer is good, or any server's settings. It imports nothing of ours but
// the table of socket errors.
package smtpclient
