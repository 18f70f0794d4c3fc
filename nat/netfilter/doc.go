// Package netfilter plays the kernel's packet filter: it follows the nftables rules of a hook
// for one packet and says what stops it, if that is sure. It knows nftables' expressions and
// those of iptables' extensions that ufw and firewalld write. It reads rules and changes none,
// and does not know what a packet is for.
package netfilter
