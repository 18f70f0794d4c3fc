// Package postfix sets up Postfix, and the part of Dovecot that tells Postfix who may log in.
//
// What it knows was seen on Postfix 3.7 and Dovecot 2.3. It reads main.cf through postconf and
// writes it itself, a setting at a time, so that every other line stays as it is to the
// byte; postconf -e would fold continued lines. Lookup tables are edited in their source and
// indexed with postmap. Dovecot is given one file of mailpub's own, and asked by doveconf.
package postfix
