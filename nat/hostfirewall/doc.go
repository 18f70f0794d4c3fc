// Package hostfirewall looks at the firewall of the host that it runs on: whether it lets in
// what the router forwards to it, and whose rules they are (ufw, firewalld, Windows Defender
// Firewall). It changes nothing and asks no router.
package hostfirewall
